"""Cosine classifiers with a margin for each class.

Shapes: B batch, K classes, D features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.functional.counts import Counts, like, positive_counts


def ldam_margins(counts: Counts, max_margin: float) -> Tensor:
    """Return LDAM's margins max_margin (n_min / n_c)^(1/4), (K,); the rarest class has the largest.

    Source: Cao et al., NeurIPS 2019, scaled as in the authors' code.
    """
    n = positive_counts(counts)
    return like(max_margin * (n.min() / n) ** 0.25, counts)


def cosine_logits(features: Tensor, weight: Tensor) -> Tensor:
    """Return the cosines of features and rows of a weight, (B, K); a zero vector gives zeros.

    Args:
        features: (B, D).
        weight: (K, D).
    """
    return F.linear(_unit(features), _unit(weight))


def _unit(rows: Tensor) -> Tensor:
    norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    # Not a tiny divisor: that would be a huge gradient where a row is zero.
    return rows / torch.where(norms > 0, norms, torch.ones_like(norms))


def ldam_loss(
    cosines: Tensor, labels: Tensor, margins: Tensor, scale: float, weights: Tensor | None = None
) -> Tensor:
    """Return the CE of scale (cos - margin on the label), a scalar.

    With weights, the weighted sum over the *sum of the weights* in the batch, as the authors' code.
    Source: Cao et al., NeurIPS 2019.

    Args:
        cosines: (B, K).
        labels: int64 (B,).
        margins: (K,).
        scale: what the cosines are multiplied by.
        weights: (K,) or None.
    """
    shifted = cosines - F.one_hot(labels, cosines.shape[1]) * margins
    return F.cross_entropy(scale * shifted, labels, weight=weights)
