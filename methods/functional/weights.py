"""Weights of classes, and the cross-entropy that takes them.

Shapes: B batch, K classes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.functional.counts import Counts, like, positive_counts


def inverse_frequency_weights(counts: Counts) -> Tensor:
    """Return MEK's class weights w_c = N / (10 n_c), (K,).

    The 10 is a constant of the authors' code, not the number of classes; the weights do not sum
    to K. Source: the balance weights of the authors' code.
    """
    n = positive_counts(counts)
    return like(n.sum() / (10.0 * n), counts)


def effective_number_weights(counts: Counts, beta: float) -> Tensor:
    """Return CB's class weights (1 - beta) / (1 - beta^n_c), scaled to sum to K, (K,).

    ``beta`` = 0 gives ones. Source: Cui et al., CVPR 2019, equation 2 and the authors' scaling.

    Raises:
        ValueError: ``beta`` is not in [0, 1).
    """
    if not 0.0 <= beta < 1.0:
        raise ValueError(f"beta must be in [0, 1), got {beta}")
    n = positive_counts(counts)
    # 1 - beta^n through expm1, which keeps its digits where beta is close to 1.
    covered = -torch.expm1(n * math.log(beta)) if beta > 0 else torch.ones_like(n)
    weights = (1.0 - beta) / covered
    return like(weights / weights.sum() * len(n), counts)


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return sum_n w_{y_n} CE_n / B, a scalar: CB's softmax loss.

    Divided by the batch size. ``F.cross_entropy(weight=w)`` divides by the sum of the weights in
    the batch, which is another loss: in a batch of one class the weights would cancel.

    Args:
        logits: (B, K).
        labels: int64 (B,).
        weights: (K,).
    """
    return (F.cross_entropy(logits, labels, reduction="none") * weights[labels]).mean()


def deferred_weights(counts: Counts, beta: float, epoch: float, start: float) -> Tensor:
    """Return the class weights of deferred re-weighting, (K,): ones until ``start``, then CB's.

    Both count from 0, so the epoch ``start`` itself is weighted. Source: Cao et al., NeurIPS 2019,
    algorithm 1, with the weights of the authors' code.

    Raises:
        ValueError: ``beta`` is not in [0, 1).
    """
    return effective_number_weights(counts, beta if epoch >= start else 0.0)


def deferred_stages(counts: Counts, beta: float) -> Tensor:
    """Return :func:`deferred_weights` before the start, and from it on, (2, K)."""
    return torch.stack([deferred_weights(counts, beta, epoch, start=1) for epoch in (0, 1)])


def powered_weights(weights: Tensor, power: float, total: float) -> Tensor:
    """Return weights to a power, scaled to a sum, (K,).

    Args:
        weights: positive (K,).
        power: 1 leaves them, 0.5 takes the square root, 0 gives ones.
        total: their sum afterwards; 0 leaves the sum as it is.
    """
    powered = weights if power == 1.0 else weights**power
    return powered * (total / powered.sum()) if total > 0 else powered
