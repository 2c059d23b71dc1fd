"""tau-norm: the classifier's rows brought to like norms, without training (Kang et al., 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from benchmark.models.backbone import Backbone
from methods.base import Batch, Hyper, LossParts, MethodInfo, Progress, SecondStage, Task, sourced
from methods.functional import tau_normalized
from methods.linear import LinearClassifier
from methods.search import Linear


@dataclass(frozen=True)
class TauNormHyper(Hyper):
    """Hyper-parameters of tau-norm."""

    tau: float = sourced(
        1.0,
        "chosen: all rows of one norm, which needs no choice; the authors take the best of 0 to 2 "
        "on balanced validation images",
        low=0,
        search=Linear(0.0, 2.0),
    )


class TauNorm(LinearClassifier):
    """The baseline's network with each class's weights over their norm to the power tau.

    Rows of frequent classes grow long in training. The bias is left out, as in the authors' code,
    so tau 0 is not the baseline. Nothing is trained.
    """

    info = MethodInfo(
        name="tau_norm",
        title="tau-norm",
        venue="ICLR'20",
        paper="Decoupling Representation and Classifier for Long-Tailed Recognition",
        url="https://arxiv.org/abs/1910.09217",
        code="https://github.com/facebookresearch/classifier-balancing",
    )
    Hyper = TauNormHyper

    @classmethod
    def second_stage(cls, hyper: TauNormHyper) -> SecondStage:
        """Start from the baseline, and end there."""
        return SecondStage("baseline", epochs=0)

    def __init__(self, backbone: Backbone, task: Task, hyper: TauNormHyper) -> None:
        super().__init__(backbone, task, hyper)
        self.freeze(self.backbone)
        self.freeze(self.head)

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """CE(logits, label), which nothing learns from."""
        return LossParts(cross_entropy=F.cross_entropy(self.predict(batch.images), batch.label))

    def predict(self, images: Tensor) -> Tensor:
        """Return the logits (B, K) of normalised rows, without bias."""
        return F.linear(self.backbone(images), tau_normalized(self.head.weight, self.hyper.tau))
