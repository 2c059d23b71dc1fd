"""Differences between two methods, with test images and seeds as two crossed samples.

The parts of the variance of :func:`benchmark.stats.paired_difference`, where their sources stand:
worked out for every class once, then put together for any weighting of the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


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
class Decision:
    """The test of one weighting of the classes; ``reach`` standard errors make the interval."""

    estimate: float
    p: float
    reach: float
    error: float
    error_images: float
    freedom: float


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


def class_parts(truth: NDArray[Any], a: NDArray[np.bool_], b: NDArray[np.bool_]) -> ClassParts:
    """Return the parts of all classes from labels (n,) and answers (S, n)."""
    if np.any(truth[1:] < truth[:-1]):
        order = np.argsort(truth, kind="stable")
        truth, a, b = truth[order], a[:, order], b[:, order]
    labels, starts, counts = np.unique(truth, return_index=True, return_counts=True)
    seeds, n = len(a), counts.astype(np.float64)

    def of_class(values: NDArray[Any]) -> Floats:
        return np.asarray(np.add.reduceat(values, starts, axis=-1, dtype=np.float64))

    recalls = np.stack([of_class(a), of_class(b)]) / n
    mean = np.stack([a.sum(axis=0), b.sum(axis=0)]) / seeds  # (2, n)
    centre = of_class(mean) / n
    off = mean - np.repeat(centre, counts, axis=1)
    # A class of one image has no spread to measure: its difference stands for it.
    spread = np.where(n > 1, of_class(_products(off)) / np.maximum(n - 1, 1), _products(centre))
    answers = np.zeros((3, len(n)))
    if seeds > 1:
        # The squares that rows and columns leave, by sums; products of answers are their "and".
        both = np.stack([a.sum(axis=0), (a & b).sum(axis=0), b.sum(axis=0)])
        left = of_class(both) - seeds * of_class(_products(mean))
        left -= n * _products(recalls - centre[:, None]).sum(axis=1)
        answers = left / ((seeds - 1) * np.maximum(n - 1, 1) * n * seeds)
        answers[:, n == 1] = 0
    return ClassParts(labels, n, recalls, spread / n, answers)


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


def decide(parts: ClassParts, weights: Floats, level: float) -> list[Decision]:
    """Return the test of each weighting.

    Args:
        parts: of K classes.
        weights: (C, 2, K), what each recall of a and of b counts for.
        level: of the intervals, in (0, 1).
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
    p_values, reach = 2 * stdtr(freedom, -distance), -stdtrit(freedom, (1 - level) / 2)
    # No answer differs, or all differ the same way: what n tosses of a coin would give.
    sizes = weights.any(axis=1) @ parts.sizes
    alike = np.where(np.abs(estimates) > 1e-12, 0.5 ** (sizes - 1), 1.0)
    columns = (
        estimates,
        np.where(moves, p_values, alike),
        np.where(moves, reach, 0.0),
        error,
        np.sqrt(images),
        freedom,
    )
    return [Decision(*map(float, row)) for row in zip(*columns, strict=True)]


def deciding_p_values(
    labels: ArrayLike, correct_a: NDArray[np.bool_], correct_b: NDArray[np.bool_]
) -> dict[str | int, float]:
    """Return ``p`` of :func:`benchmark.stats.paired_difference` in every column, for a table.

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
    decided = decide(parts, np.stack([weights, weights], axis=1), 0.95)
    columns: list[str | int] = ["overall", "mean", *map(int, parts.labels)]
    return {column: found.p for column, found in zip(columns, decided, strict=True)}
