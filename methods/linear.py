"""What most methods are built on: a linear classifier on the pooled features."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from benchmark.models.backbone import Backbone
from methods.base import Method, Task


class LinearClassifier(Method):
    """A method whose network is the backbone and one linear layer; a subclass adds its loss."""

    def __init__(self, backbone: Backbone, task: Task, hyper: Any) -> None:
        super().__init__(backbone, task, hyper)
        self.head = nn.Linear(backbone.channels, task.num_classes)

    def predict(self, images: Tensor) -> Tensor:
        """Return the logits (B, K)."""
        logits: Tensor = self.head(self.backbone(images))
        return logits
