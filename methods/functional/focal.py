"""Focal losses: what is recognised already counts less.

Shapes: B batch, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def focal_loss(
    logits: Tensor, labels: Tensor, gamma: float, weights: Tensor | None = None
) -> Tensor:
    """Return the mean over the batch of w_y (1 - p_y)^gamma CE with p = softmax, a scalar.

    Gradients pass through the modulator, and the weight stands outside it. 1 - p is taken in the
    log domain: where p rounds to 1 and gamma is below 1, the plain form's gradient is not a number.
    Source: Lin et al., ICCV 2017.

    Args:
        logits: (B, K).
        labels: int64 (B,).
        gamma: at least 0; 0 is cross-entropy.
        weights: (K,) or None.
    """
    log_all = logits.logsumexp(dim=1)
    log_others = logits.scatter(1, labels[:, None], -torch.inf).logsumexp(dim=1)
    modulator = torch.exp(gamma * (log_others - log_all))
    losses = modulator * F.cross_entropy(logits, labels, reduction="none")
    return (losses if weights is None else losses * weights[labels]).mean()


def sigmoid_focal_loss(
    logits: Tensor, labels: Tensor, gamma: float, weights: Tensor | None = None
) -> Tensor:
    """Return the sum over samples and classes of w_y (1 - pt)^gamma BCE, over B, a scalar.

    Each class is a binary problem of its own, and pt the probability of the truth in it. Divided by
    the number of positives, which is B, not by B K. Source: Lin et al., ICCV 2017, and Cui et al.,
    CVPR 2019.

    Args:
        logits: (B, K).
        labels: int64 (B,).
        gamma: at least 0; 0 is binary cross-entropy.
        weights: (K,) or None; a sample's weight, its label's, counts in all K problems.
    """
    signs = 2.0 * F.one_hot(labels, logits.shape[1]) - 1.0
    log_pt, log_rest = F.logsigmoid(signs * logits), F.logsigmoid(-signs * logits)
    losses = -(torch.exp(gamma * log_rest) * log_pt).sum(dim=1)
    return (losses if weights is None else losses * weights[labels]).mean()
