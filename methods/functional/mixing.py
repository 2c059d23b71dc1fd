"""Mixtures of samples.

Shapes: B batch, K classes, D embedding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.functional.counts import Counts, like, per_sample, positive_counts


def uncertainty_mixup(features: Tensor, uncertainty: Tensor, permutation: Tensor) -> Tensor:
    """Return RUL's mixed features a_i / (a_i + a_j) f_i + a_j / (a_i + a_j) f_j, (B, D).

    j = permutation[i]; the more uncertain of the two weighs more, and gradients flow through the
    weights. Source: Zhang et al., NeurIPS 2021, and the authors' code.

    Args:
        features: (B, D), the means.
        uncertainty: positive; (B,) or (B, 1), or (B, D), which is averaged over D.
        permutation: int64 (B,).
    """
    a = uncertainty.reshape(len(features), -1).mean(dim=1, keepdim=True)
    b = a[permutation]
    return a / (a + b) * features + b / (a + b) * features[permutation]


def mixup(images: Tensor, permutation: Tensor, lam: float) -> Tensor:
    """Return lam x + (1 - lam) x[permutation], of the images' shape.

    Source: Zhang et al., ICLR 2018.

    Args:
        images: (B, ...).
        permutation: int64 (B,); fixed points are allowed.
        lam: one for the batch, in [0, 1].
    """
    return lam * images + (1.0 - lam) * images[permutation]


def mixup_targets(
    labels: Tensor, permutation: Tensor, lam: float | Tensor, num_classes: int
) -> Tensor:
    """Return lam on the label and 1 - lam on the partner's, (B, K), for ``soft_cross_entropy``.

    Args:
        labels: int64 (B,).
        permutation: int64 (B,).
        lam: one for all or one for each sample, (B,), where the labels are. The targets have a
            tensor's dtype, else float32.
        num_classes: K.
    """
    share = per_sample(lam)
    own = F.one_hot(labels, num_classes)
    return share * own + (1.0 - share) * own[permutation]


def remix_lambda(
    labels: Tensor, permutation: Tensor, counts: Counts, lam: float, kappa: float, tau: float
) -> Tensor:
    """Return the lambda of ReMix's labels, (B,); the images keep ``lam``.

    With i the class weighted lam and j its partner's: 0, so the partner's label alone, where
    n_i / n_j >= kappa and lam < tau; 1 where n_i / n_j <= 1 / kappa and 1 - lam < tau; else lam.
    The rarer of two classes gets the label where it is rare enough. Source: Chou et al., ECCV
    workshops 2020.

    Args:
        labels: int64 (B,).
        permutation: int64 (B,).
        counts: positive (K,), of the set trained on.
        lam: of the images.
        kappa: how many times as frequent the other class must be, at least 1.
        tau: how small the images' share of the frequent class must be, strictly.
    """
    # Compared as products in float64: a quotient may round to the other side of kappa.
    n = positive_counts(counts).to(labels.device)[labels]
    partner = n[permutation]
    share = torch.full_like(n, lam)
    if 1.0 - lam < tau:
        share = share.masked_fill(kappa * n <= partner, 1.0)
    if lam < tau:
        share = share.masked_fill(kappa * partner <= n, 0.0)
    return like(share, counts)
