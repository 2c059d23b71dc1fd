"""VS: vector scaling (Kini et al., NeurIPS 2021)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from benchmark.models.backbone import Backbone
from methods.base import Batch, Hyper, LossParts, MethodInfo, Progress, Task, sourced
from methods.functional import vector_scaling, vector_scaling_loss
from methods.linear import LinearClassifier
from methods.recipes import LDAM_CODE
from methods.search import Linear


@dataclass(frozen=True)
class VSHyper(Hyper):
    """Hyper-parameters of VS."""

    gamma: float = sourced(
        0.3, "authors' code; README for CIFAR-10: 0.2", low=0, search=Linear(0.0, 0.6)
    )
    tau: float = sourced(
        1.0, "authors' code; README for CIFAR-10: 1.2", low=0, search=Linear(0.25, 2.0)
    )


class VS(LinearClassifier):
    """Cross-entropy of logits that are divided and shifted by class, in training alone.

    The division matters to the end of training, where a shift no longer does; the shift helps at
    its start. gamma 0 is logit adjustment, tau 0 is CDT.
    """

    info = MethodInfo(
        name="vs",
        title="VS",
        venue="NeurIPS'21",
        paper="Label-Imbalanced and Group-Sensitive Classification under Overparameterization",
        url="https://arxiv.org/abs/2103.01550",
        code="https://github.com/orparask/VS-Loss",
    )
    Hyper = VSHyper
    # Its code for CIFAR is a branch of LDAM's, with the same rates, sizes and lengths.
    authors = LDAM_CODE

    def __init__(self, backbone: Backbone, task: Task, hyper: VSHyper) -> None:
        super().__init__(backbone, task, hyper)
        scale, shift = vector_scaling(task.class_counts, hyper.gamma, hyper.tau)
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """CE(logits / scale + shift, label)."""
        logits = self.predict(batch.images)
        return LossParts(scaled=vector_scaling_loss(logits, batch.label, self.scale, self.shift))
