"""Differences of weighted recalls: two methods, two classes or two training sets, one test set.

The test is that of :func:`benchmark.stats.paired_difference`, where its sources stand, for any
weights: test images (by class) and seeds as two crossed samples, Student's t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchmark.crossed import class_parts, decide
from benchmark.stats import LEVEL


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
    truth = np.asarray(labels)
    a, b = np.asarray(correct_a, dtype=np.bool_), np.asarray(correct_b, dtype=np.bool_)
    if a.ndim != 2 or a.shape != b.shape or truth.shape != a.shape[1:] or not a.size:
        raise ValueError(f"shapes do not fit: {truth.shape}, {a.shape}, {b.shape}")
    parts = class_parts(truth, a, b)
    weights = np.stack([np.asarray(weights_a), np.asarray(weights_b)]).astype(np.float64)
    weights = weights[:, parts.labels]
    (found,) = decide(parts, weights[None], LEVEL)
    reach = found.reach * found.error
    return Contrast(len(a), found.estimate, found.estimate - reach, found.estimate + reach, found.p)
