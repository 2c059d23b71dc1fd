"""A trained network that answers for pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.augment import evaluation_view
from benchmark.data.transfer import upload
from benchmark.engine.device import kept_float32
from benchmark.engine.evaluate import in_batches
from benchmark.errors import InputError
from benchmark.networks.images import Picture, Pictures, as_list, whole
from benchmark.store.record import Record
from benchmark.write import put_file
from methods.base import Method

_AT_ONCE = 256
_MAPS_AT_ONCE = 32  # with gradients, which take memory


@dataclass(frozen=True, eq=False)
class Network:
    """A method as its last step left it, in eval mode.

    Pictures are treated as the dataset's own images were before the numbers of the record: decoded
    as a viewer shows them, made grey where the dataset is grey, brought to the dataset's size
    (height and width each on its own, bilinearly without aliasing, so that a picture that is not
    square is stretched), resampled to the protocol's size, normalised. So a network judges a file
    of its dataset as it was judged for its record. No face is looked for: crop pictures to it.

    Attributes:
        record: what is known of its cell.
        method: the module itself.
        device: where it computes.
        precision: of the backbone's layers.
        source_image: the shape of the dataset's images, (H, W) or (H, W, 3); None where it was not
            kept, and pictures go from their own size and colours to the protocol's.
        notes: what a user should know, a sentence each.
    """

    record: Record
    method: Method
    device: torch.device
    precision: str
    source_image: tuple[int, ...] | None
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names in the order of the probabilities."""
        return self.record.classes

    @property
    def image_size(self) -> int:
        """Height and width in pixels of what the network is fed."""
        return self.record.cell.protocol.image.size

    def predict(self, images: Pictures) -> NDArray[np.float32]:
        """Return the probability of each class, float32 (N, K); K in the order of ``classes``.

        Args:
            images: a path, an image of Pillow's, an array uint8 (H, W) or (H, W, 3); a sequence of
                these, of any sizes; or a batch as one array, uint8 (N, H, W) or (N, H, W, 3).

        Raises:
            InputError: a picture cannot be used; it is named.
        """
        return softmax(self.logits(images))

    def logits(self, images: Pictures) -> NDArray[np.float32]:
        """Return the logits, float32 (N, K), of images as :meth:`predict` takes them."""
        return self._of_each(as_list(images), self.logits_of, (len(self.classes),))

    def logits_of(self, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the logits, float32 (N, K), of pictures that are read already.

        Args:
            pixels: at least one, uint8 (H, W) or (H, W, 3).
        """
        with torch.inference_mode(), kept_float32():
            return in_batches(lambda part: self.method.predict(self.views(part)).float(), pixels)

    def attention(self, images: Pictures) -> NDArray[np.float32]:
        """Return the class attention maps, float32 (N, K, h, w), of the method.

        Args:
            images: as :meth:`predict` takes them.

        Raises:
            InputError: the method has none, or a picture cannot be used.
        """
        size = self.image_size
        maps = self._maps([np.zeros((size, size), np.uint8)])
        return self._of_each(as_list(images), self._maps, maps.shape[1:])

    def export(self, file: str | os.PathLike[str]) -> float:
        """Write an ONNX file; see :func:`benchmark.networks.onnx_file.export`.

        Returns:
            The largest difference of an output from the network's in float32, at most 1e-4 of the
            largest value.

        Raises:
            InputError: a package is missing, or the network cannot be exported.
            OSError: the file cannot be written.
        """
        from benchmark.networks.onnx_file import export

        found = export(self)
        put_file(Path(file), found.content)
        return found.difference

    def views(self, pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Return what the network is fed, float32 (N, 3, S, S) on its device, of read pictures."""
        image = self.record.cell.protocol.image
        if len({array.shape for array in pixels}) == 1:
            return evaluation_view(upload(np.stack(pixels), self.device), image)
        each = (evaluation_view(upload(array[None], self.device), image) for array in pixels)
        return torch.cat(list(each))

    def _maps(self, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        parts = [
            pixels[start : start + _MAPS_AT_ONCE] for start in range(0, len(pixels), _MAPS_AT_ONCE)
        ]
        found = []
        for part in parts:
            try:
                with kept_float32():
                    maps = self.method.attention(self.views(part))
            except ValueError as error:  # of a method of somebody's own
                raise InputError(
                    f"{self.record.method_title} has no attention maps ({error})"
                ) from error
            if maps is None:
                raise InputError(f"{self.record.method_title} has no attention maps")
            found.append(maps.detach().float().cpu().numpy())
        return np.concatenate(found)

    def _of_each(
        self,
        pictures: Sequence[Picture],
        compute: Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float32]],
        shape: tuple[int, ...],
    ) -> NDArray[np.float32]:
        """Compute for pictures, of which only so many are in memory as are computed at once."""
        found = [np.zeros((0, *shape), np.float32)]
        for start in range(0, len(pictures), _AT_ONCE):
            part = whole(pictures[start : start + _AT_ONCE], self.source_image, start)
            found.append(compute([read.pixels for read in part]))
        return np.concatenate(found)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities, float32 (N, K), of logits (N, K)."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True, initial=-np.inf))
    shares: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
