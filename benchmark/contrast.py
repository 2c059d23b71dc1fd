"""Differences of weighted recalls: two methods, two classes or two training sets, one test set.

The test is that of :func:`benchmark.stats.paired_difference`, where its sources stand, for any
weights: test images (by class) and seeds as two crossed samples, Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchmark.stats import LEVEL, Floats


@dataclass(frozen=True)
class Contrast:
    """A difference with its uncertainty.

    Attributes:
        seeds: of each side.
        estimate: a minus b, averaged over seeds.
        low: lower end of its 95 % interval.
        high: upper end.
        p: two-sided. With one seed it knows only the test images.
    """

    seeds: int
    estimate: float
    low: float
    high: float
    p: float


def contrast(
    labels: ArrayLike,
    correct_a: ArrayLike,
    correct_b: ArrayLike,
    weights_a: ArrayLike,
    weights_b: ArrayLike,
) -> Contrast:
    """Compare a weighted sum of a's recalls with one of b's.

    Weights of one class compare its recalls; with answers of all False as b, weights of 1 and -1
    compare two classes of one method.

    Args:
        labels: integers (n,) in 0..K-1.
        correct_a: bool (S, n), whether a was right, a row a seed.
        correct_b: bool (S, n), of the same seeds and images.
        weights_a: (K,), what each recall of a counts for.
        weights_b: (K,), likewise.

    Raises:
        ValueError: the shapes do not fit or are empty.
    """
    from scipy.special import stdtr, stdtrit

    truth = np.asarray(labels)
    both = np.asarray(correct_a, dtype=np.float64), np.asarray(correct_b, dtype=np.float64)
    shape = both[0].shape
    if len(shape) != 2 or shape != both[1].shape or truth.shape != shape[1:] or not truth.size:
        raise ValueError(f"shapes do not fit: {truth.shape}, {shape}, {both[1].shape}")
    weights = np.stack([np.asarray(weights_a), np.asarray(weights_b)]).astype(np.float64)
    counted = [c for c in np.unique(truth) if weights[:, c].any()]
    members = [np.flatnonzero(truth == c) for c in counted]
    a = [weights[0, c] * both[0][:, m] for c, m in zip(counted, members, strict=True)]
    b = [weights[1, c] * both[1][:, m] for c, m in zip(counted, members, strict=True)]
    means = [float((x - y).mean()) for x, y in zip(a, b, strict=True)]
    estimate = math.fsum(means)
    error, freedom = _error(a, b)
    if error > 0:
        p = float(2 * stdtr(freedom, -abs(estimate) / error))
        reach = float(-stdtrit(freedom, (1 - LEVEL) / 2)) * error
    else:  # no answer differs, or all differ the same way: what n tosses of a coin would give
        tosses = sum(map(len, members))
        p, reach = (0.5 ** (tosses - 1) if abs(estimate) > 1e-12 else 1.0), 0.0
    return Contrast(shape[0], estimate, estimate - reach, estimate + reach, p)


def accuracy_weights(sizes: ArrayLike, measure: str) -> Floats:
    """Return what each class's recall counts for in ``overall``, ``mean`` or their ``gap``, (K,).

    Args:
        sizes: (K,) test images of each class; one without images counts for nothing.
        measure: ``gap`` is overall minus mean.
    """
    images = np.asarray(sizes, dtype=np.float64)
    shares, equal = images / images.sum(), (images > 0) / np.count_nonzero(images)
    chosen = {"overall": shares, "mean": equal, "gap": shares - equal}[measure]
    return np.asarray(chosen, dtype=np.float64)


def _error(a: Sequence[Floats], b: Sequence[Floats]) -> tuple[float, float]:
    """Return the standard error over images and seeds, and its degrees of freedom.

    Args:
        a: (S, n_c) weighted answers of each class.
        b: (S, n_c) likewise.
    """
    seeds = len(a[0])
    accuracy = np.zeros((2, seeds))
    images, squares, answers = 0.0, 0.0, 0.0
    for of_a, of_b in zip(a, b, strict=True):
        accuracy += np.stack([of_a.mean(axis=1), of_b.mean(axis=1)])
        x = of_a - of_b
        n, mean = x.shape[1], x.mean(axis=0)
        # A class of one image has no spread to measure: its difference stands for it.
        part = float(mean.var(ddof=1)) / n if n > 1 else float(mean[0] ** 2)
        images += part
        squares += part**2 / max(n - 1, 1)
        if seeds > 1 and n > 1:
            rest = x - mean - x.mean(axis=1, keepdims=True) + x.mean()
            answers += float((rest**2).sum()) / ((seeds - 1) * (n - 1) * n * seeds)
    variance = images
    if seeds > 1:
        parts = accuracy.var(axis=1, ddof=1) / seeds
        variance += max(0.0, float(parts.sum()) - answers)
        squares += float((parts**2).sum()) / (seeds - 1)
    freedom = float(variance**2 / squares) if squares else math.inf
    return math.sqrt(variance), freedom
