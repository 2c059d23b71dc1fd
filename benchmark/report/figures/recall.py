"""Recall of each class: a point a method, a panel a factor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.paper.published import RECALL_PREFIX
from benchmark.report.drawing import note, page
from benchmark.report.drawing.drawn import Drawn, Series
from benchmark.report.drawing.style import look, plain
from benchmark.stats.intervals import wilson

HELP = "recall of each class, with intervals"
PLACE = 1

_PANEL = 2.1  # inches
_LABELS = 0.45
_SIZE = 7  # points, of the class names
_TURN = 35  # degrees
_BAND = 0.76  # share of a class's place that its points take


def draw(group: Drawn) -> Figure:
    """Draw the recall of each class in percent, the mean over seeds.

    The bars are the sample standard deviation over seeds where every method that is drawn has
    several; otherwise the 95 % Wilson interval on the test images of the class, where a mean over
    seeds is rounded outwards to whole images.
    """
    rows = len(group.factors)
    labels, turn = _class_labels(group)
    below = _LABELS
    if turn:
        below += page.text_width(labels, _SIZE) * math.sin(math.radians(turn))
    figure = page.blank(page.TWO_COLUMNS, _PANEL * rows + below)
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    seeds = [len(group.rows(s, f)) for s in group.series for f in group.factors]
    over_seeds = min((count for count in seeds if count), default=0) > 1
    for axes, factor in zip(panels, group.factors, strict=True):
        _panel(axes, group, factor, over_seeds)
    _name_classes(panels[-1], labels, turn)
    bars = (
        note.spread(group, "Bars")
        if over_seeds
        else "Bars: 95 % Wilson interval on the test images of the class."
    )
    return page.finish(
        figure,
        [page.handle(series.slot, series.label, line=False) for series in group.series],
        [*note.context(group), bars, *note.gaps(group)],
    )


def _panel(axes: Axes, group: Drawn, factor: float | None, over_seeds: bool) -> None:
    classes = np.arange(len(group.classes))
    for boundary in classes[:-1] + 0.5:
        axes.axvline(boundary, color="#d9d9d9", linewidth=0.5)
    for place, series in zip(_places(len(group.series)), group.series, strict=True):
        values = _recalls(group, series, factor)
        if not len(values):
            continue
        mean = values.mean(axis=0)
        error = _deviation(values) if over_seeds else _sampling(mean, _test_counts(group))
        as_drawn = look(series.slot)
        axes.errorbar(
            classes + place,
            mean,
            yerr=error,
            color=as_drawn.color,
            marker=as_drawn.marker,
            markersize=as_drawn.size,
            markeredgecolor="white",
            markeredgewidth=0.4,
            linestyle="none",
            elinewidth=1,
            label=series.label,
        )
    axes.set_ylim(-4, 104)
    axes.set_yticks(range(0, 101, 25))
    axes.set_ylabel(f"{group.measured('Recall')} (%)")
    if len(group.factors) > 1:
        axes.set_title(note.factor_title(factor), loc="left")


def _class_labels(group: Drawn) -> tuple[list[str], int]:
    """Return the classes with their test images, and by how many degrees they must be turned."""
    names = [plain(name, 24).capitalize() for name in group.classes]
    pairs = list(zip(names, _test_counts(group), strict=True))
    room = 0.88 * page.TWO_COLUMNS / len(names)
    if page.text_width(names, _SIZE) < 0.95 * room:
        return [f"{name}\n{count}" for name, count in pairs], 0
    return [f"{name}, {count}" for name, count in pairs], _TURN


def _name_classes(axes: Axes, labels: Sequence[str], turn: int) -> None:
    axes.set_xlim(-0.5, len(labels) - 0.5)
    axes.tick_params(axis="x", length=0)
    axes.set_xticks(range(len(labels)), labels)
    if turn:
        for label in axes.get_xticklabels():
            label.set(rotation=turn, ha="right", rotation_mode="anchor")
    axes.set_xlabel("Class, and its test images")


def _places(count: int) -> NDArray[np.float64]:
    """Return where the points of each series stand around the middle of a class."""
    places: NDArray[np.float64] = np.arange(count, dtype=np.float64) - (count - 1) / 2
    return places * (_BAND / max(count, 4))


def _recalls(group: Drawn, series: Series, factor: float | None) -> NDArray[np.float64]:
    """Return recalls in percent, (seeds, K)."""
    columns = [f"{RECALL_PREFIX}{name}" for name in group.classes]
    return np.asarray(group.rows(series, factor)[columns], dtype=np.float64)


def _deviation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    deviation: NDArray[np.float64] = values.std(axis=0, ddof=1)
    return deviation


def _sampling(mean: NDArray[np.float64], counts: Sequence[int]) -> NDArray[np.float64]:
    """Return how far the Wilson interval reaches below and above the mean, (2, K) in percent."""
    reach = np.full((2, len(mean)), np.nan)
    for k, (value, count) in enumerate(zip(mean, counts, strict=True)):
        if count:
            hits = round(value / 100 * count, 6)  # no whole number where it is a mean over seeds
            low, high = wilson(math.floor(hits), count)[0], wilson(math.ceil(hits), count)[1]
            reach[:, k] = max(value - 100 * low, 0), max(100 * high - value, 0)
    return reach


def _test_counts(group: Drawn) -> list[int]:
    cells = ((series, factor) for series in group.series for factor in group.factors)
    matrix = next(matrix for cell in cells for matrix in group.confusions(*cell))
    return [sum(row) for row in matrix]
