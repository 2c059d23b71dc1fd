"""The best score that so many tries are expected to find: a curve for each method."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.errors import InputError
from benchmark.report.drawing import page
from benchmark.report.drawing.draw import Drawing, Wanted
from benchmark.report.drawing.drawn import slug
from benchmark.report.drawing.style import look
from benchmark.report.tables.tuning import NOTHING, heading, known_scores, notes, subject_title
from benchmark.stats.expected_best import expected_best
from benchmark.store.record import Record
from benchmark.store.store import Store
from benchmark.tuning.ledger import Ledger, ledgers
from benchmark.tuning.outcome import Outcome, Outcomes
from methods.registry import BUILT_IN

HELP = "the best score that so many tries are expected to find, of 'fer-bench tune'"
ALL_IMAGES = True
WHY = "tries have numbers of clean validation images alone"
PLAIN = "tries have numbers of clean validation images alone"
PLACE = 7

_HEIGHT = 2.8  # inches


def drawings(records: Sequence[Record], wanted: Wanted, store: Store | None) -> list[Drawing]:
    """Return a figure for each tuning in the store.

    Raises:
        InputError: there is none.
    """
    found = [] if store is None else ledgers(store.root)
    kept = [one for one in found if wanted.dataset in (None, one.dataset)]
    if store is None or not kept:
        raise InputError(NOTHING)
    outcomes = Outcomes(store, {record.id: record for record in records})
    return [
        Drawing(
            f"tuning-{slug(one.key)}",
            partial(_curves, one, [outcomes.of(searched) for searched in one.subjects]),
        )
        for one in kept
    ]


def _curves(ledger: Ledger, outcomes: Sequence[Outcome]) -> Figure:
    """Draw the expected best mean accuracy on clean validation images against the tries."""
    figure = page.blank(page.TWO_COLUMNS, _HEIGHT)
    axes = figure.subplots()
    handles = []
    for slot, outcome in _slots(outcomes):
        expected = [100 * value for value in expected_best(known_scores(outcome))]
        style = look(slot)
        axes.plot(
            range(1, len(expected) + 1),
            expected,
            color=style.color,
            linestyle=style.dashes,
            marker=style.marker,
            markersize=style.size,
        )
        handles.append(page.handle(slot, subject_title(outcome)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Tries")
    axes.set_ylabel("Expected best mean accuracy,\nclean validation images (%)")
    return page.finish(figure, handles, [f"{heading(ledger)}.", *notes(ledger)])


def _slots(outcomes: Sequence[Outcome]) -> list[tuple[int, Outcome]]:
    """Return each subject with its method's look, that of others after those of the registry."""
    order = list(BUILT_IN)
    slots: list[tuple[int, Outcome]] = []
    for outcome in outcomes:
        method = outcome.searched.method
        others = sum(slot >= len(order) for slot, _ in slots)
        slots.append((order.index(method) if method in order else len(order) + others, outcome))
    return slots
