"""Confusion matrices: a panel a method and factor."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.report.figures import note, page
from benchmark.report.figures.group import Group, Series
from benchmark.report.figures.style import plain

_SIDE = 2.05  # inches
_NAMES = 0.8
_COLUMNS = 3
_MOST = 12
_COUNT_SIZE = 6.0  # points
_MAP = "Blues"  # light to dark, so that it reads without colour as well


def confusion_figure(group: Group) -> Figure:
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
    columns = min(_COLUMNS, len(cells))
    rows = math.ceil(len(cells) / columns)
    width = page.ONE_COLUMN if columns == 1 else page.TWO_COLUMNS
    side = _SIDE if columns == _COLUMNS else 2.7
    figure = page.blank(width, side * rows + _NAMES)
    panels = figure.subplots(rows, columns, squeeze=False)
    mesh = None
    for place, (series, factor) in enumerate(cells):
        axes = panels[place // columns, place % columns]
        mesh = _panel(axes, group, series, factor) or mesh
        _name_classes(axes, group, left=place % columns == 0, above=place < columns)
    for axes in panels.flat[len(cells) :]:
        axes.axis("off")
    assert mesh is not None  # a group has at least one cell
    bar = figure.colorbar(mesh, ax=panels, shrink=min(1, 1.2 / rows), aspect=25, pad=0.02)
    bar.set_label("Share of the true class (%)")
    bar.outline.set_visible(False)
    most = max(len(group.rows(*cell)) for cell in cells)
    numbers = "Numbers: test images" + (", added up over the seeds." if most > 1 else ".")
    return page.finish(figure, [], [*note.context(group), numbers, *note.gaps(group)])


def summed(group: Group, series: Series, factor: float | None) -> NDArray[np.int64] | None:
    """Return the confusion matrices of all seeds added up, (K, K); None for a missing cell."""
    matrices = [group.confusion(record) for record in group.runs(series, factor)]
    return np.sum(matrices, axis=0, dtype=np.int64) if matrices else None


def _panel(axes: Axes, group: Group, series: Series, factor: float | None) -> QuadMesh | None:
    classes = len(group.classes)
    several = len(group.factors) > 1
    title = f"{series.label}, {note.factor_title(factor).lower()}" if several else series.label
    axes.set_title(group.measured(title))
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
    for (true, predicted), count in np.ndenumerate(matrix):
        axes.text(
            predicted + 0.5,
            true + 0.5,
            f"{count}",
            ha="center",
            va="center",
            size=_COUNT_SIZE * min(1, 7 / classes),
            color="white" if shares[true, predicted] > 55 else "black",
        )
    return mesh


def _name_classes(axes: Axes, group: Group, *, left: bool, above: bool) -> None:
    """Name rows and columns as a table does; the first row of panels is always a full one."""
    names = [plain(name, 16).capitalize() for name in group.classes]
    places = np.arange(len(names)) + 0.5
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks(places, names if above else [], rotation=90)
    axes.set_yticks(places, names if left else [])
    axes.set_xlabel("Predicted class" if above else "")
    axes.set_ylabel("True class" if left else "")
