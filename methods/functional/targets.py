"""Soft targets, and the cross-entropy that takes them.

Shapes: B batch, K classes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.functional.counts import Counts, like, per_sample, positive_counts


def rebalanced_smooth_labels(labels: Tensor, weights: Tensor, smoothing: float) -> Tensor:
    """Return MEK's smoothed targets, (B, K).

    1 - smoothing on the label; the rest goes to the other classes in proportion to their weights,
    so that rare classes get more of it. Source: re-balanced smooth labels of MEK.

    Args:
        labels: int64 (B,).
        weights: positive (K,); their scale cancels.
        smoothing: mass taken from the label, in [0, 1].
    """
    others = weights.expand(len(labels), -1).scatter(1, labels[:, None], 0.0)
    spread = smoothing * others / others.sum(dim=1, keepdim=True)
    return spread.scatter(1, labels[:, None], 1.0 - smoothing)


def smooth_labels(labels: Tensor, num_classes: int, smoothing: float | Tensor) -> Tensor:
    """Return (1 - s) one-hot + s / K, (B, K): every class gets its share of s, the label too.

    Source: Szegedy et al., CVPR 2016, section 7. MEK's smoothing leaves the label out.

    Args:
        labels: int64 (B,).
        num_classes: K.
        smoothing: s in [0, 1], one for all or one for each sample, (B,), where the labels are. The
            targets have a tensor's dtype, else float32.
    """
    s = per_sample(smoothing)
    return (1.0 - s) * F.one_hot(labels, num_classes) + s / num_classes


def label_aware_smoothing(counts: Counts, head: float, tail: float) -> Tensor:
    """Return MiSLAS's smoothing of each class, (K,), from ``tail`` at the rarest to ``head``.

    tail + (head - tail) sin(pi / 2 (n - n_min) / (n_max - n_min)), the concave form. Where all
    counts are equal, which would divide 0 by 0, each class gets the mean of the two. Source: Zhong
    et al., CVPR 2021.

    Args:
        counts: positive (K,).
        head: smoothing of the most frequent class.
        tail: smoothing of the rarest class.
    """
    n = positive_counts(counts)
    smallest, largest = n.min(), n.max()
    if smallest == largest:
        return like(torch.full_like(n, (head + tail) / 2), counts)
    share = torch.sin(math.pi / 2 * (n - smallest) / (largest - smallest))
    return like(tail + (head - tail) * share, counts)


def soft_label_smoothing(probabilities: Tensor, tau: float, epsilon: float) -> Tensor:
    """Return SOFT's targets from the teacher's probabilities, (B, K).

    1 - epsilon is divided among the classes above ``tau`` in proportion to their probability;
    epsilon is spread evenly over the others. Where no class is above tau, which would divide 0 by
    0 in the authors' code, the largest one is taken; where all are, there is nowhere to spread to
    and the probabilities themselves are the target. Rows always sum to 1. Source: Lukov et al.,
    ECCV 2022, and the authors' code.

    Args:
        probabilities: (B, K), rows that sum to 1.
        tau: threshold.
        epsilon: mass that is spread, in [0, 1).
    """
    classes = probabilities.shape[1]
    selected = probabilities > tau
    none = ~selected.any(dim=1, keepdim=True)
    largest = F.one_hot(probabilities.argmax(dim=1), classes).bool()
    selected = selected | (none & largest)
    kept = torch.where(selected, probabilities, torch.zeros_like(probabilities))
    share = kept / kept.sum(dim=1, keepdim=True)
    others = classes - selected.sum(dim=1, keepdim=True)
    spread = epsilon * (others > 0).to(probabilities.dtype)
    rest = spread / others.clamp(min=1)
    return torch.where(selected, (1.0 - spread) * share, rest)


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean over the batch of -sum_k targets * log softmax(logits), a scalar.

    Args:
        logits: (B, K).
        targets: (B, K), rows that sum to 1.
    """
    return -(targets * F.log_softmax(logits, dim=1)).sum(dim=1).mean()
