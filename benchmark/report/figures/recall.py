"""Recall of each class: a point a method, a panel a factor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.report.figures import note, page
from benchmark.report.figures.group import Group, Series
from benchmark.report.figures.style import look, plain
from benchmark.report.frame import RECALL_PREFIX
from benchmark.stats import wilson

_PANEL = 2.1  # inches
_LABELS = 0.45
_SIZE = 7  # points, of the class names
_BAND = 0.76  # share of a class's place that its points take


def recall_figure(group: Group) -> Figure:
    """Draw the recall of each class in percent, the mean over seeds.

    The bars are the sample standard deviation over seeds where every method that is drawn has
    several; otherwise the 95 % Wilson interval on the test images of the class, where the mean over
    seeds counts to the nearest image.
    """
    rows = len(group.factors)
    figure = page.blank(page.TWO_COLUMNS, _PANEL * rows + _LABELS)
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    seeds = [len(group.rows(s, f)) for s in group.series for f in group.factors]
    over_seeds = min((count for count in seeds if count), default=0) > 1
    for axes, factor in zip(panels, group.factors, strict=True):
        _panel(axes, group, factor, over_seeds)
    _name_classes(panels[-1], group)
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


def _panel(axes: Axes, group: Group, factor: float | None, over_seeds: bool) -> None:
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
        drawn = axes.errorbar(
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
        drawn.lines[0].set_gid(f"series-{series.slot}")
    axes.set_ylim(-4, 104)
    axes.set_yticks(range(0, 101, 25))
    axes.set_ylabel(f"{group.measured('Recall')} (%)")
    if len(group.factors) > 1:
        axes.set_title(note.factor_title(factor), loc="left")


def _name_classes(axes: Axes, group: Group) -> None:
    classes, counts = group.classes, _test_counts(group)
    axes.set_xlim(-0.5, len(classes) - 0.5)
    axes.tick_params(axis="x", length=0)
    names = [plain(name, 24).capitalize() for name in classes]
    room = 0.88 * page.TWO_COLUMNS / len(classes)
    turn = 0 if page.text_width(names, _SIZE) < 0.95 * room else 25
    axes.set_xticks(
        range(len(classes)),
        [f"{name}\n{int(n)}" for name, n in zip(names, counts, strict=True)],
        rotation=turn,
        ha="right" if turn else "center",
        rotation_mode="anchor" if turn else "default",
        multialignment="right" if turn else "center",
    )
    axes.set_xlabel("Class, and its test images")


def _places(count: int) -> NDArray[np.float64]:
    """Return where the points of each series stand around the middle of a class."""
    return (np.arange(count) - (count - 1) / 2) * (_BAND / max(count, 4))


def _recalls(group: Group, series: Series, factor: float | None) -> NDArray[np.float64]:
    """Return recalls in percent, (seeds, K)."""
    columns = [f"{RECALL_PREFIX}{name}" for name in group.classes]
    return np.asarray(group.rows(series, factor)[columns], dtype=np.float64)


def _deviation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(values.std(axis=0, ddof=1), dtype=np.float64)


def _sampling(mean: NDArray[np.float64], counts: Sequence[int]) -> NDArray[np.float64]:
    """Return how far the Wilson interval reaches below and above the mean, (2, K) in percent."""
    reach = np.full((2, len(mean)), np.nan)
    for k, (value, count) in enumerate(zip(mean, counts, strict=True)):
        if count:
            low, high = wilson(round(value / 100 * count), count)
            reach[:, k] = max(value - 100 * low, 0), max(100 * high - value, 0)
    return reach


def _test_counts(group: Group) -> list[int]:
    record = next(iter(group.records.values()))
    return [sum(row) for row in group.confusion(record)]
