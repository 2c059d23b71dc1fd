"""How far results of different seeds are apart, and whether a difference leaves that."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Spread:
    """How far accuracies of different seeds are apart: a variance and its degrees of freedom."""

    variance: float
    freedom: int


def pooled(groups: Iterable[ArrayLike]) -> Spread | None:
    """Return the spread within groups of accuracies, each (n,), None where none has two seeds.

    A few seeds of one method say little of its spread; those of all methods that were trained the
    same way say more.
    """
    squares, freedom = 0.0, 0
    for group in groups:
        values = np.asarray(group, dtype=np.float64)
        squares += float(((values - values.mean()) ** 2).sum())
        freedom += len(values) - 1
    return Spread(squares / freedom, freedom) if freedom else None


def spread_p_value(stored: ArrayLike, new: ArrayLike, common: Spread | None) -> float | None:
    """Return the p-value of the difference of two groups of accuracies against chance of seeds.

    Student's t, two-sided, with the larger of two variances: that within these two groups, and the
    common one. A single new seed is judged as a prediction interval would. None where neither
    group nor any other has two seeds, so that nothing tells how far seeds differ.

    Args:
        stored: (n,), one a seed.
        new: (m,), likewise.
        common: of all methods that were trained the same way.
    """
    from scipy.special import stdtr

    own = pooled([stored, new])
    found = [spread for spread in (own, common) if spread is not None]
    if not found:
        return None
    a, b = np.asarray(stored, dtype=np.float64), np.asarray(new, dtype=np.float64)
    variance = max(spread.variance for spread in found)
    error = math.sqrt(variance * (1 / len(a) + 1 / len(b)))
    distance = abs(float(a.mean() - b.mean()))
    if error < 1e-12:
        return 1.0 if distance < 1e-12 else 0.0
    return float(2 * stdtr(max(spread.freedom for spread in found), -distance / error))
