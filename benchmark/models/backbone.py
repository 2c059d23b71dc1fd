"""The interface that a method sees of a network: images in, feature maps out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.models.bf16 import rounded_products
from benchmark.protocols.protocol import ImageSpec


class Backbone(nn.Module):
    """A network without a classifier.

    Attributes:
        name: the name it was built by.
        channels: C of the feature map (B, C, H, W).
        compute_dtype: the dtype of autocast inside the backbone, or None for none. The engine sets
            it; what leaves the backbone is always float32, so heads and losses are too.
        multiplies_rounded: whether bf16 is computed as float32 of rounded numbers.
        weights: identity of the weights it starts from: a SHA-256, or ``scratch`` for random ones.
        weights_note: one line on where they came from and what of them was taken over, or nothing.
    """

    name: str
    channels: int
    compute_dtype: torch.dtype | None = None
    multiplies_rounded: bool = False
    weights: str = "scratch"
    weights_note: str = ""
    _compiled: Callable[[Tensor], Tensor] | None = None
    _watched: list[Tensor] | None = None

    def autocast(self, images: Tensor) -> AbstractContextManager[object]:
        """Return the precision context that the backbone's own layers run in."""
        if self.compute_dtype is None:
            return nullcontext()
        compiled = self.training and self._compiled is not None  # which has kernels of its own
        if self.multiplies_rounded and not compiled:
            return rounded_products(images.device)
        return torch.autocast(images.device.type, dtype=self.compute_dtype)

    def features(self, images: Tensor) -> Tensor:
        """Compute the feature map in the backbone's own precision and layout (B, C, H, W)."""
        raise NotImplementedError

    def maps(self, images: Tensor) -> Tensor:
        """Return the feature map.

        Args:
            images: float, normalised, (B, 3, H, W); grey (B, 1, H, W) is repeated to three
                channels.

        Returns:
            float32, (B, C, h, w).
        """
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        if self._watched is None:
            compute = self._compiled if self.training and self._compiled else self.features
            with self.autocast(images):
                return self.last(compute(images))
        with torch.no_grad(), self.autocast(images):  # what comes before the last map is not asked
            features = self.features(images)
        return self.last(features)

    def train_compiled(self) -> None:
        """Have training compute :meth:`features` by kernels that torch.compile makes of them.

        Names of parameters stay, and evaluation computes as it did: so a trained network gives the
        same logits wherever it is loaded. A batch of each size has kernels of its own, whichever
        came first. To be called on a network that is complete: a copy of it would not be compiled.
        """
        self._compiled = torch.compile(self.features, dynamic=False)

    def last(self, maps: Tensor) -> Tensor:
        """Return a map (B, C, h, w) in float32, as what a classifier reads of the network.

        A method whose own layers go on from :meth:`maps` passes what they end with through here.
        """
        maps = maps.float()
        if self._watched is None:
            return maps
        leaf = maps.detach().requires_grad_()
        self._watched.append(leaf)
        return leaf

    def forward(self, images: Tensor) -> Tensor:
        """Return the pooled feature vector, float32, (B, C)."""
        return self.pool(self.maps(images))

    @staticmethod
    @contextmanager
    def watched(backbones: Sequence[Backbone]) -> Iterator[list[Tensor]]:
        """Give the list of all maps that backbones end with meanwhile, to take gradients by.

        A map from which a later one was made has no gradient: it was not the last.
        """
        seen: list[Tensor] = []
        for backbone in backbones:
            backbone._watched = seen
        try:
            yield seen
        finally:
            for backbone in backbones:
                backbone._watched = None

    @staticmethod
    def pool(maps: Tensor) -> Tensor:
        """Average a feature map (B, C, h, w) over space to (B, C)."""
        return maps.mean(dim=(2, 3))

    def calibrate(self, batches: Iterable[Tensor]) -> None:
        """Fit what must be fitted to training images before training; most need nothing.

        Args:
            batches: normalised, un-augmented training images, each float (B, 3, H, W).
        """

    def expect_grey(self, image: ImageSpec) -> None:
        """Hear that every image will be grey, normalised to three channels as ``image`` says.

        A backbone may use it to compute the same function faster; most do not.
        """

    def last_stage_blocks(self) -> nn.Sequential:
        """Return the sequence of blocks that the network ends with, to be split or changed.

        The returned module is the network's own: what its last element is replaced by takes part
        in :meth:`maps`. BBN divides the network there.

        Raises:
            InputError: the network does not end with a plain sequence of blocks.
        """
        raise InputError(
            f"{self.name} has no last residual block that can be separated; "
            "choose a ResNet or dlib-face for this method"
        )
