"""Logits corrected for the training set's imbalance after training, without any more of it.

With p_c the share of class c in the training set, a network that learnt log p(c | x) there is told
to answer as if all classes were as frequent by z_c - tau log p_c with tau 1; other values of tau go
part of the way or beyond (Menon, Jayasumana, Rawat, Jain, Veit, Kumar, "Long-tail learning via
logit adjustment", ICLR 2021). It takes logits for log posteriors: methods that smooth labels, mix,
balance or re-weight give others, whose range may be smaller than that of log p_c, so that tau 1
corrects too much.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.stats.accuracy import accuracies

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TAUS = tuple(round(0.05 * step, 2) for step in range(31))
"""From 0, which changes nothing, to half beyond the 1 of the theory, by 0.05."""


def adjusted(logits: ArrayLike, counts: ArrayLike, tau: float) -> Floats:
    """Return logits (n, K) less tau times the logarithms of the training set's shares.

    Args:
        logits: (n, K).
        counts: (K,) training images of each class.
        tau: how far to correct; 0 changes nothing, 1 is what the theory gives.

    Raises:
        ValueError: a class has no training images, or there is not a count for each.
    """
    scores, images = np.asarray(logits, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if images.shape != scores.shape[1:] or not (images > 0).all():
        raise ValueError(f"{counts!r}: a positive count for each of {scores.shape[1]} classes")
    return np.asarray(scores - tau * np.log(images / images.sum()), dtype=np.float64)


def right_by_tau(
    logits: ArrayLike, labels: ArrayLike, counts: ArrayLike, taus: Sequence[float] = TAUS
) -> Bools:
    """Return whether each image is recognised after each correction, bool (T, n).

    Args:
        logits: (n, K).
        labels: integers (n,) in 0..K-1.
        counts: (K,) training images of each class.
        taus: (T,) the corrections.
    """
    truth = np.asarray(labels)
    return np.stack([adjusted(logits, counts, tau).argmax(axis=1) == truth for tau in taus])


def choose_tau(
    logits: ArrayLike, labels: ArrayLike, counts: ArrayLike, taus: Sequence[float] = TAUS
) -> float:
    """Return the tau with the best mean accuracy, the smallest of equals.

    Args:
        logits: (n, K) of validation images; never of those that the result is told on.
        labels: integers (n,) in 0..K-1, one at least.
        counts: (K,) training images of each class.
        taus: what to choose from.

    Raises:
        ValueError: there are no images.
    """
    if not len(np.asarray(labels)):
        raise ValueError("no images to choose by")
    ordered = sorted(taus)
    right = right_by_tau(logits, labels, counts, ordered)
    _, mean = accuracies(labels, right, np.asarray(logits).shape[1])
    # Sums of the same recalls may differ in their last digits: equal is equal to 12.
    return ordered[int(np.flatnonzero(mean >= mean.max() - 1e-12)[0])]
