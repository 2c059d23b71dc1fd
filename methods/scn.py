"""SCN: the self-cure network (Wang et al., CVPR 2020)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
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
    sourced,
)
from methods.functional import rank_regularization, relabel
from methods.search import Linear, Log


@dataclass(frozen=True)
class SCNHyper(Hyper):
    """Hyper-parameters of SCN."""

    high_share: float = sourced(0.7, "authors' code, beta", low=0, high=1, search=Linear(0.5, 0.9))
    rank_margin: float = sourced(
        0.07, "authors' README, batch 64; for batches below 256", low=0, search=Log(0.01, 0.3)
    )
    rank_margin_large: float = sourced(0.15, "paper, batch 1024; for batches from 256", low=0)
    relabel_margin: float = sourced(
        0.2, "paper and authors' code, margin_2", low=0, search=Linear(0.1, 1.0)
    )
    relabel_after: float = sourced(
        1 / 7, "authors' code: from epoch 10 of 70", low=0, search=Linear(0.1, 0.8)
    )


_LARGE_BATCH = 256


class SCN(Method):
    """Weigh each sample by its importance, rank the importances, relabel what looks mislabelled.

    The paper relabels the low-importance group; the authors' code relabels all samples, which is
    what is done here.
    """

    info = MethodInfo(
        name="scn",
        title="SCN",
        venue="CVPR'20",
        paper="Suppressing Uncertainties for Large-Scale Facial Expression Recognition",
        url="https://arxiv.org/abs/2002.10392",
        code="https://github.com/kaiwang960112/Self-Cure-Network",
    )
    Hyper = SCNHyper
    authors = Authors(
        protocol={
            "training.optimizer": ("adam", "authors' code"),
            "training.lr": (1e-3, "authors' code: torch's default for Adam"),
            "training.head_lr": (1e-3, "authors' code: one rate for all"),
            "training.weight_decay": (1e-4, "authors' code"),
            "training.decay_vectors": (True, "authors' code: all parameters"),
            "training.schedule": ("exponential", "authors' code"),
            "training.gamma": (0.9, "authors' code"),
            "training.clip_norm": (0.0, "authors' code: none"),
            "training.batch_size": (64, "authors' README"),
            "training.epochs": (70, "authors' code"),
        },
    )

    def __init__(self, backbone: Backbone, task: Task, hyper: SCNHyper) -> None:
        super().__init__(backbone, task, hyper)
        self.importance = nn.Linear(backbone.channels, 1)
        self.head = nn.Linear(backbone.channels, task.num_classes)
        small = task.batch_size < _LARGE_BATCH
        self.rank_margin = hyper.rank_margin if small else hyper.rank_margin_large
        self.labels: Tensor
        self.register_buffer("labels", task.labels.clone())

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """CE(alpha * logits, current label) + rank regularisation, weight 1 each."""
        importance, logits = self.weigh(batch.images)
        labels = self.labels[batch.index]
        if self.relabels(progress):
            # From the outputs before the optimiser step. A sample stands in one batch an epoch, so
            # its new label counts from the next epoch on.
            with torch.no_grad():
                probabilities = logits.softmax(dim=1)
                self.labels[batch.index] = relabel(probabilities, labels, self.hyper.relabel_margin)
        return LossParts(
            weighted_cross_entropy=F.cross_entropy(logits, labels),
            rank=rank_regularization(importance, self.hyper.high_share, self.rank_margin),
        )

    def weigh(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the importance alpha (B, 1) in (0, 1) and the logits (B, K) scaled by it."""
        features = self.backbone(images)
        importance = torch.sigmoid(self.importance(features))
        return importance, importance * self.head(features)

    def relabels(self, progress: Progress) -> bool:
        """Whether this epoch relabels; never the first one, where the head still guesses."""
        first: int = max(2, math.ceil(self.hyper.relabel_after * progress.epochs - 1e-9))
        return progress.epoch + 1 >= first

    def predict(self, images: Tensor) -> Tensor:
        """Return the weighted logits (B, K), as the authors' code does at test time."""
        return self.weigh(images)[1]
