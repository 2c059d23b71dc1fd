"""A method put on its backbone."""

from __future__ import annotations

from typing import Any

import torch

from benchmark.data.dataset import FaceDataset
from benchmark.data.imbalance import Split
from benchmark.models.backbone import Backbone
from benchmark.protocols.protocol import Protocol
from methods.base import Method, Task


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
        dataset: names the classes.
        split: the training set.
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
        num_classes=len(dataset.classes),
        class_counts=split.counts,
        labels=torch.from_numpy(dataset.labels[split.indices]),
        batch_size=protocol.training.batch_size,
        map_size=(maps.shape[2], maps.shape[3]),
    )
    return method(backbone, task, hyper)
