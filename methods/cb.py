"""CB: the class-balanced loss from the effective number of samples (Cui et al., CVPR 2019)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from benchmark.models.backbone import Backbone
from methods.base import (
    Authors,
    Batch,
    Hyper,
    LossParts,
    MethodInfo,
    Progress,
    Task,
    sourced,
)
from methods.functional import effective_number_weights, weighted_cross_entropy
from methods.linear import LinearClassifier
from methods.search import LogToOne


@dataclass(frozen=True)
class CBHyper(Hyper):
    """Hyper-parameters of CB."""

    beta: float = sourced(
        0.9999,
        "authors' code, the long-tailed CIFAR scripts",
        low=0.0,
        high=0.999999,
        search=LogToOne(0.9, 0.99999),
    )


class CB(LinearClassifier):
    """Softmax cross-entropy, each sample weighted by its class's effective number.

    The comparison in the MEK paper says neither which loss (softmax, sigmoid, focal) nor which beta
    was used; softmax is chosen because every other row has a softmax.
    """

    info = MethodInfo(
        name="cb",
        title="CB",
        venue="CVPR'19",
        paper="Class-Balanced Loss Based on Effective Number of Samples",
        url="https://arxiv.org/abs/1901.05555",
        code="https://github.com/richardaecn/class-balanced-loss",
    )
    Hyper = CBHyper
    authors = Authors(
        protocol={
            "training.optimizer": ("sgd", "authors' code: momentum 0.9"),
            "training.lr": (0.1, "authors' code: 0.1 * batch / 128"),
            "training.head_lr": (0.1, "authors' code: one rate for all"),
            "training.weight_decay": (2e-4, "authors' code: L2 over all variables"),
            "training.decay_vectors": (True, "authors' code: L2 over all variables"),
            "training.batch_size": (128, "authors' code"),
            "training.epochs": (200, "authors' code, CIFAR scripts"),
            "training.schedule": ("multistep", "authors' code, long-tailed scripts"),
            "training.milestones": ((0.8, 0.9), "authors' code: epochs 160 and 180 of 200"),
            "training.gamma": (0.01, "authors' code"),
            "training.warmup": (0.025, "authors' code: 5 of 200 epochs, there from 0"),
            "training.clip_norm": (0.0, "authors' code: none"),
        },
        from_scratch=True,
    )

    def __init__(self, backbone: Backbone, task: Task, hyper: CBHyper) -> None:
        super().__init__(backbone, task, hyper)
        self.class_weights: Tensor
        self.register_buffer(
            "class_weights", effective_number_weights(task.class_counts, hyper.beta)
        )

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """sum_n w_{y_n} CE_n / B."""
        logits = self.predict(batch.images)
        return LossParts(
            class_balanced=weighted_cross_entropy(logits, batch.label, self.class_weights)
        )
