"""Grey images through a first convolution for colour ones, with what repeats computed once.

A grey image in three channels is one plane g three times: channel k holds (g - mean_k) /
deviation_k, and zero where it is erased or beyond the border. Each channel is therefore a mixture
of the two with the lowest and the highest mean, exactly and everywhere, so that a convolution of
these two with mixed filters is the same function. Where all means agree, one channel is enough.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def grey_mixing(
    mean: Sequence[float], deviation: Sequence[float]
) -> tuple[tuple[int, ...], Tensor]:
    """Return which channels to keep and how all follow from them.

    Args:
        mean: of each channel, as it is subtracted.
        deviation: of each channel, as it is divided by.

    Returns:
        The kept channels (q of them, one or two) and a float32 matrix (channels, q):
        channel_k = sum_q matrix[k, q] * channel_kept[q] on every image whose planes are equal
        before normalisation.
    """
    low = min(range(len(mean)), key=lambda k: mean[k])
    high = max(range(len(mean)), key=lambda k: mean[k])
    if mean[low] == mean[high]:
        return (low,), torch.tensor([[deviation[low] / each] for each in deviation])
    rows = []
    for center, width in zip(mean, deviation, strict=True):
        share = (center - mean[high]) / (mean[low] - mean[high])
        rows.append([share * deviation[low] / width, (1 - share) * deviation[high] / width])
    return (low, high), torch.tensor(rows)


class FirstConv(nn.Conv2d):
    """A first convolution without bias that can be told that all images are grey."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding, bias=False)
        self.kept: tuple[int, ...] = ()
        self.mixing: Tensor | None
        self.register_buffer("mixing", None, persistent=False)

    def expect_grey(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """Compute from now on what only grey images need; see the module's docstring."""
        self.kept, mixing = grey_mixing(mean, deviation)
        self.mixing = mixing.to(self.weight.device)

    def forward(self, images: Tensor) -> Tensor:
        """Return the convolution (B, outputs, h, w) of normalised images (B, channels, H, W)."""
        if self.mixing is None:
            return super().forward(images)
        # Stacked last, the layout that channels_last wants.
        planes = torch.stack([images[:, k] for k in self.kept], dim=-1).permute(0, 3, 1, 2)
        with torch.autocast(images.device.type, enabled=False):
            filters = torch.einsum("ockl,cq->oqkl", self.weight, self.mixing)
        return F.conv2d(planes, filters, None, self.stride, self.padding)
