"""Augmentation of images that are in memory: a batch of tensors against one PIL image at a time.

Both resize, mirror, erase, convert and normalise; neither decodes, and both have one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.augment import training_view
from benchmark.data.dataset import EMOTIONS
from benchmark.data.synthetic import synthetic_faces
from benchmark.engine.memory import keep_freed_memory
from benchmark.protocols.protocol import AugmentSpec, ImageSpec
from benchmark.speed.findings import Finding, Findings, finding
from benchmark.speed.plain_loop import IMAGENET_DEVIATION, IMAGENET_MEAN, usual_transforms
from benchmark.speed.reference import SOURCE_SIZE
from benchmark.speed.setting import Setting
from benchmark.speed.timing import interleaved

GOALS = {(48, 48): 10.0, (SOURCE_SIZE, 224): 4.0}
"""Times as many images in a second of the CPU, from and to how many pixels a side."""

_BATCH = 64
_SAME_STEPS = AugmentSpec(
    flip=0.5,
    rotation=0,
    zoom=0,
    shift=0,
    noise=0,
    noise_variance=0,
    erase=0.5,
    erase_shape="area",
    erase_range=(0.02, 0.25),
)


def measure(setting: Setting) -> Findings:
    """Measure both sizes."""
    keep_freed_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = [
            row
            for (source, size), goal in GOALS.items()
            for row in _measure(source, size, goal, setting.seconds / len(GOALS))
        ]
    finally:
        torch.set_num_threads(threads)
    return Findings(rows, ["images in a second of processor time, one thread"])


def _measure(source: int, size: int, goal: float, seconds: float) -> list[Finding]:
    laps = interleaved(
        one_by_one(source, size),
        {"ours": as_a_batch(source, size)},
        seconds,
        clock=time.process_time,
    )
    name = f"{source} px to {size} px"
    return [
        finding(f"{name}, PIL and torchvision", "images/s", [_BATCH / s for s in laps.base]),
        finding(f"{name}, ours", "images/s", [_BATCH / s for s in laps.own["ours"]]),
        finding(f"{name}, ours against theirs", "x", [1 / r for r in laps.ratios("ours")], goal),
    ]


def one_by_one(source: int, size: int) -> Callable[[], torch.Tensor]:
    """Return a task that transforms a batch of PIL images as a Dataset does."""
    images = [Image.fromarray(face).convert("RGB") for face in _faces(source)]
    transform = usual_transforms(size)
    return lambda: torch.stack([transform(image) for image in images])


def as_a_batch(source: int, size: int) -> Callable[[], torch.Tensor]:
    """Return a task that makes our training view of the same images."""
    images = torch.from_numpy(_faces(source))
    mean, deviation = (
        tuple(255 * value for value in values) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION)
    )
    spec = ImageSpec.model_validate({"size": size, "mean": mean, "deviation": deviation})
    host, device = torch.Generator(), torch.Generator()
    return lambda: training_view(images, spec, _SAME_STEPS, flip=True, host=host, device=device)


def _faces(size: int) -> NDArray[np.uint8]:
    return synthetic_faces([k % len(EMOTIONS) for k in range(_BATCH)], seed=0, size=size)
