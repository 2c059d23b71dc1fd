"""Overall and mean accuracy against the imbalance factor: a line a method."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.data.imbalance import factor_label
from benchmark.report.drawing import note, page
from benchmark.report.drawing.drawn import Drawn, Series
from benchmark.report.drawing.style import look

HELP = "overall and mean accuracy against the imbalance factor"
PLACE = 2

_HEIGHT = 2.6  # inches
_BAND = 0.3  # share of the step between two factors over which the methods are spread
_PANELS = (("overall", "Overall accuracy"), ("mean", "Mean accuracy"))


def draw(group: Drawn) -> Figure:
    """Draw both accuracies in percent, the mean over seeds with their standard deviation.

    Factors stand evenly in ascending order. The unmodified set, which no factor made, stands first
    and is not joined to the rest; nor are the neighbours of a cell that is missing.
    """
    figure = page.blank(page.TWO_COLUMNS, _HEIGHT)
    panels = figure.subplots(1, 2)
    for axes, (column, name) in zip(panels, _PANELS, strict=True):
        for number, series in enumerate(group.series):
            shift = (number - (len(group.series) - 1) / 2) * _BAND / max(len(group.series), 2)
            _line(axes, group, series, column, shift)
        axes.set_ylabel(f"{group.measured(name)} (%)")
        _name_factors(axes, group)
    return page.finish(
        figure,
        [page.handle(series.slot, series.label) for series in group.series],
        [*note.context(group), note.spread(group, "Bars"), *note.gaps(group)],
    )


def _order(group: Drawn) -> list[float | None]:
    numbers: list[float | None] = [factor for factor in group.factors if factor is not None]
    return [None, *numbers] if None in group.factors else numbers


def _line(axes: Axes, group: Drawn, series: Series, column: str, shift: float) -> None:
    x, mean, deviation = [], [], []
    for place, factor in enumerate(_order(group)):
        values = group.rows(series, factor)[column].to_numpy(dtype=np.float64)
        x.append(place + shift)
        mean.append(values.mean() if len(values) else np.nan)
        deviation.append(values.std(ddof=1) if len(values) > 1 else np.nan)
        if factor is None:  # nothing joins the unmodified set to the others
            x.append(np.nan)
            mean.append(np.nan)
            deviation.append(np.nan)
    as_drawn = look(series.slot)
    axes.errorbar(
        x,
        mean,
        yerr=None if np.isnan(deviation).all() else deviation,
        color=as_drawn.color,
        marker=as_drawn.marker,
        markersize=as_drawn.size,
        markeredgecolor="white",
        markeredgewidth=0.4,
        linestyle=as_drawn.dashes,
        elinewidth=1,
        label=series.label,
    )


def _name_factors(axes: Axes, group: Drawn) -> None:
    order = _order(group)
    axes.set_xlim(-0.5, len(order) - 0.5)
    axes.set_xticks(range(len(order)), [factor_label(factor) for factor in order])
    axes.set_xlabel("Imbalance factor (largest / smallest class)")
    if None in group.factors and len(order) > 1:
        axes.axvline(0.5, color="#999999", linewidth=0.6, linestyle=(0, (2, 2)))
