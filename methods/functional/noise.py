"""Labels that may be wrong: what SCN makes of them.

Shapes: B batch, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def rank_regularization(importance: Tensor, beta: float, margin: float) -> Tensor:
    """Return SCN's rank term max(0, margin - (mean of the top M - mean of the rest)), a scalar.

    M = int(B * beta), in Python's floating point as the authors have it (62, not 63, for 90 at
    0.7). Exactly 0, without gradient, where the margin is met. With no sample in one of the groups
    (a batch of one) there is nothing to rank and the term is 0. Source: Wang et al., CVPR 2020,
    equation 3, and the authors' code.

    Args:
        importance: (B,) or (B, 1), attention weights in (0, 1).
        beta: share of the high-importance group.
        margin: how far the groups' means should be apart.
    """
    ranked = importance.flatten().sort(descending=True).values
    high = int(len(ranked) * beta)
    if not 0 < high < len(ranked):
        return importance.sum() * 0.0
    return F.relu(margin - (ranked[:high].mean() - ranked[high:].mean()))


def relabel(probabilities: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Return the labels after SCN's relabelling, int64 (B,).

    A sample takes its most probable class where that exceeds the probability of its label by more
    than ``margin`` (strictly). Source: Wang et al., CVPR 2020, equation 4, and the authors' code.

    Args:
        probabilities: (B, K).
        labels: int64 (B,).
        margin: of probability.
    """
    best, candidate = probabilities.max(dim=1)
    given = probabilities.gather(1, labels[:, None]).squeeze(1)
    return torch.where(best - given > margin, candidate, labels)
