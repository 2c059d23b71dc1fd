"""BBN: the bilateral-branch network (Zhou et al., CVPR 2020)."""

from __future__ import annotations

import copy

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
)
from methods.functional import bilateral_alpha


class BBN(Method):
    """Two branches: one sees the data as they are, one the rare classes; alpha moves between.

    The last residual block stands twice behind a shared trunk, and both copies start from the
    backbone's block, so that pre-trained weights can be used; the official code cannot.
    """

    info = MethodInfo(
        name="bbn",
        title="BBN",
        venue="CVPR'20",
        paper="BBN: Bilateral-Branch Network with Cumulative Learning for Long-Tailed Visual "
        "Recognition",
        url="https://arxiv.org/abs/1912.02413",
        code="https://github.com/megvii-research/BBN",
        version=2,  # alpha moves by iteration
    )
    reversed_stream = True
    authors = Authors(
        protocol={
            "training.optimizer": ("nesterov", "authors' code, CIFAR"),
            "training.lr": (0.1, "authors' code, CIFAR"),
            "training.head_lr": (0.1, "authors' code: one rate for all"),
            "training.weight_decay": (2e-4, "authors' code, CIFAR"),
            "training.decay_vectors": (True, "authors' code: all parameters"),
            "training.schedule": ("multistep", "authors' code, CIFAR"),
            "training.milestones": (
                (0.595, 0.795),
                "authors' code: as epochs 120 and 160 of 200 begin",
            ),
            "training.gamma": (0.01, "authors' code, CIFAR"),
            "training.warmup": (0.025, "authors' code: 5 of 200 epochs, from a third, by epoch"),
            "training.clip_norm": (0.0, "authors' code: none"),
            "training.batch_size": (128, "authors' code, CIFAR"),
            "training.epochs": (200, "authors' code, CIFAR"),
        },
        from_scratch=True,
    )

    def __init__(self, backbone: Backbone, task: Task, hyper: Hyper) -> None:
        super().__init__(backbone, task, hyper)
        blocks = backbone.last_stage_blocks()
        self.conventional = blocks[-1]
        self.rebalancing = copy.deepcopy(blocks[-1])
        blocks[-1] = nn.Identity()
        self.classifier = nn.Linear(2 * backbone.channels, task.num_classes)

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """alpha * CE(logits, uniform label) + (1 - alpha) * CE(logits, reversed label)."""
        assert batch.second is not None
        # By iteration, not by epoch: a short training ends with the rare classes' branch too.
        alpha = bilateral_alpha(1 + progress.passed, progress.epochs)
        # Two passes through the trunk, so each stream has batch norm statistics of its own.
        uniform = self.branch(self.conventional, batch.images)
        reversed_ = self.branch(self.rebalancing, batch.second.images)
        mixed = 2.0 * torch.cat([alpha * uniform, (1.0 - alpha) * reversed_], dim=1)
        logits = self.classifier(mixed)
        return LossParts(
            conventional=alpha * F.cross_entropy(logits, batch.label),
            rebalancing=(1.0 - alpha) * F.cross_entropy(logits, batch.second.label),
        )

    def branch(self, block: nn.Module, images: Tensor) -> Tensor:
        """Return the pooled features (B, C) of the trunk followed by one branch's block."""
        return self.finish(block, self.backbone.maps(images))

    def finish(self, block: nn.Module, trunk: Tensor) -> Tensor:
        """Run a branch's block on the trunk's maps and pool it to (B, C)."""
        with self.backbone.autocast(trunk):
            maps: Tensor = block(trunk)
        return self.backbone.pool(self.backbone.last(maps))

    def predict(self, images: Tensor) -> Tensor:
        """Return the logits (B, K): both branches on one image, without alpha."""
        trunk = self.backbone.maps(images)
        both = [self.finish(block, trunk) for block in (self.conventional, self.rebalancing)]
        logits: Tensor = self.classifier(torch.cat(both, dim=1))
        return logits

    def parameter_groups(self) -> list[ParameterGroup]:
        """The branches' blocks come from the backbone and learn at its rate."""
        inherited = [
            *self.backbone.parameters(),
            *self.conventional.parameters(),
            *self.rebalancing.parameters(),
        ]
        return [
            ParameterGroup(inherited, head=False),
            ParameterGroup(list(self.classifier.parameters()), head=True),
        ]
