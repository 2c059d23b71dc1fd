"""Overall against mean accuracy as logits are corrected more and more: a curve a method."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from benchmark.analysis.corrected import Floats, corrected_accuracies
from benchmark.analysis.decoration import CHOSEN, adjustment
from benchmark.analysis.groups import Entry, Factor
from benchmark.errors import InputError
from benchmark.report.drawing import note, page
from benchmark.report.drawing.drawn import Drawn, Series
from benchmark.report.drawing.style import look
from benchmark.stats.adjustment import TAUS

HELP = "overall against mean accuracy as logits are adjusted after training"
PLAIN = "a trade-off shows every tau by itself"
PLACE = 6

_PANEL = 2.9  # inches
_ACROSS = 2
_FAINT = 0.35
_CROSS: dict[str, Any] = {"marker": "+", "markersize": 9, "markeredgewidth": 1.8}
"""No method is drawn by it."""
_MARGIN = 4  # points below the lowest accuracies without a correction


class Curve(NamedTuple):
    """What a method reaches by every correction.

    Attributes:
        overall: accuracy in percent by run and tau, (S, T).
        mean: likewise.
        chosen: the mean over runs of both at the tau that each run's clean validation images
            choose, (2,); None where none can be chosen.
    """

    overall: Floats
    mean: Floats
    chosen: Floats | None


def draw(drawn: Drawn) -> Figure:
    """Draw a panel a factor: the mean over seeds, seeds as thin lines, tau 0 and tau 1 marked, and
    the tau that validation images choose where their logits are kept.

    A curve is strong where no other method's curve is better in both accuracies, and faint where
    one is.

    Raises:
        InputError: no logits of these cells are kept.
    """
    curves = {factor: _curves(drawn, factor) for factor in drawn.factors}
    if not any(curves.values()):
        raise InputError(
            f"no logits of --select {drawn.rule} are kept of these cells, and a trade-off is made "
            "from them; use last"
        )
    across = min(_ACROSS, len(drawn.factors))
    down = -(-len(drawn.factors) // across)
    figure = page.blank(page.TWO_COLUMNS, _PANEL * down)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    outside: dict[str, None] = {}
    for axes, factor in zip(panels, drawn.factors, strict=False):
        _panel(axes, curves[factor])
        outside |= dict.fromkeys(_frame(axes, curves[factor]))
        axes.set_title(note.factor_title(factor), loc="left")
        axes.set_xlabel(f"{drawn.measured('Overall accuracy')} (%)")
        axes.set_ylabel(f"{drawn.measured('Mean accuracy')} (%)")
    for axes in panels[len(drawn.factors) :]:
        axes.set_axis_off()
    plain = Line2D([], [], linestyle="none", marker="o", color="black", label="tau 0: as trained")
    full = Line2D(
        [], [], linestyle="none", marker="o", markerfacecolor="white", color="black", label="tau 1"
    )
    signs = [plain, full]
    if any(curve.chosen is not None for found in curves.values() for _, curve in found):
        label = "tau chosen on clean validation images"
        signs.append(Line2D([], [], linestyle="none", **_CROSS, color="black", label=label))
    return page.finish(
        figure,
        [*(page.handle(series.slot, series.label) for series in drawn.series), *signs],
        [
            *note.context(drawn),
            "Logits less tau times the logarithm of the training set's class shares, tau from 0 to "
            f"{TAUS[-1]:g} by {TAUS[1]:g}: nothing is trained again, and no tau is chosen on these "
            "images.",
            "Faint: another method's curve is better in both. Thin lines: seeds. Curves may run on "
            "beyond the frame, which every tau 0 lies in.",
            *([f"Tau 1 lies outside of: {', '.join(outside)}."] if outside else []),
            *note.gaps(drawn),
        ],
    )


def _curves(drawn: Drawn, factor: Factor) -> list[tuple[Series, Curve]]:
    found = []
    for series in drawn.series:
        for entry in drawn.entries(series, factor):
            both = None if drawn.answers is None else corrected_accuracies(entry, drawn.answers)
            if both is not None:
                found.append((series, Curve(*both, _chosen(drawn, entry, *both))))
    return found


def _chosen(drawn: Drawn, entry: Entry, overall: Floats, mean: Floats) -> Floats | None:
    if drawn.answers is None:
        return None
    reading = drawn.answers.read(adjustment(CHOSEN))
    taus = [reading.tau(record) for record in entry.runs.values()]
    places = [TAUS.index(tau) for tau in taus if tau is not None]
    if len(places) < len(taus):
        return None
    runs = np.arange(len(places))
    return np.array([overall[runs, places].mean(), mean[runs, places].mean()])


def _panel(axes: Axes, curves: list[tuple[Series, Curve]]) -> None:
    means = [(curve.overall.mean(axis=0), curve.mean.mean(axis=0)) for _, curve in curves]
    for place, (series, (overall, mean, chosen)) in enumerate(curves):
        as_drawn = look(series.slot)
        x, y = means[place]
        others = [curve for other, curve in enumerate(means) if other != place]
        beaten = _beaten(x, y, others)
        for run in range(len(overall) if len(overall) > 1 else 0):
            axes.plot(overall[run], mean[run], color=as_drawn.color, linewidth=0.4, alpha=_FAINT)
        style = {"color": as_drawn.color, "linestyle": as_drawn.dashes}
        axes.plot(x, y, alpha=_FAINT, **style)
        axes.plot(np.where(beaten, np.nan, x), np.where(beaten, np.nan, y), linewidth=1.8, **style)
        for tau, filled in ((0.0, True), (1.0, False)):
            at = TAUS.index(tau)
            axes.plot(
                x[at],
                y[at],
                color=as_drawn.color,
                marker=as_drawn.marker,
                markersize=as_drawn.size,
                markerfacecolor=as_drawn.color if filled else "white",
                linestyle="none",
                alpha=_FAINT if beaten[at] else 1,
                zorder=3,
            )
        if chosen is not None:
            axes.plot(*chosen, color=as_drawn.color, zorder=4, **_CROSS)


def _frame(axes: Axes, curves: list[tuple[Series, Curve]]) -> list[str]:
    """Show what lies around and above all tau 0, and return whose tau 1 lies elsewhere.

    A correction that goes too far ends anywhere, and would press all that matters into a corner.
    """
    if not curves:
        return []
    points = {s.label: (c.overall.mean(axis=0), c.mean.mean(axis=0)) for s, c in curves}
    lowest = [min(of[axis][0] for of in points.values()) - _MARGIN for axis in (0, 1)]
    axes.set_xlim(lowest[0], max(x.max() for x, _ in points.values()) + 1)
    axes.set_ylim(lowest[1], max(y.max() for _, y in points.values()) + 1)
    at = TAUS.index(1.0)
    return [name for name, (x, y) in points.items() if x[at] < lowest[0] or y[at] < lowest[1]]


def _beaten(x: Floats, y: Floats, others: list[tuple[Floats, Floats]]) -> NDArray[np.bool_]:
    """Return which points of a curve a point of another one is better than in both."""
    beaten = np.zeros(len(x), dtype=np.bool_)
    for other_x, other_y in others:
        better = (other_x[:, None] > x) & (other_y[:, None] > y)
        beaten |= better.any(axis=0)
    return beaten
