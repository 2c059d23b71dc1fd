"""Logits of a whole split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.augment import evaluation_view
from benchmark.data.transfer import Rows
from benchmark.engine.memory import is_out_of_memory, release
from benchmark.protocols.protocol import ImageSpec
from methods.base import Method

_BATCH = 256


def logits_of(
    method: Method,
    images: Rows,
    indices: NDArray[np.int64],
    image: ImageSpec,
    advanced: Callable[[], object] = lambda: None,
) -> NDArray[np.float32]:
    """Return the logits of un-augmented images, float32 (n, K), in the order of ``indices``.

    So many images at once as memory allows, which changes nothing: each is judged by itself.
    ``advanced`` is called for each batch.
    """
    training = method.training
    method.eval()

    def predict(chosen: NDArray[np.int64]) -> Tensor:
        pixels = images.at(chosen)
        advanced()
        return method.predict(evaluation_view(pixels, image)).float()

    with torch.inference_mode():
        logits = in_batches(predict, indices)
    method.train(training)
    return logits


def in_batches(compute: Callable[[Any], Tensor], whole: Any) -> NDArray[np.float32]:
    """Return what is computed of each part of a sequence, joined, float32.

    Args:
        compute: returns a row for each entry of the part that it is given.
        whole: at least one entry; an array or a list.
    """
    parts = [whole[start : start + _BATCH] for start in range(0, len(whole), _BATCH)]
    found = torch.cat([_halving(compute, part) for part in parts]).detach().cpu().numpy()
    return np.asarray(found, dtype=np.float32)


def _halving(compute: Callable[[Any], Tensor], part: Any) -> Tensor:
    """Compute a part, in two halves where memory has no room for the whole."""
    try:
        return compute(part)
    except (MemoryError, RuntimeError) as error:
        if len(part) == 1 or not is_out_of_memory(error):
            raise
    release()  # outside the handler, whose error would hold on to what filled the memory
    middle = len(part) // 2
    return torch.cat([_halving(compute, part[:middle]), _halving(compute, part[middle:])])
