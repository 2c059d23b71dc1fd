"""Class attention maps and their consistency under a mirror.

Shapes: B batch, K classes, C channels, H and W of a feature map.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def class_attention_maps(features: Tensor, classifier_weight: Tensor) -> Tensor:
    """Return the class attention maps sum_c W[k, c] features[n, c, h, w], (B, K, H, W).

    No bias, no ReLU, no normalisation, and no gradient into the classifier's weight, as in the
    authors' code of EAC and MEK.

    Args:
        features: (B, C, H, W).
        classifier_weight: (K, C).
    """
    return F.conv2d(features, classifier_weight.detach()[:, :, None, None])


def gradient_attention_maps(logits: Tensor, features: Sequence[Tensor]) -> Tensor:
    """Return the class attention maps of any classifier by its gradients, (B, K, H, W).

    HiResCAM (Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of
    convolutional neural networks", arXiv:2011.08891, 2020): the gradient of a class's logit by the
    last feature map, times that map, summed over channels. Times the map's area H W, so that for a
    linear classifier on averaged features it is :func:`class_attention_maps`, and its mean is the
    logit less the bias. Several maps (branches) add up.

    Args:
        logits: (B, K), of images of which none changes another's answer.
        features: (B, C, H, W) each, leaves of the graph of the logits; one that the logits do not
            depend on counts as none.

    Raises:
        ValueError: the logits depend on none of them.
    """
    if not (features and logits.requires_grad):
        raise ValueError("the logits depend on no feature map")
    maps = []
    for k in range(logits.shape[1]):
        gradients = torch.autograd.grad(
            logits[:, k].sum(), features, retain_graph=True, allow_unused=True
        )
        parts = [
            (gradient * of).sum(dim=1) * (of.shape[2] * of.shape[3])
            for gradient, of in zip(gradients, features, strict=True)
            if gradient is not None
        ]
        if not parts:
            raise ValueError("the logits depend on no feature map")
        maps.append(sum(parts[1:], parts[0]).detach())
    return torch.stack(maps, dim=1)


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
