"""Differences of weighted recalls: two methods, two classes or two training sets, one test set.

Test images and seeds are two crossed samples. With x = a's answer minus b's of image i and seed s,
the variance of a difference is that of the images' means over seeds (stratified by class), plus
what the seeds add: the variance of a's accuracies over seeds and that of b's, each over S, less the
share of both that is chance of single answers and stands in the images' part already; never less
than 0. (Two-way error components: Searle, Casella, McCulloch, Variance Components, 1992, chapter 4.
Without the subtraction single answers count twice.) The seeds of a and b enter as independent
samples: a shared seed number ties two trainings together hardly at all, and twice the degrees of
freedom keep the test honest with 2 or 3 seeds. Student's t with Welch and Satterthwaite's degrees
of freedom (Satterthwaite, Biometrics Bulletin 2, 1946).

The parts are worked out for every class once, as forms in the weights of a and of b, then put
together for any weighting of the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.stats import CONFIDENCE
from benchmark.stats.accuracy import Metric, accuracy_weights
from benchmark.stats.bootstrap import RESAMPLES, redrawn, two_sided
from benchmark.stats.significance import sign_flip

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ClassParts:
    """What each class adds to the variance of a difference between a and b.

    The last two hold a form in the two weights of a class, w_a of a and w_b of b:
    w_a^2 times the first row, less 2 w_a w_b times the second, plus w_b^2 times the third.

    Attributes:
        labels: (K,) the classes that have images.
        sizes: (K,) their images.
        recalls: (2, S, K) of a and of b.
        images: (3, K) variance from the choice of the class's images.
        answers: (3, K) the share of the seeds' variance that is chance of single answers.
    """

    labels: NDArray[Any]
    sizes: Floats
    recalls: Floats
    images: Floats
    answers: Floats


@dataclass(frozen=True)
class Contrast:
    """A difference with its uncertainty.

    Attributes:
        estimate: a minus b, averaged over seeds.
        low: lower end of its interval at :data:`benchmark.stats.CONFIDENCE`.
        high: upper end.
        p: two-sided. With one seed it knows only the test images.
        error: standard error of the estimate: test images and, from two seeds on, seeds.
        error_images: standard error from the choice of test images alone.
        freedom: degrees of freedom of ``error``.
    """

    estimate: float
    low: float
    high: float
    p: float
    error: float
    error_images: float
    freedom: float


@dataclass(frozen=True)
class PairedDifference(Contrast):
    """What two methods' answers on the same test images say of their difference.

    ``p`` is the one that decides. With one seed it knows only the images: it speaks of these two
    trained networks, not of two methods.

    Attributes:
        metric: ``overall`` or ``mean``.
        seeds: S, of each method.
        images: n, test images.
        bootstrap_low: lower end of the percentile interval over test images alone.
        bootstrap_high: upper end.
        p_bootstrap: two-sided, over test images alone.
        p_sign_flip: two-sided, over seeds alone.
    """

    metric: Metric
    seeds: int
    images: int
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

    Args:
        labels: integers (n,).
        correct_a: bool (S, n), whether a was right, a row a seed.
        correct_b: bool (S, n), of the same seeds and images.
        metric: ``overall``, or ``mean`` for the mean of the class recalls.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The difference in 0..1, its interval cut to -1..1.

    Raises:
        ValueError: the shapes do not fit or are empty.
    """
    truth, a, b = _checked(labels, correct_a, correct_b)
    parts = class_parts(truth, a, b)
    weights = accuracy_weights(parts.sizes, metric)
    (found,) = contrasts(parts, np.stack([weights, weights])[None])
    difference = a.astype(np.float64) - b
    classes = [difference[:, truth == label] for label in parts.labels]
    drawn = redrawn(classes, weights, resamples, seed)
    tail = (1 - CONFIDENCE) / 2
    return PairedDifference(
        estimate=found.estimate,
        low=max(-1.0, found.low),
        high=min(1.0, found.high),
        p=found.p,
        error=found.error,
        error_images=found.error_images,
        freedom=found.freedom,
        metric=metric,
        seeds=len(a),
        images=len(truth),
        bootstrap_low=float(np.quantile(drawn, tail)),
        bootstrap_high=float(np.quantile(drawn, 1 - tail)),
        p_bootstrap=two_sided(drawn),
        p_sign_flip=sign_flip((parts.recalls[0] - parts.recalls[1]) @ weights),
    )


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
    parts = class_parts(*_checked(labels, correct_a, correct_b))
    weights = np.stack([np.asarray(weights_a), np.asarray(weights_b)]).astype(np.float64)
    (found,) = contrasts(parts, weights[None, :, parts.labels])
    return found


