"""Whether an accuracy fell by more than the chance of seeds and of test images."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

ENOUGH = 4
"""Degrees of freedom from which on a method's own seeds tell its spread: five seeds."""


@dataclass(frozen=True)
class Spread:
    """How far accuracies of different seeds are apart: a variance and its degrees of freedom."""

    variance: float
    freedom: int


def pooled(groups: Iterable[ArrayLike]) -> Spread | None:
    """Return the spread within groups of accuracies, each (n,); None where none has two seeds."""
    squares, freedom = 0.0, 0
    for group in groups:
        values = np.asarray(group, dtype=np.float64)
        squares += float(((values - values.mean()) ** 2).sum())
        freedom += len(values) - 1
    return Spread(squares / freedom, freedom) if freedom else None


def spread_of(own: ArrayLike, alike: Iterable[ArrayLike]) -> Spread | None:
    """Return what is known of the spread over seeds of one method, None where nothing is.

    Its own where five seeds or more tell it. A few seeds may agree by luck, so with fewer it is
    the larger of its own variance and that of all methods trained the same way, with the degrees
    of freedom of all. For a method whose seeds differ far more than the others' that is too few
    degrees by half: five seeds mend it.

    Args:
        own: (n,) stored accuracies of the method, one a seed.
        alike: the same of all methods that were trained the same way, this one among them.
    """
    mine, common = pooled([own]), pooled(alike)
    if common is None or (mine is not None and mine.freedom >= ENOUGH):
        return mine
    return Spread(max(common.variance, mine.variance if mine else 0.0), common.freedom)


def drop_p_value(drop: float, images: float, seeds: float, freedom: float) -> float:
    """Return how likely a drop at least as large is where nothing has changed; one-sided.

    Student's t over both variances together. Test images are many, so the degrees of freedom are
    those of the seeds, raised by the share that images have (Welch and Satterthwaite).

    Args:
        drop: stored minus new accuracy.
        images: its variance from the choice of test images.
        seeds: its variance from seeds, 0 where they are not counted.
        freedom: of ``seeds``.
    """
    from scipy.special import stdtr

    variance = images + seeds
    if variance <= 0:
        return 0.0 if drop > 1e-12 else 1.0
    effective = freedom * (variance / seeds) ** 2 if seeds > 0 else math.inf
    return float(stdtr(effective, -drop / math.sqrt(variance)))
