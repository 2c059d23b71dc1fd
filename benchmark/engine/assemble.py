"""A method put on its backbone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmark.data.dataset import FaceDataset
from benchmark.data.imbalance import Split
from benchmark.engine.device import DTYPES, multiplies_rounded
from benchmark.models.backbone import Backbone
from benchmark.protocols.protocol import ImageSpec, Protocol
from methods.base import Method, Task


def place(
    backbone: Backbone, image: ImageSpec, device: torch.device, precision: str, *, grey: bool
) -> None:
    """Make a backbone ready to compute, before a method is built that may copy parts of it.

    Args:
        backbone: on the host.
        image: what it will be fed.
        device: where it computes.
        precision: of its layers: ``fp32``, ``bf16`` or ``fp16``.
        grey: whether every image will be grey.
    """
    if grey:
        backbone.expect_grey(image)
    backbone.to(device)
    backbone.compute_dtype = DTYPES[precision]
    backbone.multiplies_rounded = multiplies_rounded(precision, device)


def assemble(
    method: type[Method],
    hyper: Any,
    backbone: Backbone,
    dataset: FaceDataset,
    split: Split,
    protocol: Protocol,
) -> Method:
    """Tell a method what it is trained on and build its heads.

    Args:
        method: the class.
        hyper: an instance of its ``Hyper``.
        backbone: on the device that heads are moved to later.
        dataset: holds the labels.
        split: the training set.
        protocol: sets the image size.

    Raises:
        InputError: the method does not work with the backbone.
    """
    labels = torch.from_numpy(dataset.labels[split.indices])
    return built(method, hyper, backbone, split.counts, labels, protocol)


def built(
    method: type[Method],
    hyper: Any,
    backbone: Backbone,
    class_counts: tuple[int, ...],
    labels: Tensor,
    protocol: Protocol,
) -> Method:
    """Build a method's heads on its backbone.

    Args:
        method: the class.
        hyper: an instance of its ``Hyper``.
        backbone: on the device that heads are moved to later.
        class_counts: training images of each class.
        labels: of the training images, int64, (n,).
        protocol: sets the image size.

    Raises:
        InputError: the method does not work with the backbone.
    """
    size = protocol.image.size
    device = next(backbone.parameters()).device
    backbone.eval()
    with torch.no_grad():
        maps = backbone.maps(torch.zeros(1, 3, size, size, device=device))
    backbone.train()
    task = Task(
        num_classes=len(class_counts),
        class_counts=class_counts,
        labels=labels,
        batch_size=protocol.training.batch_size,
        map_size=(maps.shape[2], maps.shape[3]),
    )
    return method(backbone, task, hyper)


def laid_out(method: Method, device: torch.device) -> Method:
    """Return a method on the device, in the layout that convolutions are quickest in."""
    # Two calls: torch's type stubs know no overload that moves and lays out at once.
    return method.to(device).to(memory_format=torch.channels_last)
