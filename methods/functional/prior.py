"""Corrections by how frequent each class is in training.

Shapes: B batch, K classes, D features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.functional.counts import Counts, like, positive_counts


def balanced_softmax_loss(logits: Tensor, labels: Tensor, counts: Counts) -> Tensor:
    """Return the mean CE of z + log n, a scalar: the logit-adjusted loss at tau 1.

    Source: Ren et al., NeurIPS 2020.

    Args:
        logits: (B, K).
        labels: int64 (B,).
        counts: positive (K,), of the set trained on.
    """
    return F.cross_entropy(logits + positive_counts(counts).log().to(logits), labels)


def logit_adjustment(counts: Counts, tau: float) -> Tensor:
    """Return tau log p_c with p_c = n_c / N, (K,), not above 0.

    Added to the logits in training (:func:`logit_adjusted_loss`), or subtracted from those of a
    plainly trained network afterwards. Source: Menon et al., ICLR 2021.
    """
    n = positive_counts(counts)
    return like(tau * (n.log() - n.sum().log()), counts)


def logit_adjusted_loss(logits: Tensor, labels: Tensor, adjustment: Tensor) -> Tensor:
    """Return the mean CE of z + adjustment, a scalar. Source: Menon et al., ICLR 2021.

    Args:
        logits: (B, K).
        labels: int64 (B,).
        adjustment: (K,), from :func:`logit_adjustment`.
    """
    return F.cross_entropy(logits + adjustment, labels)


def vector_scaling(counts: Counts, gamma: float, tau: float) -> tuple[Tensor, Tensor]:
    """Return VS's scale (n_max / n_c)^gamma and shift tau log p_c, two (K,).

    gamma 0 leaves the logit-adjusted loss, tau 0 the class-dependent temperatures of CDT. Source:
    Kini et al., NeurIPS 2021, in the signs of the authors' code: the scale divides.
    """
    n = positive_counts(counts)
    return like((n.max() / n) ** gamma, counts), logit_adjustment(counts, tau)


def vector_scaling_loss(logits: Tensor, labels: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return the mean CE of z / scale + shift, a scalar. Source: Kini et al., NeurIPS 2021.

    Args:
        logits: (B, K).
        labels: int64 (B,).
        scale: (K,), at least 1.
        shift: (K,).
    """
    return F.cross_entropy(logits / scale + shift, labels)


def tau_normalized(weight: Tensor, tau: float) -> Tensor:
    """Return the classifier's rows over their norm to the power tau, (K, D); zero rows stay zero.

    The authors' code leaves the bias out then. Source: Kang et al., ICLR 2020.

    Args:
        weight: (K, D).
        tau: 0 leaves the rows, 1 gives them norm 1.
    """
    return weight / _powered(torch.linalg.vector_norm(weight, dim=1), tau)[:, None]


def tau_normalized_logits(logits: Tensor, weight_norms: Tensor, bias: Tensor, tau: float) -> Tensor:
    """Return (z - bias) / norm^tau, (B, K): tau-normalised logits without the features.

    Args:
        logits: (B, K), of the classifier as it was trained.
        weight_norms: (K,), the norms of its rows; where one is 0 the class's logit is 0.
        bias: (K,), what it added.
        tau: of :func:`tau_normalized`.
    """
    return (logits - bias) / _powered(weight_norms, tau)


def _powered(norms: Tensor, tau: float) -> Tensor:
    return torch.where(norms > 0, norms, torch.ones_like(norms)) ** tau
