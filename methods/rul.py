"""RUL: relative uncertainty learning (Zhang et al., NeurIPS 2021)."""

from __future__ import annotations

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
    ParameterGroup,
    Progress,
    Task,
    sourced,
)
from methods.functional import uncertainty_mixup
from methods.search import Linear, Log


@dataclass(frozen=True)
class RULHyper(Hyper):
    """Hyper-parameters of RUL."""

    embedding: int = sourced(64, "authors' code", low=1)
    dropout: float = sourced(0.4, "authors' code", low=0, high=1, search=Linear(0.0, 0.6))
    classifier_lr_scale: float = sourced(
        10.0, "authors' code: 2e-3 against 2e-4", low=0, search=Log(1, 30)
    )


class EmbeddingHead(nn.Module):
    """From a feature map to an embedding: norm, dropout, linear over the whole map, norm."""

    def __init__(self, channels: int, map_size: tuple[int, int], hyper: RULHyper) -> None:
        super().__init__()
        self.map_norm = nn.BatchNorm2d(channels, eps=2e-5, affine=False)
        self.dropout = nn.Dropout(hyper.dropout)
        self.linear = nn.Linear(channels * map_size[0] * map_size[1], hyper.embedding)
        self.norm = nn.BatchNorm1d(hyper.embedding, eps=2e-5)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the embedding (B, D) of maps (B, C, h, w)."""
        embedding = self.linear(self.dropout(_norm(self.map_norm, maps)).flatten(1))
        return _norm(self.norm, embedding)


def _norm(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Apply a batch norm; a single vector has no statistics, so it takes the running ones."""
    if x.numel() > x.shape[1]:
        normalised: Tensor = norm(x)
        return normalised
    return F.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=False, eps=norm.eps
    )


class RUL(Method):
    """Learn uncertainty by mixing: the more uncertain of two samples weighs more in the mixture."""

    info = MethodInfo(
        name="rul",
        title="RUL",
        venue="NeurIPS'21",
        paper="Relative Uncertainty Learning for Facial Expression Recognition",
        url="https://proceedings.neurips.cc/paper/2021/hash/"
        "9332c513ef44b682e9347822c2e457ac-Abstract.html",
        code="https://github.com/zyh-uaiaaaa/Relative-Uncertainty-Learning",
        version=2,  # the heads take the backbone's rate
    )
    Hyper = RULHyper
    authors = Authors(
        protocol={
            "training.optimizer": ("adam", "authors' code"),
            "training.lr": (2e-4, "authors' code; the classifier takes ten times as much"),
            "training.head_lr": (2e-4, "authors' code: heads as the backbone"),
            "training.weight_decay": (1e-4, "authors' code"),
            "training.decay_vectors": (True, "authors' code: all parameters"),
            "training.schedule": ("exponential", "authors' code"),
            "training.gamma": (0.9, "authors' code"),
            "training.clip_norm": (0.0, "authors' code: none"),
            "training.batch_size": (64, "authors' code"),
            "training.epochs": (60, "authors' code"),
        },
    )

    def __init__(self, backbone: Backbone, task: Task, hyper: RULHyper) -> None:
        super().__init__(backbone, task, hyper)
        self.mu = EmbeddingHead(backbone.channels, task.map_size, hyper)
        self.log_variance = EmbeddingHead(backbone.channels, task.map_size, hyper)
        self.classifier = nn.Linear(hyper.embedding, task.num_classes)

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """Half the CE of the mixture against each of its two labels."""
        maps = self.backbone.maps(batch.images)
        uncertainty = self.log_variance(maps).exp().mean(dim=1)
        partner = torch.randperm(len(maps), device=maps.device)
        logits = self.classifier(uncertainty_mixup(self.mu(maps), uncertainty, partner))
        # Both labels weigh one half, whatever the weights of the mixture.
        return LossParts(
            own_label=0.5 * F.cross_entropy(logits, batch.label),
            partner_label=0.5 * F.cross_entropy(logits, batch.label[partner]),
        )

    def predict(self, images: Tensor) -> Tensor:
        """Return the logits (B, K) of the means; uncertainty plays no part at test time."""
        logits: Tensor = self.classifier(self.mu(self.backbone.maps(images)))
        return logits

    def parameter_groups(self) -> list[ParameterGroup]:
        """Both heads learn as the backbone does, the classifier ten times as fast."""
        heads = [*self.mu.parameters(), *self.log_variance.parameters()]
        scale = self.hyper.classifier_lr_scale
        return [
            ParameterGroup([*self.backbone.parameters(), *heads], head=False),
            ParameterGroup(list(self.classifier.parameters()), head=False, lr_scale=scale),
        ]