def deciding_p_values(
    labels: ArrayLike, correct_a: Bools, correct_b: Bools
) -> dict[str | int, float]:
    """Return ``p`` of :func:`paired_difference` in every column, for a table.

    Nothing is resampled, and each class is looked at once.

    Args:
        labels: integers (n,).
        correct_a: bool (S, n), whether a was right, a row a seed.
        correct_b: bool (S, n), of the same seeds and images.

    Returns:
        The two-sided p-value of the difference in ``overall``, in ``mean``, and, by label, in the
        recall of each class that has images.
    """
    parts = class_parts(np.asarray(labels), correct_a, correct_b)
    accuracies = [accuracy_weights(parts.sizes, measure) for measure in ("overall", "mean")]
    weights = np.vstack([*accuracies, np.eye(len(parts.sizes))])
    columns: list[str | int] = ["overall", "mean", *map(int, parts.labels)]
    found = contrasts(parts, np.stack([weights, weights], axis=1))
    return {column: one.p for column, one in zip(columns, found, strict=True)}


def image_variance(
    labels: ArrayLike, shares_a: ArrayLike, shares_b: ArrayLike, weights: ArrayLike
) -> float:
    """Return the variance of a difference that comes from the choice of test images alone.

    Args:
        labels: integers (n,) in 0..K-1.
        shares_a: (n,) share of a's seeds that recognised each image.
        shares_b: (n,) likewise of b's seeds, which may be others.
        weights: (K,) what each class's recall counts for.
    """
    truth = np.asarray(labels)
    shares = np.stack([np.asarray(shares_a), np.asarray(shares_b)]).astype(np.float64)
    order = np.argsort(truth, kind="stable")
    of_labels, classes = _classes(truth[order])
    counts = np.asarray(weights, dtype=np.float64)[of_labels]
    rows = classes.image_rows(shares[:, order])
    return float(_form(rows, np.stack([counts, counts])[None]).sum())


def class_parts(truth: NDArray[Any], a: Bools, b: Bools) -> ClassParts:
    """Return the parts of all classes from labels (n,) and answers (S, n)."""
    if np.any(truth[1:] < truth[:-1]):
        order = np.argsort(truth, kind="stable")
        truth, a, b = truth[order], a[:, order], b[:, order]
    labels, classes = _classes(truth)
    seeds, n = len(a), classes.sizes
    recalls = np.stack([classes.sums(a), classes.sums(b)]) / n
    mean = np.stack([a.sum(axis=0), b.sum(axis=0)]) / seeds  # (2, n)
    answers = np.zeros((3, len(n)))
    if seeds > 1:
        # The squares that rows and columns leave, by sums; products of answers are their "and".
        both = np.stack([a.sum(axis=0), (a & b).sum(axis=0), b.sum(axis=0)])
        left = classes.sums(both) - seeds * classes.sums(_products(mean))
        centre = classes.sums(mean) / n
        left -= n * _products(recalls - centre[:, None]).sum(axis=1)
        answers = left / ((seeds - 1) * np.maximum(n - 1, 1) * n * seeds)
        answers[:, n == 1] = 0
    return ClassParts(labels, n, recalls, classes.image_rows(mean), answers)


@dataclass(frozen=True)
class _Classes:
    """Images sorted by class: where each class starts, and how many it has, both (K,)."""

    starts: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def sizes(self) -> Floats:
        return self.counts.astype(np.float64)

    def sums(self, values: NDArray[Any]) -> Floats:
        """Return the sum over each class, (..., K), of values (..., n)."""
        return np.asarray(np.add.reduceat(values, self.starts, axis=-1, dtype=np.float64))

    def image_rows(self, mean: Floats) -> Floats:
        """Return the form (3, K) of the images' part from shares (2, n) that were right."""
        n = self.sizes
        centre = self.sums(mean) / n
        off = mean - np.repeat(centre, self.counts, axis=1)
        # A class of one image has no spread to measure: its difference stands for it.
        spread = np.where(
            n > 1, self.sums(_products(off)) / np.maximum(n - 1, 1), _products(centre)
        )
        return np.asarray(spread / n, dtype=np.float64)


