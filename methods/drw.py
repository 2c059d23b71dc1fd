"""DRW: deferred re-weighting of plain cross-entropy (Cao et al., NeurIPS 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from benchmark.models.backbone import Backbone
from methods.base import Batch, Hyper, LossParts, MethodInfo, Progress, Task, sourced
from methods.functional import deferral_start, deferred_stages
from methods.linear import LinearClassifier
from methods.recipes import LDAM_CODE
from methods.search import Linear, LogToOne


@dataclass(frozen=True)
class DRWHyper(Hyper):
    """Hyper-parameters of DRW."""

    beta: float = sourced(
        0.9999, "authors' code", low=0.0, high=0.999999, search=LogToOne(0.9, 0.99999)
    )
    start: float = sourced(
        0.8,
        "authors' code: from epoch 160 of 200, where its rate falls too; here on any schedule",
        low=0,
        high=1,
        search=Linear(0.4, 0.95),
    )


class DRW(LinearClassifier):
    """Cross-entropy, in whose last epochs rare classes weigh as in CB.

    The features are learned from the data as they are. Divided by the sum of the weights in the
    batch, as in the authors' code; CB divides by the batch size.
    """

    info = MethodInfo(
        name="drw",
        title="CE-DRW",
        venue="NeurIPS'19",
        paper="Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
        url="https://arxiv.org/abs/1906.07413",
        code="https://github.com/kaidic/LDAM-DRW",
    )
    Hyper = DRWHyper
    authors = LDAM_CODE

    def __init__(self, backbone: Backbone, task: Task, hyper: DRWHyper) -> None:
        super().__init__(backbone, task, hyper)
        self.deferred: Tensor
        weights = deferred_stages(task.class_counts, hyper.beta)
        self.register_buffer("deferred", weights, persistent=False)

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """sum_n w_{y_n} CE_n / sum_n w_{y_n}, with weights of 1 before the start."""
        start = deferral_start(progress.epochs, self.hyper.start)
        weights = self.deferred[int(progress.epoch >= start)]
        logits = self.predict(batch.images)
        return LossParts(cross_entropy=F.cross_entropy(logits, batch.label, weight=weights))
