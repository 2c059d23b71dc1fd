"""Accuracies as pure functions of a confusion matrix or of logits; never averaged over batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Metric = Literal["overall", "mean"]


def confusion_matrix(
    labels: NDArray[Any], predictions: NDArray[Any], num_classes: int
) -> NDArray[np.int64]:
    """Count predictions by label: int64 (K, K), a row a true class, a column a predicted one.

    Args:
        labels: integers (N,), in ``range(num_classes)``.
        predictions: integers (N,), likewise.
        num_classes: K.

    Raises:
        ValueError: the lengths differ or a value is out of range.
    """
    both = np.stack([np.asarray(labels), np.asarray(predictions)])
    if both.size and not (both.min() >= 0 and both.max() < num_classes):
        raise ValueError(f"labels and predictions must lie in 0..{num_classes - 1}")
    cells = both[0].astype(np.int64) * num_classes + both[1]
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def recalls(confusion: ArrayLike) -> NDArray[np.float64]:
    """Return the share of each class that was recognised, float64 (K,); nan for an empty class."""
    matrix = np.asarray(confusion, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diag(matrix) / matrix.sum(axis=1), dtype=np.float64)


def overall_accuracy(confusion: ArrayLike) -> float:
    """Return the share of all images that were recognised, in 0..1."""
    matrix = np.asarray(confusion, dtype=np.float64)
    total = matrix.sum()
    return float(np.trace(matrix) / total) if total else float("nan")


def mean_accuracy(confusion: ArrayLike) -> float:
    """Return the mean of the recalls, in 0..1: every class counts the same."""
    return float(recalls(confusion).mean())


def accuracy_weights(sizes: ArrayLike, measure: str) -> NDArray[np.float64]:
    """Return what each class's recall counts for in ``overall``, ``mean`` or their ``gap``, (K,).

    Args:
        sizes: (K,) test images of each class; one without images counts for nothing.
        measure: ``gap`` is overall minus mean.
    """
    images = np.asarray(sizes, dtype=np.float64)
    shares, equal = images / images.sum(), (images > 0) / np.count_nonzero(images)
    chosen = {"overall": shares, "mean": equal, "gap": shares - equal}[measure]
    return np.asarray(chosen, dtype=np.float64)


def macro_f1(confusion: ArrayLike) -> float:
    """Return the mean of the classes' F1 = 2 TP / (2 TP + FP + FN), in 0..1.

    A class that is never predicted has an F1 of 0; one without images and predictions makes it nan.
    """
    matrix = np.asarray(confusion, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        f1 = 2 * np.diag(matrix) / (matrix.sum(axis=0) + matrix.sum(axis=1))
    return float(f1.mean())


@dataclass(frozen=True)
class RankMeans:
    """Mean recalls, in 0..1, of classes grouped by their training images."""

    head: float
    middle: float
    tail: float


def rank_means(confusion: ArrayLike, train_counts: Sequence[int]) -> RankMeans:
    """Return the mean recall of the largest third of the classes, the smallest, and the rest.

    A third is rounded down: 2, 3 and 2 of seven classes. Equal counts rank in the order given.

    Args:
        confusion: (K, K), K at least 3.
        train_counts: (K,) training images of each class.

    Raises:
        ValueError: there are fewer than 3 classes, or not a count for each.
    """
    values = recalls(confusion)
    k = len(values)
    if k < 3 or len(train_counts) != k:
        raise ValueError(f"{len(train_counts)} counts for {k} classes; both must be equal, >= 3")
    ranked = values[sorted(range(k), key=lambda c: -train_counts[c])]
    third = k // 3
    head, middle, tail = np.split(ranked, [third, k - third])
    return RankMeans(float(head.mean()), float(middle.mean()), float(tail.mean()))


def expected_calibration_error(logits: NDArray[Any], labels: NDArray[Any], bins: int = 15) -> float:
    """Return how far confidence is from accuracy, in 0..1.

    Predictions fall into bins of equal width (lo, hi] by their softmax confidence; the answer is
    the mean over bins, weighted by their images, of |accuracy - mean confidence|. Source: Guo,
    Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, equation 3.

    Args:
        logits: (n, K).
        labels: integers (n,).
        bins: their number.
    """
    from scipy.special import softmax

    scores = np.asarray(logits, dtype=np.float64)
    confidence = softmax(scores, axis=1).max(axis=1)
    right = scores.argmax(axis=1) == np.asarray(labels)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = np.bincount(place, right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(scores))


def accuracies(
    labels: ArrayLike, right: ArrayLike, num_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return overall and mean accuracy in 0..1, each (...), of answers.

    Args:
        labels: integers (n,) in 0..K-1; a class without images counts for nothing.
        right: bool (..., n), whether each image is recognised.
        num_classes: K.
    """
    recognised, sizes = _recognised(labels, right, num_classes)
    present = sizes > 0
    each = recognised[..., present] / sizes[present]
    return recognised.sum(axis=-1) / sizes.sum(), each.mean(axis=-1)


def recalls_of(labels: ArrayLike, right: ArrayLike, num_classes: int) -> NDArray[np.float64]:
    """Return the recalls of answers in 0..1, (..., K), nan for a class without images; as above."""
    recognised, sizes = _recognised(labels, right, num_classes)
    with np.errstate(invalid="ignore"):
        return np.asarray(recognised / sizes, dtype=np.float64)


def _recognised(
    labels: ArrayLike, right: ArrayLike, num_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return how many images of each class are recognised, (..., K), and how many there are, (K,).

    Whole numbers: 2430 of 2880 has to be 84.375 %, which rounds otherwise than a hair less.
    """
    truth, answers = np.asarray(labels), np.asarray(right, dtype=np.float64)
    return answers @ np.eye(num_classes)[truth], np.bincount(truth, minlength=num_classes)
