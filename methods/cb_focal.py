"""CB-focal: the class-balanced focal loss (Cui et al., CVPR 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from benchmark.models.backbone import Backbone
from methods.base import Batch, Hyper, LossParts, MethodInfo, Progress, Task, sourced
from methods.cb import CB
from methods.functional import effective_number_weights, sigmoid_focal_loss
from methods.linear import LinearClassifier
from methods.search import Log, LogToOne


@dataclass(frozen=True)
class CBFocalHyper(Hyper):
    """Hyper-parameters of the class-balanced focal loss."""

    beta: float = sourced(
        0.9999,
        "authors' code, the long-tailed CIFAR scripts",
        low=0.0,
        high=0.999999,
        search=LogToOne(0.9, 0.99999),
    )
    gamma: float = sourced(
        1.0, "authors' code, the CIFAR scripts; ImageNet: 0.5", low=0, search=Log(0.25, 5)
    )


class CBFocal(LinearClassifier):
    """The focal loss of K binary problems, each sample weighted by its class's effective number.

    The logits are those of K sigmoids, and the largest is the answer. A class begins at a
    probability of 1 / K, or the many negatives would drown the first steps; the authors' decay
    spares that bias, here it decays as the protocol's biases do.
    """

    info = MethodInfo(
        name="cb_focal",
        title="CB-focal",
        venue="CVPR'19",
        paper="Class-Balanced Loss Based on Effective Number of Samples",
        url="https://arxiv.org/abs/1901.05555",
        code="https://github.com/richardaecn/class-balanced-loss",
    )
    Hyper = CBFocalHyper
    authors = CB.authors

    def __init__(self, backbone: Backbone, task: Task, hyper: CBFocalHyper) -> None:
        super().__init__(backbone, task, hyper)
        nn.init.constant_(self.head.bias, -math.log(task.num_classes - 1))
        self.class_weights: Tensor
        self.register_buffer(
            "class_weights", effective_number_weights(task.class_counts, hyper.beta)
        )

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """sum over samples and classes of w_y (1 - pt)^gamma BCE, over B."""
        logits = self.predict(batch.images)
        return LossParts(
            focal=sigmoid_focal_loss(logits, batch.label, self.hyper.gamma, self.class_weights)
        )
