"""Class attention maps and their consistency under a mirror.

Shapes: B batch, K classes, C channels, H and W of a feature map.
"""

from __future__ import annotations

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
