"""Is a difference more than chance: pure functions of arrays, deterministic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Metric = Literal["overall", "mean"]
Floats = NDArray[np.float64]

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
    weights = _class_weights(members, metric)
    difference = a - b
    classes = [difference[:, chosen] for chosen in members]
    per_seed = sum(w * d.mean(axis=1) for w, d in zip(weights, classes, strict=True))
    estimate = float(np.mean(per_seed))
    drawn = _bootstrap(classes, weights, resamples, seed)
    answers = np.asarray(correct_a, dtype=np.bool_), np.asarray(correct_b, dtype=np.bool_)
    (decided,) = _decide(_class_parts(truth, *answers), weights[None])
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


def deciding_p_values(
    labels: ArrayLike, correct_a: NDArray[np.bool_], correct_b: NDArray[np.bool_]
) -> dict[Metric | int, float]:
    """Return ``p`` of :func:`paired_difference` for a whole table: no resampling, classes once.

    Args:
        labels: integers (n,).
        correct_a: bool (S, n), whether a was right, a row a seed.
        correct_b: bool (S, n), of the same seeds and images.

    Returns:
        The two-sided p-value of the difference in ``overall``, in ``mean``, and, by label, in the
        recall of each class that has images.
    """
    parts = _class_parts(np.asarray(labels), correct_a, correct_b)
    shares, equal = parts.sizes / parts.sizes.sum(), np.ones(len(parts.sizes)) / len(parts.sizes)
    decided = _decide(parts, np.vstack([shares, equal, np.eye(len(parts.sizes))]))
    columns: list[Metric | int] = ["overall", "mean", *map(int, parts.labels)]
    return {column: found.p for column, found in zip(columns, decided, strict=True)}


def _class_weights(members: Sequence[NDArray[np.intp]], metric: Metric) -> Floats:
    """Return what a class's recall counts for in the metric, (K,), summing to 1."""
    if metric == "mean":
        return np.ones(len(members)) / len(members)
    sizes = np.array([len(chosen) for chosen in members], dtype=np.float64)
    return np.asarray(sizes / sizes.sum(), dtype=np.float64)


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


@dataclass(frozen=True)
class _ClassParts:
    """What each class adds to the variance of a difference.

    Attributes:
        labels: (K,) the classes that have images.
        sizes: (K,) their images.
        recalls: (2, S, K) of a and of b.
        images: (K,) variance of the difference from the choice of the class's images.
        answers: (K,) the share of the seeds' variance that is chance of single answers.
    """

    labels: NDArray[Any]
    sizes: Floats
    recalls: Floats
    images: Floats
    answers: Floats


@dataclass(frozen=True)
class _Decision:
    """The test of one weighting of the classes; ``reach`` standard errors make the interval."""

    p: float
    reach: float
    error: float
    error_images: float
    freedom: float


def _class_parts(truth: NDArray[Any], a: NDArray[np.bool_], b: NDArray[np.bool_]) -> _ClassParts:
    """Return the parts of all classes from labels (n,) and answers (S, n)."""
    if np.any(truth[1:] < truth[:-1]):
        order = np.argsort(truth, kind="stable")
        truth, a, b = truth[order], a[:, order], b[:, order]
    labels, starts, counts = np.unique(truth, return_index=True, return_counts=True)
    seeds, n = len(a), counts.astype(np.float64)

    def of_class(values: NDArray[Any]) -> Floats:
        return np.asarray(np.add.reduceat(values, starts, axis=-1, dtype=np.float64))

    recalls = np.stack([of_class(a), of_class(b)]) / n
    mean = (a.sum(axis=0, dtype=np.float64) - b.sum(axis=0, dtype=np.float64)) / seeds  # (n,)
    centre = of_class(mean) / n
    square = of_class((mean - np.repeat(centre, counts)) ** 2)
    # A class of one image has no spread to measure: its difference stands for it.
    spread = np.where(n > 1, square / np.maximum(n - 1, 1), centre**2)
    answers = np.zeros(len(n))
    if seeds > 1:
        # The squares that rows and columns leave of x = a - b, by sums: x^2 is 1 where they differ.
        of_seed = recalls[0] - recalls[1]
        left = of_class((a != b).sum(axis=0)) - seeds * of_class(mean**2)
        left -= n * ((of_seed - centre) ** 2).sum(axis=0)
        answers = np.maximum(left, 0) / ((seeds - 1) * np.maximum(n - 1, 1) * n * seeds)
        answers[n == 1] = 0
    return _ClassParts(labels, n, recalls, spread / n, answers)


def _decide(parts: _ClassParts, weights: Floats) -> list[_Decision]:
    """Return the test of each weighting.

    Args:
        parts: of K classes.
        weights: (C, K), a row a weighting, summing to 1.
    """
    from scipy.special import stdtr, stdtrit

    by_seed = weights @ parts.recalls.transpose(0, 2, 1)  # (2, C, S)
    estimates = (by_seed[0] - by_seed[1]).mean(axis=1)
    images = weights**2 @ parts.images
    squares = weights**4 @ (parts.images**2 / np.maximum(parts.sizes - 1, 1))
    variance, seeds = images, by_seed.shape[2]
    if seeds > 1:
        of_seeds = by_seed.var(axis=2, ddof=1) / seeds  # (2, C)
        variance = images + np.maximum(of_seeds.sum(axis=0) - weights**2 @ parts.answers, 0)
        squares = squares + (of_seeds**2).sum(axis=0) / (seeds - 1)
    error = np.sqrt(variance)
    moves = error > 1e-12  # anything smaller is rounding
    freedom = np.divide(variance**2, squares, out=np.full(len(error), np.inf), where=squares > 0)
    distance = np.divide(np.abs(estimates), error, out=np.zeros(len(error)), where=moves)
    p_values, reach = 2 * stdtr(freedom, -distance), -stdtrit(freedom, (1 - LEVEL) / 2)
    # No answer differs, or all differ the same way: what n tosses of a coin would give.
    sizes = (weights > 0) @ parts.sizes
    alike = np.where(np.abs(estimates) > 1e-12, 0.5 ** (sizes - 1), 1.0)
    columns = (
        np.where(moves, p_values, alike),
        np.where(moves, reach, 0.0),
        error,
        np.sqrt(images),
        freedom,
    )
    return [_Decision(*map(float, row)) for row in zip(*columns, strict=True)]
