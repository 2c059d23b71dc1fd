"""Baseline: a linear classifier on the pooled features, cross-entropy."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.models.backbone import Backbone
from methods.base import Authors, Batch, Hyper, LossParts, Method, MethodInfo, Progress, Task


class Baseline(Method):
    """Cross-entropy, no more.

    No official code of the paper's baseline row exists; what is shared with every other row here
    is the benchmark's one recipe.
    """

    info = MethodInfo(
        name="baseline",
        title="Baseline",
        venue="-",
        paper="Leave No Stone Unturned: Mine Extra Knowledge for Imbalanced Facial Expression "
        "Recognition (the baseline row)",
        url="https://arxiv.org/abs/2310.19636",
    )
    authors = Authors()

    def __init__(self, backbone: Backbone, task: Task, hyper: Hyper) -> None:
        super().__init__(backbone, task, hyper)
        self.head = nn.Linear(backbone.channels, task.num_classes)

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """CE(logits, label)."""
        return LossParts(cross_entropy=F.cross_entropy(self.predict(batch.images), batch.label))

    def predict(self, images: Tensor) -> Tensor:
        """Return the logits (B, K)."""
        logits: Tensor = self.head(self.backbone(images))
        return logits
