"""Tests and adjustments that know nothing of images or classes: Holm and sign flips."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

PATTERNS = 100_000
"""So many patterns of signs are counted, all of them up to 16 differences; beyond, a sample."""


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, in the order given.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal
    of Statistics 6 (1979). Own code because scipy has no Holm, and statsmodels would be one more
    package for these lines.

    Raises:
        ValueError: a p-value is not in 0..1.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("p-values must lie in 0..1")
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def holm_within(p_values: Sequence[float], families: Sequence[Hashable]) -> list[float]:
    """Return p-values adjusted for the number of those of their own family, in the order given.

    Args:
        p_values: all of them.
        families: what each belongs to.
    """
    adjusted = list(p_values)
    for family in set(families):
        members = [i for i, one in enumerate(families) if one == family]
        for i, p in zip(members, holm([p_values[i] for i in members]), strict=True):
            adjusted[i] = p
    return adjusted


def sign_flip(differences: ArrayLike, *, seed: int = 0) -> float:
    """Return the two-sided p-value that the differences are symmetric around 0.

    The share of all patterns of signs whose sum is at least as far from 0 as the one observed
    (Fisher, The Design of Experiments, 1935, section 21). All 2^n patterns count where they are no
    more than :data:`PATTERNS`; beyond, so many random ones and the observed one (Phipson and
    Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010). It cannot fall
    below 2 / 2^n: below 0.05 only from 6 differences on.

    Args:
        differences: (n,), one a seed; with fewer than two the answer is 1.
        seed: of the random patterns.
    """
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        return 1.0
    from scipy.stats import permutation_test

    found = permutation_test(
        (values,),
        _distance,
        permutation_type="samples",
        vectorized=True,
        n_resamples=PATTERNS,
        batch=10_000,
        alternative="greater",
        random_state=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def _distance(values: Floats, axis: int) -> Floats:
    """Return how far sums are from 0; the same numbers in another order differ in last digits."""
    return np.asarray(np.abs(values.sum(axis=axis)).round(12), dtype=np.float64)
