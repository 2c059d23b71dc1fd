"""What is tried next: the defaults and Sobol's points at once, then what lies beyond an edge."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.errors import InputError
from benchmark.store.ledger import Searched, Span, Try, Why
from benchmark.tuning.outcome import Outcome
from benchmark.tuning.points import beyond, first_round, near, sobol
from benchmark.tuning.subject import Subject, Values
from benchmark.words import count

_FAR = 16
"""How many points of the sequence are looked at for each try."""

Planned = tuple[Why, Values]
"""Why a try is made, and its values."""


def at_once(subject: Subject, budget: int) -> list[Planned]:
    """Return the tries that need no other one's outcome, the default first.

    Raises:
        InputError: the ranges hold fewer different values than the budget has tries.
    """
    planned: list[Planned] = [("default", subject.default)]
    while len(planned) < first_round(budget):
        planned.append(_next(subject, [values for _, values in planned], budget))
    return planned


def check_budget(subject: Subject, budget: int) -> None:
    """Refuse a budget that the ranges of a subject cannot fill.

    Raises:
        InputError: they hold fewer different values.
    """
    tried = [values for _, values in at_once(subject, budget)]
    if len(tried) < budget:
        _next(subject, tried, budget)


def last(subject: Subject, outcome: Outcome, budget: int) -> Planned:
    """Return the try that is left: beyond an edge that the best one is near to, or Sobol's next.

    Raises:
        InputError: the ranges hold fewer different values than the budget has tries.
    """
    tried = [one.values for one in outcome.searched.tries]
    if outcome.choice is not None:
        point = beyond(subject.places(tried[outcome.choice.best]), budget)
        values = None if point is None else subject.values(point)
        if values is not None and values not in tried:
            return "beyond", values
    return _next(subject, tried, budget)


def _next(subject: Subject, tried: Sequence[Values], budget: int) -> Planned:
    """Return the first of Sobol's points that is not near to what was tried, or else is new."""
    points = sobol(len(subject.spaces), _FAR * budget)
    candidates = [v for v in map(subject.values, points) if v not in tried]
    if not candidates:
        raise InputError(
            f"{subject.name}: its ranges hold no more than "
            f"{count(len(tried), 'different value', 'different values')}; give --budget "
            f"{len(tried)}, or widen the search space"
        )
    places = [subject.places(values) for values in tried]
    apart = (v for v in candidates if not near(subject.places(v), places, budget))
    return "sobol", next(apart, candidates[0])


def searched(
    subject: Subject,
    planned: Sequence[Planned],
    cells: Sequence[tuple[str, ...]],
    rate: float | None,
) -> Searched:
    """Return what the ledger keeps of a subject's tries.

    Args:
        subject: what is searched.
        planned: its tries, in their order.
        cells: the ids of each try's runs.
        rate: the learning rate that was chosen before, None where none was.
    """
    return Searched(
        name=subject.name,
        method=subject.method,
        spans={
            key: Span(low=space.low, high=space.high, words=str(space))
            for key, space in subject.spaces.items()
        },
        rate=rate,
        tries=tuple(
            Try(
                why=why,
                values=values,
                departure=subject.departure(values),
                edge=subject.edge(values),
                cells=ids,
            )
            for (why, values), ids in zip(planned, cells, strict=True)
        ),
    )
