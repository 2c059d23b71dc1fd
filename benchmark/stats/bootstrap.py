"""Test sets redrawn within each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 10_000
"""Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ask for 1,000 at least for
percentiles; ten times as many keep the third digit of a p-value still."""


def redrawn(classes: Sequence[Floats], weights: Floats, resamples: int, seed: int) -> Floats:
    """Return weighted sums of class means on redrawn test sets, the same for all rows.

    An image enters by its value averaged over rows, and S rows of answers leave only 2 S + 1 values
    of that, so the counts of the values are drawn (multinomial) instead of images. Own code because
    ``scipy.stats.bootstrap`` draws samples whole, not class by class from counts.

    Args:
        classes: (S, n_c) values of each class, a row a seed.
        weights: (K,).
        resamples: how many.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    total: Floats = np.zeros(resamples)
    for weight, values in zip(weights, classes, strict=True):
        sums, counts = np.unique(values.sum(axis=0), return_counts=True)
        n = values.shape[1]
        draws = rng.multinomial(n, counts / n, size=resamples)
        scale = weight / (n * len(values))
        total += np.asarray(draws @ sums, dtype=np.float64) * scale
    return total


def two_sided(drawn: Floats) -> float:
    """Return the p-value whose test agrees with the percentile interval; never 0.

    Args:
        drawn: redrawn differences.
    """
    # Redrawn differences that are 0 but for rounding count on both sides.
    below, above = np.sum(drawn <= 1e-12), np.sum(drawn >= -1e-12)
    return float(min(1.0, 2 * (min(below, above) + 1) / (len(drawn) + 1)))
