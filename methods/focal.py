"""Focal: the focal loss (Lin et al., ICCV 2017) over a softmax."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Batch, Hyper, LossParts, MethodInfo, Progress, sourced
from methods.functional import focal_loss
from methods.linear import LinearClassifier
from methods.recipes import LDAM_CODE
from methods.search import Log


@dataclass(frozen=True)
class FocalHyper(Hyper):
    """Hyper-parameters of the focal loss."""

    gamma: float = sourced(
        1.0,
        "LDAM's code, the row of long-tailed tables; its own paper: 2, for detection",
        low=0,
        search=Log(0.25, 5),
    )


class Focal(LinearClassifier):
    """Cross-entropy in which a sample counts the less the better it is recognised.

    The paper's loss is of K binary problems (see CB-focal); tables of long-tailed recognition have
    this form over a softmax. It knows nothing of how frequent the classes are.
    """

    info = MethodInfo(
        name="focal",
        title="Focal",
        venue="ICCV'17",
        paper="Focal Loss for Dense Object Detection",
        url="https://arxiv.org/abs/1708.02002",
        code="https://github.com/kaidic/LDAM-DRW",
    )
    Hyper = FocalHyper
    authors = LDAM_CODE

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """The mean of (1 - p_y)^gamma CE."""
        logits = self.predict(batch.images)
        return LossParts(focal=focal_loss(logits, batch.label, self.hyper.gamma))
