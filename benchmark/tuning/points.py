"""Which points of a search space are tried: the default, Sobol's, and one beyond an edge."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

ENOUGH_TO_WIDEN = 3
"""Tries from which on one is kept for what lies beyond an edge."""
_ROUNDED = 0.95
"""Of a distance: values are rounded to three digits, and no rounding is to decide what is tried."""


def sobol(dimensions: int, points: int) -> list[list[float]]:
    """Return the first points of a Sobol sequence without its origin, each in 0..1.

    They are not scrambled, so that everybody gets the same (Sobol', USSR Computational Mathematics
    and Mathematical Physics 7, 1967; Joe and Kuo's direction numbers, through SciPy).

    Args:
        dimensions: of the space.
        points: how many.
    """
    from scipy.stats import qmc

    sequence = qmc.Sobol(dimensions, scramble=False)
    sequence.fast_forward(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that their number is no power of two
        return [[float(x) for x in point] for point in sequence.random(points)] if points else []


def first_round(budget: int) -> int:
    """Return how many tries are planned at once: all but the one that looks beyond an edge."""
    return budget - 1 if budget >= ENOUGH_TO_WIDEN else budget


def beyond(best: Sequence[float], budget: int) -> list[float] | None:
    """Return the point that lies beyond each edge that the best point is near to; None for none.

    Tries lie about 1 / budget of the range apart. From a value that is nearer than that to an end
    of its range one goes on by as much, which leads beyond it.

    Args:
        best: at which share of its range each value of the best try lies.
        budget: tries in all.
    """
    step = 1 / budget
    close = _ROUNDED * step
    point = [
        place - step if place < close else place + step if place > 1 - close else place
        for place in best
    ]
    return None if point == list(best) else point


def near(point: Sequence[float], others: Iterable[Sequence[float]], budget: int) -> bool:
    """Return whether a point tells hardly more than one of others.

    That is one of which every value lies less than half as far away as tries lie apart.

    Args:
        point: at which share of its range each value lies.
        others: likewise, of what is tried already.
        budget: tries in all.
    """
    closest = _ROUNDED / (2 * budget)
    return any(
        all(abs(a - b) < closest for a, b in zip(point, other, strict=True)) for other in others
    )
