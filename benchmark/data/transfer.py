"""From the host to the device that computes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


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
