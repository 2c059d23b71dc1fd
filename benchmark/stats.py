"""Is a difference more than chance: pure functions of arrays, deterministic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.crossed import accuracy_weights, class_parts, decide

Floats = NDArray[np.float64]
Metric = Literal["overall", "mean"]

LEVEL = 0.95
RESAMPLES = 10_000
EXACT_SEEDS = 20
"""Up to so many seeds every pattern of signs is counted; beyond, a sample of them."""


def wilson(successes: float, trials: float, level: float = LEVEL) -> tuple[float, float]:
    """Return the score interval of a proportion, in 0..1.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927).

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


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, in the order given.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal
    of Statistics 6 (1979).

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


def sign_flip(differences: ArrayLike, *, resamples: int = 100_000, seed: int = 0) -> float:
    """Return the two-sided p-value that the differences are symmetric around 0.

    The share of all patterns of signs whose sum is at least as far from 0 as the one observed
    (Fisher, The Design of Experiments, 1935, section 21). All 2^n patterns count up to
    ``EXACT_SEEDS`` differences; beyond, ``resamples`` random ones, the observed one among them
    (Phipson and Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010).
    It cannot fall below 2 / 2^n: below 0.05 only from 6 differences on.

    Args:
        differences: (n,), one a seed; without any the answer is 1.
        resamples: random patterns where there are too many to count.
        seed: of the random patterns.
    """
    values = np.asarray(differences, dtype=np.float64)
    # Sums of the same numbers in another order differ in their last digits.
    bound = abs(float(values.sum())) - 1e-12 * float(np.abs(values).sum())
    if len(values) <= EXACT_SEEDS:
        sums = np.zeros(1)
        for value in values:
            sums = np.concatenate([sums - value, sums + value])
        return float(np.mean(np.abs(sums) >= bound))
    rng = np.random.default_rng(seed)
    hits = 0
    for start in range(0, resamples, 10_000):
        signs = rng.choice([-1.0, 1.0], (min(10_000, resamples - start), len(values)))
        hits += int(np.sum(np.abs(signs @ values) >= bound))
    return (hits + 1) / (resamples + 1)


@dataclass(frozen=True)
class PairedDifference:
    """What two methods' answers on the same test images say of their difference.

    Attributes:
        metric: ``overall`` or ``mean``.
        seeds: S, of each method.
        images: n, test images.
        estimate: accuracy of a minus accuracy of b, averaged over seeds, in -1..1.
        low: lower end of its 95 % interval, from ``error`` and ``freedom``.
        high: upper end.
        p: two-sided, from the same: the one that decides. With one seed it knows only the images:
            it speaks of these two trained networks, not of two methods.
        error: standard error of the estimate: test images and, from two seeds on, seeds.
        error_images: standard error from the choice of test images alone.
        freedom: degrees of freedom of ``error``.
        bootstrap_low: lower end of the 95 % percentile interval over test images alone.
        bootstrap_high: upper end.
        p_bootstrap: two-sided, over test images alone.
        p_sign_flip: two-sided, over seeds alone.
    """

    metric: Metric
    seeds: int
    images: int
    estimate: float
    low: float
    high: float
    p: float
    error: float
    error_images: float
    freedom: float
    bootstrap_low: float
    bootstrap_high: float
    p_bootstrap: float
    p_sign_flip: float


def paired_difference(
    labels: ArrayLike,
    correct_a: ArrayLike,
    correct_b: ArrayLike,
    metric: Metric,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedDifference:
    """Compare two methods on the same test images over the same seeds.

    The deciding p-value and interval treat test images and seeds as two crossed samples. With
    x = a's answer minus b's of image i and seed s, the variance of the estimate is that of the
    images' means over seeds (stratified by class), plus what the seeds add: the variance of a's
    accuracies over seeds and that of b's, each over S, less the share of both that is chance of
    single answers and stands in the images' part already; never less than 0. (Two-way error
    components: Searle, Casella, McCulloch, Variance Components, 1992, chapter 4. Without the
    subtraction single answers count twice.) The seeds of a and b enter as independent samples:
    a shared seed number ties two trainings together hardly at all, and twice the degrees of
    freedom keep the test honest with 2 or 3 seeds. Student's t with Welch and Satterthwaite's
    degrees of freedom (Satterthwaite, Biometrics Bulletin 2, 1946).

    Args:
        labels: integers (n,).
        correct_a: bool (S, n), whether a was right, a row a seed.
        correct_b: bool (S, n), of the same seeds and images.
        metric: ``overall``, or ``mean`` for the mean of the class recalls.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: the shapes do not fit or are empty.
    """
    truth = np.asarray(labels)
    a, b = np.asarray(correct_a, dtype=np.float64), np.asarray(correct_b, dtype=np.float64)
    if a.ndim != 2 or a.shape != b.shape or truth.shape != a.shape[1:] or not a.size:
        raise ValueError(f"shapes do not fit: {truth.shape}, {a.shape}, {b.shape}")
    members = [np.flatnonzero(truth == label) for label in np.unique(truth)]
    weights = accuracy_weights([len(chosen) for chosen in members], metric)
    difference = a - b
    classes = [difference[:, chosen] for chosen in members]
    per_seed = sum(w * d.mean(axis=1) for w, d in zip(weights, classes, strict=True))
    estimate = float(np.mean(per_seed))
    drawn = _bootstrap(classes, weights, resamples, seed)
    answers = np.asarray(correct_a, dtype=np.bool_), np.asarray(correct_b, dtype=np.bool_)
    (decided,) = decide(class_parts(truth, *answers), np.stack([weights, weights])[None], LEVEL)
    error_images, error, freedom = decided.error_images, decided.error, decided.freedom
    p, reach = decided.p, decided.reach
    tail = (1 - LEVEL) / 2
    return PairedDifference(
        metric=metric,
        seeds=len(a),
        images=len(truth),
        estimate=estimate,
        low=max(-1.0, estimate - reach * error),
        high=min(1.0, estimate + reach * error),
        p=p,
        error=error,
        error_images=error_images,
        freedom=freedom,
        bootstrap_low=float(np.quantile(drawn, tail)),
        bootstrap_high=float(np.quantile(drawn, 1 - tail)),
        p_bootstrap=_two_sided(drawn),
        p_sign_flip=sign_flip(np.atleast_1d(per_seed)),
    )


def _bootstrap(classes: Sequence[Floats], weights: Floats, resamples: int, seed: int) -> Floats:
    """Return differences on test sets redrawn within each class, the same for all seeds.

    An image enters by its difference averaged over seeds, and S seeds leave only 2 S + 1 values of
    that, so the counts of the values are drawn (multinomial) instead of images.

    Args:
        classes: (S, n_c) differences of each class.
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


def _two_sided(drawn: Floats) -> float:
    """Return the p-value whose test agrees with the percentile interval; never 0."""
    # Redrawn differences that are 0 but for rounding count on both sides.
    below, above = np.sum(drawn <= 1e-12), np.sum(drawn >= -1e-12)
    return float(min(1.0, 2 * (min(below, above) + 1) / (len(drawn) + 1)))
