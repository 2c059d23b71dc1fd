"""From the host to the device that computes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_CHUNK = 4096
"""Rows that are sent at once, so that the host never holds a second copy of a whole array."""


class Rows:
    """Rows of an array, for a device: all of them kept there, or those asked for sent each time.

    Attributes:
        kept: the whole array on the device, or None.
    """

    def __init__(self, array: NDArray[np.uint8], device: torch.device, *, keep: bool) -> None:
        """Send the array where it is to be kept.

        Args:
            array: (n, ...), on the host, perhaps in a file.
            device: where rows are wanted.
            keep: whether all of them stay there.
        """
        self._array = array
        self._device = device
        self.kept: Tensor | None = None
        if keep:
            self.kept = torch.empty(array.shape, dtype=torch.uint8, device=device)
            for start in range(0, len(array), _CHUNK):
                rows = np.array(array[start : start + _CHUNK])  # a file's may not be written to
                self.kept[start : start + _CHUNK] = upload(rows, device)

    def at(self, indices: NDArray[np.int64]) -> Tensor:
        """Return rows by number, uint8 (B, ...), on the device."""
        if self.kept is None:
            return upload(self._array[indices], self._device)
        return self.kept[upload(indices, self._device)]


def upload(array: NDArray[np.uint8] | NDArray[np.int64], device: torch.device) -> Tensor:
    """Copy an array to the device without waiting for it where that is possible."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        # Only pinned memory may be copied while the host goes on: it is kept until that is done.
        tensor = tensor.pin_memory()
    return move(tensor, device)


def move(tensor: Tensor, device: torch.device) -> Tensor:
    """Move a tensor of the host to the device, without waiting for it where that is safe.

    CUDA copies what is not pinned into a place of its own before the call returns. MPS does not:
    where the tensor is gone by then, as a temporary value is, it reads other values in silence
    (pytorch issues 139550 and 189690).
    """
    return tensor.to(device, non_blocking=device.type == "cuda")
