"""The formulas of the methods as pure functions: float tensors in, float tensors out.

Shapes: B batch, K classes, C channels, D embedding, H and W of a feature map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Counts = Tensor | Sequence[int] | Sequence[float]


def _positive_counts(counts: Counts) -> Tensor:
    """Return class counts as float64 (K,); a class without images has no weight to give."""
    tensor = torch.as_tensor(counts, dtype=torch.float64)
    if tensor.ndim != 1 or not bool((tensor > 0).all()):
        raise ValueError(f"class counts must be positive, one per class, got {tensor.tolist()}")
    return tensor


def _like(values: Tensor, counts: Counts) -> Tensor:
    """Return weights in the dtype of floating counts, else in float32."""
    floating = isinstance(counts, Tensor) and counts.is_floating_point()
    return values.to(counts.dtype if floating else torch.float32)  # type: ignore[union-attr]


def inverse_frequency_weights(counts: Counts) -> Tensor:
    """Return MEK's class weights w_c = N / (10 n_c), (K,).

    The 10 is a constant of the authors' code, not the number of classes; the weights do not sum
    to K. Source: the balance weights of the authors' code.
    """
    n = _positive_counts(counts)
    return _like(n.sum() / (10.0 * n), counts)


def effective_number_weights(counts: Counts, beta: float) -> Tensor:
    """Return CB's class weights (1 - beta) / (1 - beta^n_c), scaled to sum to K, (K,).

    ``beta`` = 0 gives ones. Source: Cui et al., CVPR 2019, equation 2 and the authors' scaling.

    Raises:
        ValueError: ``beta`` is not in [0, 1).
    """
    if not 0.0 <= beta < 1.0:
        raise ValueError(f"beta must be in [0, 1), got {beta}")
    n = _positive_counts(counts)
    # 1 - beta^n through expm1, which keeps its digits where beta is close to 1.
    covered = -torch.expm1(n * math.log(beta)) if beta > 0 else torch.ones_like(n)
    weights = (1.0 - beta) / covered
    return _like(weights / weights.sum() * len(n), counts)


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


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean over the batch of -sum_k targets * log softmax(logits), a scalar.

    Args:
        logits: (B, K).
        targets: (B, K), rows that sum to 1.
    """
    return -(targets * F.log_softmax(logits, dim=1)).sum(dim=1).mean()


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


def class_attention_maps(features: Tensor, classifier_weight: Tensor) -> Tensor:
    """Return the class attention maps sum_c W[k, c] features[n, c, h, w], (B, K, H, W).

    No bias, no ReLU, no normalisation, and no gradient into the classifier's weight, as in the
    authors' code of EAC and MEK.

    Args:
        features: (B, C, H, W).
        classifier_weight: (K, C).
    """
    return F.conv2d(features, classifier_weight.detach()[:, :, None, None])


def attention_consistency(
    maps: Tensor, mirrored_maps: Tensor, class_weights: Tensor | None = None
) -> Tensor:
    """Return how far the maps of an image are from those of its mirror image, a scalar.

    Without weights (EAC): the mean squared difference over everything. With weights (MEK): the
    mean over H and W, the weighted *sum* over classes, the mean over the batch. Gradients pass
    through both maps.

    Args:
        maps: (B, K, H, W) of the image.
        mirrored_maps: (B, K, H, W) of the mirrored image; mirrored back here.
        class_weights: (K,) or None.
    """
    squared = (maps - mirrored_maps.flip(-1)).square()
    if class_weights is None:
        return squared.mean()
    return (squared.mean(dim=(2, 3)) * class_weights).sum(dim=1).mean()


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


def sigmoid_rampup(epoch: float, length: float) -> float:
    """Return SOFT's ramp exp(-5 (1 - min(epoch, length) / length)^2); 1 where there is no ramp.

    ``epoch`` counts from 0. Source: Tarvainen and Valpola, NeurIPS 2017, as used by the authors of
    SOFT.
    """
    if length <= 0:
        return 1.0
    phase = 1.0 - min(max(epoch, 0.0), length) / length
    return math.exp(-5.0 * phase * phase)


def ema_decay(step: int, decay: float) -> float:
    """Return min(1 - 1 / (step + 1), decay): the decay of SOFT's teacher after ``step`` steps.

    ``step`` counts the optimiser step just taken, so the first call has step 1 and gives 0.5.
    """
    return min(1.0 - 1.0 / (step + 1), decay)


def bilateral_alpha(epoch: int, max_epoch: int) -> float:
    """Return BBN's alpha = 1 - ((epoch - 1) / max_epoch)^2; ``epoch`` counts from 1.

    Exactly 1 in the first epoch, small but above 0 in the last. Source: Zhou et al., CVPR 2020,
    and the authors' code.
    """
    return 1.0 - ((epoch - 1) / max_epoch) ** 2


def reversed_sampling_probabilities(counts: Counts) -> Tensor:
    """Return the class probabilities of BBN's reversed sampler, (1 / n_c) / sum(1 / n), (K,).

    Source: Zhou et al., CVPR 2020, section 4.2.
    """
    inverse = 1.0 / _positive_counts(counts)
    return _like(inverse / inverse.sum(), counts)
