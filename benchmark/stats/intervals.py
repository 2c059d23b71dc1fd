"""95 % intervals of what was measured, from confusion matrices alone.

Each recall has Wilson's score interval on the images of its class. Accuracies are weighted sums of
recalls, and seeds add a component of their own. Independent components are put together by the
method of variance estimates recovery (Zou and Donner, "Construction of confidence limits about
effect measures: a general approach", Statistics in Medicine 27, 2008): with an estimate e_i and
limits l_i, u_i of each, the sum e of w_i e_i (w_i >= 0) has the limits
e - sqrt(sum w_i^2 (e_i - l_i)^2) and e + sqrt(sum w_i^2 (u_i - e_i)^2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.stats import CONFIDENCE

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Intervals:
    """Limits in 0..1: of each recall (K,), nan for an empty class, and of both accuracies."""

    recalls: tuple[Array, Array]
    overall: tuple[float, float]
    mean: tuple[float, float]


def wilson(successes: float, trials: float, level: float = CONFIDENCE) -> tuple[float, float]:
    """Return the score interval of a proportion, in 0..1.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927). Own code because scipy's
    ``binomtest`` takes whole numbers only, and a mean over seeds may be a fraction.

    Args:
        successes: how many of the trials succeeded; a mean over seeds may be a fraction.
        trials: their number; without any the interval is 0 to 1.
        level: of confidence, in (0, 1).

    Raises:
        ValueError: the successes do not lie in 0..trials.
    """
    from scipy.special import ndtri

    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials")
    if trials == 0:
        return 0.0, 1.0
    z = float(ndtri(0.5 + level / 2))
    share, unit = successes / trials, z * z / trials
    centre = (share + unit / 2) / (1 + unit)
    half = z * math.sqrt(share * (1 - share) / trials + unit / (4 * trials)) / (1 + unit)
    # At the ends the bound is 0 or 1 exactly; rounding must not leave it a hair away.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return low, high


def intervals(confusions: Sequence[ArrayLike]) -> Intervals:
    """Return the intervals of the means over seeds.

    The seeds share their test images, so the images count once: averaging over seeds does not make
    the test set larger. With one seed, only the sampling of images counts.

    Args:
        confusions: a (K, K) matrix for each seed, rows the true classes, with the same row sums.
    """
    matrices = np.asarray(confusions, dtype=np.float64)  # (S, K, K)
    sizes = matrices.sum(axis=2)[0]  # (K,)
    with np.errstate(invalid="ignore"):
        recalls = np.diagonal(matrices, axis1=1, axis2=2) / sizes  # (S, K)
    limits = np.array([_wilson(r, n) for r, n in zip(recalls.mean(axis=0), sizes, strict=True)]).T
    seed_width = np.array([seed_half_width(column) for column in recalls.T])
    center = recalls.mean(axis=0)
    low = center - np.hypot(center - limits[0], seed_width)
    high = center + np.hypot(limits[1] - center, seed_width)
    return Intervals(
        recalls=(np.clip(low, 0, 1), np.clip(high, 0, 1)),
        overall=_sum(recalls, limits, sizes / sizes.sum()),
        mean=_sum(recalls, limits, np.full(len(sizes), 1 / len(sizes))),
    )


def _sum(recalls: Array, limits: Array, weights: Array) -> tuple[float, float]:
    used = weights > 0
    weights, recalls, limits = weights[used], recalls[:, used], limits[:, used]
    values = recalls @ weights
    center = recalls.mean(axis=0)
    width = seed_half_width(values)
    below = math.hypot(float(np.linalg.norm(weights * (center - limits[0]))), width)
    above = math.hypot(float(np.linalg.norm(weights * (limits[1] - center))), width)
    middle = float(values.mean())
    return float(np.clip(middle - below, 0, 1)), float(np.clip(middle + above, 0, 1))


def _wilson(recall: float, images: float) -> tuple[float, float]:
    if not images:
        return math.nan, math.nan
    # Rounding keeps a mean over seeds of all images from being a hair more than all of them.
    return wilson(round(recall * images, 9), images)


def seed_half_width(values: Array) -> float:
    """Return the half-width of Student's interval of a mean over seeds; 0 for one seed."""
    if len(values) < 2:
        return 0.0
    from scipy.special import stdtrit

    t = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
    return t * float(values.std(ddof=1)) / math.sqrt(len(values))
