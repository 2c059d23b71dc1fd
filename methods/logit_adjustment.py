"""Logit adjustment (Menon et al., ICLR 2021).

At tau 1 it is the balanced softmax (Ren et al., NeurIPS 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from benchmark.models.backbone import Backbone
from methods.base import Authors, Batch, Hyper, LossParts, MethodInfo, Progress, Task, sourced
from methods.functional import logit_adjusted_loss, logit_adjustment
from methods.linear import LinearClassifier
from methods.search import Linear


@dataclass(frozen=True)
class LogitAdjustmentHyper(Hyper):
    """Hyper-parameters of the logit-adjusted loss."""

    tau: float = sourced(
        1.0,
        "paper: what the theory gives, and the authors' default; balanced softmax has no other",
        low=0,
        search=Linear(0.25, 2.0),
    )


class LogitAdjustment(LinearClassifier):
    """Cross-entropy of logits that are raised by tau times the log of their class's share.

    In training alone: to be right there, the logits themselves must be higher for rare classes. At
    tau 1 this is the balanced softmax, whose log n differs by the same log N in every class.
    """

    info = MethodInfo(
        name="logit_adjustment",
        title="LA loss",
        venue="ICLR'21",
        paper="Long-Tail Learning via Logit Adjustment; at tau 1 the same loss as Balanced "
        "Meta-Softmax for Long-Tailed Visual Recognition (NeurIPS'20)",
        url="https://arxiv.org/abs/2007.07314",
        code="https://github.com/google-research/google-research/tree/master/logit_adjustment",
    )
    Hyper = LogitAdjustmentHyper
    authors = Authors(
        protocol={
            "training.optimizer": ("nesterov", "authors' code: momentum 0.9"),
            "training.lr": (0.1, "authors' code, CIFAR-10"),
            "training.head_lr": (0.1, "authors' code: one rate for all"),
            "training.weight_decay": (1e-4, "authors' code: L2 over all variables"),
            "training.decay_vectors": (True, "authors' code: L2 over all variables"),
            "training.schedule": ("multistep", "authors' code, CIFAR-10"),
            "training.milestones": (
                (0.4867, 0.7462, 0.9089),
                "authors' code: epochs 604, 926 and 1128 of 1241",
            ),
            "training.gamma": (0.1, "authors' code, CIFAR-10"),
            "training.warmup": (0.0161, "authors' code: 20 of 1241 epochs"),
            "training.clip_norm": (0.0, "authors' code: none"),
            "training.batch_size": (128, "authors' code"),
            "training.epochs": (1241, "authors' code, CIFAR-10"),
        },
        from_scratch=True,
    )

    def __init__(self, backbone: Backbone, task: Task, hyper: LogitAdjustmentHyper) -> None:
        super().__init__(backbone, task, hyper)
        self.adjustment: Tensor
        self.register_buffer("adjustment", logit_adjustment(task.class_counts, hyper.tau))

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """CE(logits + tau log p, label)."""
        logits = self.predict(batch.images)
        return LossParts(adjusted=logit_adjusted_loss(logits, batch.label, self.adjustment))
