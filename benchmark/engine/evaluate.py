"""Logits of a whole split."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.data.augment import evaluation_view
from benchmark.data.batches import upload
from benchmark.data.dataset import FaceDataset
from benchmark.protocol import ImageSpec
from methods.base import Method

_BATCH = 256


def logits_of(
    method: Method,
    dataset: FaceDataset,
    indices: NDArray[np.int64],
    image: ImageSpec,
    device: torch.device,
) -> NDArray[np.float32]:
    """Return the logits of un-augmented images, float32 (n, K), in the order of ``indices``."""
    training = method.training
    method.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(indices), _BATCH):
            pixels = upload(dataset.images[indices[start : start + _BATCH]], device)
            parts.append(method.predict(evaluation_view(pixels, image)).float())
        logits = torch.cat(parts).cpu().numpy()
    method.train(training)
    return np.asarray(logits, dtype=np.float32)
