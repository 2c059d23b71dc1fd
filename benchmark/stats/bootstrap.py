"""Test sets redrawn within each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
        scale = weight / (values.shape[1] * len(values))
        total += _sums(values.sum(axis=0, keepdims=True), resamples, rng)[:, 0] * scale
    return total


def redrawn_recalls(
    classes: Sequence[NDArray[np.bool_]], resamples: int, seed: int
) -> Iterator[Floats]:
    """Yield for each class the shares of redrawn images that rows of answers recognise, (R, V).

    All V rows answer the same redrawn images.

    Args:
        classes: bool (V, n_c) of each class, whether each image is recognised.
        resamples: R.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    for right in classes:
        yield _sums(right, resamples, rng) / right.shape[1]


def _sums(values: NDArray[Any], resamples: int, rng: np.random.Generator) -> Floats:
    """Return the sums (R, V) of values (V, n) over n images drawn with replacement."""
    patterns, counts = np.unique(values, axis=1, return_counts=True)
    n = values.shape[1]
    draws = rng.multinomial(n, counts / n, size=resamples)
    return np.asarray(draws @ patterns.T.astype(np.float64), dtype=np.float64)


def two_sided(drawn: Floats) -> float:
    """Return the p-value whose test agrees with the percentile interval; never 0.

    Args:
        drawn: redrawn differences.
    """
    # Redrawn differences that are 0 but for rounding count on both sides.
    below, above = np.sum(drawn <= 1e-12), np.sum(drawn >= -1e-12)
    return float(min(1.0, 2 * (min(below, above) + 1) / (len(drawn) + 1)))
