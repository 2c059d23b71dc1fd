"""Confusion matrices: a panel a method and factor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.report.drawing import note, page
from benchmark.report.drawing.drawn import Drawn, Series
from benchmark.report.drawing.style import plain

HELP = "confusion matrices"
PLACE = 3

_BAR = 0.75  # inches, of the colour bar with its labels
_TITLE = 0.3  # inches
_NAME_LENGTH = 16
_COLUMNS = 3
_MOST = 12
_NAME_SIZE = 7.0  # points
_COUNT_SIZE = 6.0
_SMALLEST = 4.0  # no one reads smaller counts
_DIGIT = 0.66  # width of a digit in parts of the size
_MAP = "Blues"  # light to dark, so that it reads without colour as well


class _Sizes(NamedTuple):
    """Sizes of text in points; 0 for counts that would be too small to read."""

    names: float
    counts: float


def draw(group: Drawn) -> Figure:
    """Draw a matrix a method and factor: rows are true classes, shaded by their share in percent.

    The numbers are images, added up over seeds.

    Raises:
        InputError: more matrices than a page holds.
    """
    cells = [(series, factor) for factor in group.factors for series in group.series]
    if len(cells) > _MOST:
        raise InputError(
            f"{len(cells)} confusion matrices do not fit on a page ({_MOST} at most); name fewer "
            "with --methods or --factors"
        )
    by_method = len(group.factors) > 1 and 1 < len(group.series) <= _COLUMNS
    columns = len(group.series) if by_method else min(_COLUMNS, len(cells))
    rows = math.ceil(len(cells) / columns)
    width = page.ONE_COLUMN if columns == 1 else page.TWO_COLUMNS
    names = page.text_width(_names(group), _NAME_SIZE) + 0.3
    side = (width - names - _BAR) / columns - 0.08
    height = rows * (side + _TITLE) + names
    sizes = _sizes(side, len(group.classes), _largest(group, cells))
    figure = page.blank(width, height)
    panels = figure.subplots(rows, columns, squeeze=False)
    mesh = None
    for place, (series, factor) in enumerate(cells):
        axes = panels[place // columns, place % columns]
        mesh = _panel(axes, group, series, factor, sizes) or mesh
        _name(axes, group, series, factor, sizes, above=place < columns, left=not place % columns)
    for axes in panels.flat[len(cells) :]:
        axes.axis("off")
    assert mesh is not None  # a group has at least one cell
    bar = figure.colorbar(mesh, ax=panels, shrink=0.75 / rows**0.5, aspect=25, pad=0.02)
    bar.set_label("Share of the true class (%)")
    bar.outline.set_visible(False)
    most = max(len(group.rows(*cell)) for cell in cells)
    numbers = "Numbers: test images" + (", added up over the seeds." if most > 1 else ".")
    shown = [numbers] if sizes.counts else []
    return page.finish(figure, [], [*note.context(group), *shown, *note.gaps(group)])


def summed(group: Drawn, series: Series, factor: float | None) -> NDArray[np.int64] | None:
    """Return the confusion matrices of all seeds added up, (K, K); None for a missing cell."""
    matrices = group.confusions(series, factor)
    return np.sum(matrices, axis=0, dtype=np.int64) if matrices else None


def _sizes(side: float, classes: int, largest: int) -> _Sizes:
    cell = 72 * side / classes
    count = min(_COUNT_SIZE, 0.95 * cell / (_DIGIT * len(str(largest))))
    return _Sizes(min(_NAME_SIZE, 0.85 * cell), count if count >= _SMALLEST else 0)


def _largest(group: Drawn, cells: Sequence[tuple[Series, float | None]]) -> int:
    matrices = [matrix for cell in cells if (matrix := summed(group, *cell)) is not None]
    return max(int(matrix.max()) for matrix in matrices)


def _panel(
    axes: Axes, group: Drawn, series: Series, factor: float | None, sizes: _Sizes
) -> QuadMesh | None:
    classes = len(group.classes)
    axes.set(xlim=(0, classes), ylim=(classes, 0), aspect="equal")
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    matrix = summed(group, series, factor)
    if matrix is None:
        axes.text(classes / 2, classes / 2, "not stored", ha="center", va="center")
        return None
    with np.errstate(invalid="ignore"):
        shares = 100 * matrix / matrix.sum(axis=1, keepdims=True)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(shares), cmap=_MAP, vmin=0, vmax=100, edgecolors="white", linewidth=0.5
    )
    if sizes.counts:
        for (true, predicted), count in np.ndenumerate(matrix):
            written = axes.text(
                predicted + 0.5,
                true + 0.5,
                f"{count}",
                ha="center",
                va="center",
                size=sizes.counts,
                color="white" if shares[true, predicted] > 55 else "black",
            )
            written.set_in_layout(False)  # it lies inside its panel; the layout is quicker so
    return mesh


def _name(
    axes: Axes,
    group: Drawn,
    series: Series,
    factor: float | None,
    sizes: _Sizes,
    *,
    above: bool,
    left: bool,
) -> None:
    """Name method, rows and columns as a table does; the first row of panels is a full one."""
    several = len(group.factors) > 1
    title = f"{series.label}, {note.factor_title(factor).lower()}" if several else series.label
    title = group.measured(title)
    names = _names(group)
    places = np.arange(len(names)) + 0.5
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks(places, names if above else [], rotation=90, size=sizes.names)
    axes.set_yticks(places, names if left else [], size=sizes.names)
    axes.set_xlabel(f"{title}\nPredicted class" if above else title)
    axes.set_ylabel("True class" if left else "")


def _names(group: Drawn) -> list[str]:
    return [plain(name, _NAME_LENGTH).capitalize() for name in group.classes]