def _classes(truth: NDArray[Any]) -> tuple[NDArray[Any], _Classes]:
    """Return the labels (K,) there are, and their classes, of labels (n,) in ascending order."""
    labels, starts, counts = np.unique(truth, return_index=True, return_counts=True)
    return labels, _Classes(starts.astype(np.int64), counts.astype(np.int64))


def _checked(labels: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[NDArray[Any], Bools, Bools]:
    truth = np.asarray(labels)
    right_a, right_b = np.asarray(a, dtype=np.bool_), np.asarray(b, dtype=np.bool_)
    same = right_a.shape == right_b.shape and truth.shape == right_a.shape[1:]
    if right_a.ndim != 2 or not same or not right_a.size:
        raise ValueError(f"shapes do not fit: {truth.shape}, {right_a.shape}, {right_b.shape}")
    return truth, right_a, right_b


def _products(of: Floats) -> Floats:
    """Return a's squares, products of a and b, and b's squares, (3, ...), of values (2, ...)."""
    return np.stack([of[0] * of[0], of[0] * of[1], of[1] * of[1]])


def _form(rows: Floats, weights: Floats) -> Floats:
    """Return a class's form, (C, K), of its rows (3, K) for weights (C, 2, K); never negative."""
    a, b = weights[:, 0], weights[:, 1]
    squares = a * a * rows[0] + b * b * rows[2]
    form = squares - 2 * (a * b * rows[1])
    # What is left where all but the rounding cancels is none.
    return np.where(form > 1e-13 * squares, form, 0.0)


def contrasts(parts: ClassParts, weights: Floats) -> list[Contrast]:
    """Return the difference for each weighting.

    Args:
        parts: of K classes.
        weights: (C, 2, K), what each recall of a and of b counts for.
    """
    from scipy.special import stdtr, stdtrit

    by_seed = np.einsum("cwk,wsk->wcs", weights, parts.recalls)
    estimates = (by_seed[0] - by_seed[1]).mean(axis=1)
    of_images = _form(parts.images, weights)  # (C, K)
    images = of_images.sum(axis=1)
    squares = of_images**2 @ (1 / np.maximum(parts.sizes - 1, 1))
    variance, seeds = images, by_seed.shape[2]
    if seeds > 1:
        of_seeds = by_seed.var(axis=2, ddof=1) / seeds  # (2, C)
        answers = _form(parts.answers, weights).sum(axis=1)
        variance = images + np.maximum(of_seeds.sum(axis=0) - answers, 0)
        squares = squares + (of_seeds**2).sum(axis=0) / (seeds - 1)
    error = np.sqrt(variance)
    moves = error > 1e-12  # anything smaller is rounding
    freedom = np.divide(variance**2, squares, out=np.full(len(error), np.inf), where=squares > 0)
    # Where parts are subtracted the formula can fall below what the seeds alone would have.
    freedom = np.maximum(freedom, seeds - 1)
    distance = np.divide(np.abs(estimates), error, out=np.zeros(len(error)), where=moves)
    p_values, reach = 2 * stdtr(freedom, -distance), -stdtrit(freedom, (1 - CONFIDENCE) / 2)
    # No answer differs, or all differ the same way: what n tosses of a coin would give.
    sizes = weights.any(axis=1) @ parts.sizes
    alike = np.where(np.abs(estimates) > 1e-12, 0.5 ** (sizes - 1), 1.0)
    half = np.where(moves, reach, 0.0) * error
    columns = (
        estimates,
        estimates - half,
        estimates + half,
        np.where(moves, p_values, alike),
        error,
        np.sqrt(images),
        freedom,
    )
    return [Contrast(*map(float, row)) for row in zip(*columns, strict=True)]
