"""The variance of a difference of two methods over test images and seeds.

Test images and seeds are two crossed samples. With x = a's answer minus b's of image i and seed s,
the variance of the mean is that of the images' means over seeds (stratified by class), plus what
the seeds add: the variance of a's accuracies over seeds and that of b's, each over S, less the
share of both that is chance of single answers and stands in the images' part already; never less
than 0. (Two-way error components: Searle, Casella, McCulloch, Variance Components, 1992, chapter 4.
Without the subtraction single answers count twice.) The seeds of a and b enter as independent
samples: a shared seed number hardly ties two trainings together, and twice the degrees of freedom
keep the test honest with 2 or 3 seeds. Degrees of freedom: Satterthwaite, Biometrics Bulletin 2,
1946.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def standard_errors(a: Sequence[Floats], b: Sequence[Floats]) -> tuple[float, float, float]:
    """Return the standard error over images, the one over images and seeds, its freedom.

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
    return math.sqrt(images), math.sqrt(variance), freedom
