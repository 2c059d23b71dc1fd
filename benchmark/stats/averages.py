"""Two methods' averages of a measure of each image, held against each other on the same images.

The variance is that of :mod:`benchmark.stats.crossed` for numbers in place of answers: images and
seeds are crossed samples, the images' part is the variance over images of the mean over seeds, the
seeds' part that of the averages over seeds less what single numbers put into it; with one seed it
is the paired test over images (Student's t in its normal limit). Nothing is lent: numbers that vary
have a variance of their own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.stats import CONFIDENCE
from benchmark.stats.crossed import Contrast

Floats = NDArray[np.float64]


def average_difference(values_a: ArrayLike, values_b: ArrayLike) -> Contrast:
    """Compare the averages of two methods' numbers.

    Args:
        values_a: (S, n), a number an image, a row a seed.
        values_b: (S, n), of the same images and seeds; n is 2 at least.

    Raises:
        ValueError: the shapes do not fit, or there are fewer than two images.
    """
    from scipy.special import stdtr, stdtrit

    a, b = np.asarray(values_a, dtype=np.float64), np.asarray(values_b, dtype=np.float64)
    if a.ndim != 2 or a.shape != b.shape or a.shape[1] < 2 or not a.size:
        raise ValueError(f"shapes do not fit: {a.shape} and {b.shape}")
    seeds, n = a.shape
    estimate = float(a.mean() - b.mean())
    images = float((a - b).mean(axis=0).var(ddof=1)) / n
    variance, freedom = images, math.inf
    if seeds > 1:
        of_seeds = np.array([of.mean(axis=1).var(ddof=1) / seeds for of in (a, b)])
        variance += max(0.0, float(of_seeds.sum()) - _of_single(a) - _of_single(b))
        squares = float((of_seeds**2).sum()) / (seeds - 1)
        freedom = max(variance**2 / squares, seeds - 1.0) if squares else math.inf
    error = math.sqrt(variance)
    reach = float(-stdtrit(freedom, (1 - CONFIDENCE) / 2)) * error
    sure = 1.0 if estimate == 0 else 0.0  # where nothing varies
    p = 2 * float(stdtr(freedom, -abs(estimate) / error)) if error else sure
    return Contrast(
        estimate, estimate - reach, estimate + reach, p, error, math.sqrt(images), freedom
    )


def _of_single(values: Floats) -> float:
    """Return the share of the seeds' variance that is chance of single numbers (S, n)."""
    seeds, n = map(int, values.shape)
    left: Floats = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    squares = float((left**2).sum())
    return squares / ((seeds - 1) * (n - 1) * n * seeds)
