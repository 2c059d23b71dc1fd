"""Two methods, two classes or two training sets held against each other on the same test images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.stats import CONFIDENCE
from benchmark.stats.accuracy import Metric, accuracy_weights
from benchmark.stats.bootstrap import RESAMPLES, redrawn, two_sided
from benchmark.stats.crossed import Bools, Contrast, class_parts, contrasts
from benchmark.stats.significance import sign_flip


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


def _checked(labels: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[NDArray[Any], Bools, Bools]:
    truth = np.asarray(labels)
    right_a, right_b = np.asarray(a, dtype=np.bool_), np.asarray(b, dtype=np.bool_)
    same = right_a.shape == right_b.shape and truth.shape == right_a.shape[1:]
    if right_a.ndim != 2 or not same or not right_a.size:
        raise ValueError(f"shapes do not fit: {truth.shape}, {right_a.shape}, {right_b.shape}")
    return truth, right_a, right_b
