"""Training loss and accuracies by epoch: a line a method, a row of panels a factor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from benchmark.report.drawing import note, page
from benchmark.report.drawing.drawn import Drawn, Series
from benchmark.report.drawing.style import look
from benchmark.stats.accuracy import overall_accuracy
from benchmark.store.record import Epoch, Record
from benchmark.words import count

HELP = "training loss and accuracies by epoch"
ALL_IMAGES = True
WHY = "curves show every epoch, and logits are kept of few"
PLAIN = "curves show every epoch, and logits are kept of few"
PLACE = 4

_HEIGHT = 2.0  # inches
_LABELS = 0.35
Value = Callable[[Epoch], float]


def training_loss(epoch: Epoch) -> float:
    """Return the sum of the loss's terms, which is what was minimised; nan where none was kept."""
    return sum(epoch.loss.values()) if epoch.loss else float("nan")


def test_accuracy(epoch: Epoch) -> float:
    """Return the overall accuracy on the test set in percent."""
    return 100 * overall_accuracy(epoch.test)


def validation_accuracy(epoch: Epoch) -> float:
    """Return the overall accuracy on the validation set in percent; nan where there is none."""
    return float("nan") if epoch.validation is None else 100 * overall_accuracy(epoch.validation)


def draw(group: Drawn) -> Figure:
    """Draw the mean over seeds by epoch with a band of their standard deviation.

    A marker stands at the epoch of each run that the selection rule picks.
    """
    kinds: list[tuple[str, Value]] = [
        ("Training loss", training_loss),
        ("Test overall accuracy (%)", test_accuracy),
    ]
    histories = [record.history for record in group.records.values()]
    if any(epoch.validation for history in histories for epoch in history):
        kinds.append(("Validation overall accuracy (%)", validation_accuracy))
    rows = len(group.factors)
    figure = page.blank(page.TWO_COLUMNS, _HEIGHT * rows + _LABELS)
    panels = figure.subplots(rows, len(kinds), sharex=True, squeeze=False)
    for row, factor in zip(panels, group.factors, strict=True):
        for axes, (name, value) in zip(row, kinds, strict=True):
            for series in group.series:
                _curve(axes, group, series, factor, value)
            axes.set_ylabel(name)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
            axes.margins(x=0.06)
        if rows > 1:
            row[0].set_title(note.factor_title(factor), loc="left")
    for axes in panels[-1]:
        axes.set_xlabel("Epoch")
    picked = Line2D(
        [], [], linestyle="none", marker="o", markerfacecolor="none", color="black",
        label=group.measured("reported epoch"),
    )  # fmt: skip
    return page.finish(
        figure,
        [*(page.handle(series.slot, series.label) for series in group.series), picked],
        [
            *note.context(group),
            note.spread(group, "Bands"),
            "Losses of different methods have different terms: compare their course, not their "
            "height.",
            _backing(group),
            *note.gaps(group),
        ],
    )


def _backing(group: Drawn) -> str:
    """Return how many of the drawn test accuracies stored logits give."""
    records = group.records.values()
    backed = sum(len(set(record.logits.values())) for record in records)
    drawn = count(sum(len(record.history) for record in records), "epoch")
    return f"Stored logits back {backed} of {drawn} on the test set."


def by_epoch(runs: list[Record], value: Value) -> NDArray[np.float64]:
    """Return a value of each run and epoch, (seeds, epochs); nan after a run's last epoch."""
    longest = max(len(record.history) for record in runs)
    table = np.full((len(runs), longest), np.nan)
    for row, record in zip(table, runs, strict=True):
        row[: len(record.history)] = [value(epoch) for epoch in record.history]
    return table


def _curve(axes: Axes, group: Drawn, series: Series, factor: float | None, value: Value) -> None:
    runs = group.runs(series, factor)
    table = by_epoch(runs, value) if runs else np.empty((0, 0))
    known = (~np.isnan(table)).sum(axis=0)
    if not known.any():
        return
    epochs = np.arange(1, table.shape[1] + 1)
    as_drawn = look(series.slot)
    mean = np.where(known > 0, np.nansum(table, axis=0) / np.maximum(known, 1), np.nan)
    axes.plot(
        epochs,
        mean,
        color=as_drawn.color,
        linestyle=as_drawn.dashes,
        marker=as_drawn.marker if len(epochs) == 1 else "",
        label=series.label,
    )
    if (known > 1).any():
        squares = np.nansum((table - mean) ** 2, axis=0)
        deviation = np.where(known > 1, np.sqrt(squares / np.maximum(known - 1, 1)), np.nan)
        axes.fill_between(
            epochs,
            mean - deviation,
            mean + deviation,
            color=as_drawn.color,
            alpha=0.18,
            linewidth=0,
        )
    if value is not training_loss:
        chosen = [group.chosen(record) for record in runs]
        axes.plot(
            [index + 1 for index in chosen],
            [table[run, index] for run, index in enumerate(chosen)],
            color=as_drawn.color,
            marker=as_drawn.marker,
            markersize=as_drawn.size,
            markerfacecolor="white",
            linestyle="none",
            zorder=3,
        )
