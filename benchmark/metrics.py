"""Accuracies as pure functions of a confusion matrix; never averaged over batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
