"""LDAM: label-distribution-aware margins (Cao et al., NeurIPS 2019), with deferred re-weighting."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.models.backbone import Backbone
from methods.base import Batch, Hyper, LossParts, Method, MethodInfo, Progress, Task, sourced
from methods.functional import (
    cosine_logits,
    deferral_start,
    deferred_stages,
    ldam_loss,
    ldam_margins,
)
from methods.recipes import LDAM_CODE
from methods.search import Linear, Log, LogToOne


@dataclass(frozen=True)
class LDAMHyper(Hyper):
    """Hyper-parameters of LDAM."""

    max_margin: float = sourced(
        0.5, "authors' code; for iNaturalist 0.3", low=0, search=Log(0.1, 1.0)
    )
    scale: float = sourced(
        30.0, "authors' code; 10 works alike, says an author", low=0.1, search=Log(5, 60)
    )
    drw: bool = sourced(True, "paper: LDAM-DRW is its method; false is LDAM alone")
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


class LDAM(Method):
    """A cosine classifier that must be right by a margin, the larger the rarer the class.

    The authors' network gives plain cosines at test time; here the prediction is scale * cosines,
    without the margin: the same answers, with the probabilities that were trained.
    """

    info = MethodInfo(
        name="ldam",
        title="LDAM",
        venue="NeurIPS'19",
        paper="Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
        url="https://arxiv.org/abs/1906.07413",
        code="https://github.com/kaidic/LDAM-DRW",
    )
    Hyper = LDAMHyper
    authors = LDAM_CODE

    def __init__(self, backbone: Backbone, task: Task, hyper: LDAMHyper) -> None:
        super().__init__(backbone, task, hyper)
        # Uniform in (-1, 1) as the authors'; only the rows' directions count.
        self.weight = nn.Parameter(torch.rand(task.num_classes, backbone.channels) * 2 - 1)
        self.deferred: Tensor
        weights = deferred_stages(task.class_counts, hyper.beta)
        self.register_buffer("deferred", weights, persistent=False)
        self.margins: Tensor
        self.register_buffer("margins", ldam_margins(task.class_counts, hyper.max_margin))

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """CE(scale * (cosine - margin on the label)), re-weighted in the last epochs."""
        cosines = self.cosines(batch.images)
        weights = None
        if self.hyper.drw:
            start = deferral_start(progress.epochs, self.hyper.start)
            weights = self.deferred[int(progress.epoch >= start)]
        return LossParts(
            margin=ldam_loss(cosines, batch.label, self.margins, self.hyper.scale, weights)
        )

    def cosines(self, images: Tensor) -> Tensor:
        """Return the cosines (B, K) of the pooled features and the classes' directions."""
        return cosine_logits(self.backbone(images), self.weight)

    def predict(self, images: Tensor) -> Tensor:
        """Return the logits (B, K): scale * cosines."""
        logits: Tensor = self.hyper.scale * self.cosines(images)
        return logits
