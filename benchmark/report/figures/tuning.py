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
from benchmark.report.tables.tuning import (
    LAST,
    NOTHING,
    diverged_notes,
    heading,
    known_scores,
    notes,
    subject_title,
)
from benchmark.stats.expected_best import expected_best
from benchmark.store.ledger import Ledger, ledgers
from benchmark.store.record import Record
from benchmark.store.store import Store
from benchmark.tuning.outcome import RULE, Outcome, Outcomes
from methods.registry import BUILT_IN, canonical, get, members

HELP = "the best score that so many tries are expected to find, of 'fer-bench tune'"
ALL_IMAGES = True
TRIES = True
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
    if store is None or not found:
        raise InputError(NOTHING)
    if wanted.factors or wanted.rule not in (None, RULE):
        raise InputError(f"figure tuning: {LAST}; leave --factors and --select away")
    kept = [one for one in found if wanted.dataset in (None, one.dataset)]
    if not kept:
        tuned = ", ".join(sorted({one.dataset for one in found}))
        raise InputError(f"no values were chosen on {wanted.dataset} in this store, but on {tuned}")
    outcomes = Outcomes(store)
    known = {one.key: outcomes.of_all(one) for one in kept}
    shown = {key: _wanted(found, wanted.methods) for key, found in known.items()}
    if not any(shown.values()):
        names = dict.fromkeys(one.searched.name for found in known.values() for one in found)
        raise InputError(
            f"no values of {', '.join(wanted.methods)} were chosen; searched: {', '.join(names)}"
        )
    return [
        Drawing(f"tuning-{slug(one.key)}", partial(_curves, one, shown[one.key]))
        for one in kept
        if shown[one.key]
    ]


def _wanted(outcomes: Sequence[Outcome], methods: Sequence[str]) -> list[Outcome]:
    """Return the subjects of methods; all of them where none is named."""
    asked = {name for given in methods for name in members(given) or [_name(given)]}
    return [one for one in outcomes if not methods or one.searched.name in asked]


def _name(reference: str) -> str:
    return get(reference).info.name if ":" in reference else canonical(reference)


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
    said = [f"{heading(ledger)}.", *notes(ledger, outcomes), *diverged_notes(outcomes)]
    return page.finish(figure, handles, said)


def _slots(outcomes: Sequence[Outcome]) -> list[tuple[int, Outcome]]:
    """Return each subject with its method's look, that of others after those of the registry."""
    order = list(BUILT_IN)
    slots: list[tuple[int, Outcome]] = []
    for outcome in outcomes:
        method = outcome.searched.method
        others = sum(slot >= len(order) for slot, _ in slots)
        slots.append((order.index(method) if method in order else len(order) + others, outcome))
    return slots
