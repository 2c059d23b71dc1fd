"""EAC: erasing attention consistency (Zhang et al., ECCV 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.models.backbone import Backbone
from methods.base import (
    Authors,
    Batch,
    Hyper,
    LossParts,
    Method,
    MethodInfo,
    Progress,
    Task,
    Views,
    sourced,
)
from methods.functional import attention_consistency, class_attention_maps
from methods.search import Log


@dataclass(frozen=True)
class EACHyper(Hyper):
    """Hyper-parameters of EAC."""

    consistency: float = sourced(5.0, "authors' code, --lam", low=0, search=Log(0.05, 20))


class EAC(Method):
    """Cross-entropy on the image; its attention maps must agree with those of its mirror.

    Both views share erasing and noise and differ only by the mirror, as in the authors' code for
    clean labels.
    """

    info = MethodInfo(
        name="eac",
        title="EAC",
        venue="ECCV'22",
        paper="Learn From All: Erasing Attention Consistency for Noisy Label Facial Expression "
        "Recognition",
        url="https://arxiv.org/abs/2207.10299",
        code="https://github.com/zyh-uaiaaaa/Erasing-Attention-Consistency",
    )
    views = Views.MIRRORED
    Hyper = EACHyper
    authors = Authors(
        protocol={
            "training.optimizer": ("adam", "authors' code"),
            "training.lr": (2e-4, "authors, on ResNet-18 (the code's 1e-4 is for ResNet-50)"),
            "training.head_lr": (2e-4, "authors' code: one rate for all"),
            "training.weight_decay": (1e-4, "authors' code"),
            "training.decay_vectors": (True, "authors' code: all parameters"),
            "training.schedule": ("exponential", "authors' code"),
            "training.gamma": (0.9, "authors' code"),
            "training.clip_norm": (0.0, "authors' code: none"),
            "training.batch_size": (32, "authors' code"),
            "training.epochs": (60, "authors' code"),
        },
    )

    def __init__(self, backbone: Backbone, task: Task, hyper: EACHyper) -> None:
        super().__init__(backbone, task, hyper)
        self.head = nn.Linear(backbone.channels, task.num_classes)

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """CE(image) + lambda * mean squared difference of the two views' maps."""
        # Two passes, as the authors' code does: batch norm sees each view as a batch of its own.
        features, mirrored = (self.backbone.maps(view) for view in batch.views)
        consistency = attention_consistency(
            class_attention_maps(features, self.head.weight),
            class_attention_maps(mirrored, self.head.weight),
        )
        return LossParts(
            cross_entropy=F.cross_entropy(self.classify(features), batch.label),
            consistency=self.hyper.consistency * consistency,
        )

    def classify(self, features: Tensor) -> Tensor:
        """Return the logits (B, K) of feature maps (B, C, h, w)."""
        logits: Tensor = self.head(self.backbone.pool(features))
        return logits

    def predict(self, images: Tensor) -> Tensor:
        """Return the logits (B, K) of the image as it is."""
        return self.classify(self.backbone.maps(images))
