"""cRT: the classifier trained again on a frozen network (Kang et al., ICLR 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from benchmark.models.backbone import Backbone
from methods.base import (
    Authors,
    Batch,
    ClassShares,
    Hyper,
    LossParts,
    MethodInfo,
    Progress,
    SecondStage,
    Task,
    sourced,
)
from methods.functional import sampling_probabilities
from methods.linear import LinearClassifier
from methods.search import Log

_BACKBONE = "backbone."


@dataclass(frozen=True)
class CRTHyper(Hyper):
    """Hyper-parameters of cRT's second stage."""

    epochs: int = sourced(10, "authors' code; 30 for iNaturalist", low=1)
    rate: float = sourced(
        1.0,
        "authors' code: the second stage begins at the rate at which the first one did",
        low=0,
        search=Log(0.1, 10),
    )


class CRT(LinearClassifier):
    """A new classifier on the baseline's frozen network, trained on class-balanced samples.

    The network's norms stay in eval mode; the authors' code leaves them in train mode, which moves
    their statistics to the balanced samples and so changes the features that are said to be frozen.
    Samples are drawn with replacement where theirs come in cycles of the classes, and the rate ends
    at a hundredth of the largest where theirs ends at 0.
    """

    info = MethodInfo(
        name="crt",
        title="cRT",
        venue="ICLR'20",
        paper="Decoupling Representation and Classifier for Long-Tailed Recognition",
        url="https://arxiv.org/abs/1910.09217",
        code="https://github.com/facebookresearch/classifier-balancing",
    )
    Hyper = CRTHyper
    authors = Authors(
        protocol={
            "training.optimizer": ("sgd", "authors' code: momentum 0.9"),
            "training.lr": (0.2, "authors' code, ImageNet-LT"),
            "training.head_lr": (0.2, "authors' code: one rate for all"),
            "training.weight_decay": (5e-4, "authors' code, ImageNet-LT"),
            "training.decay_vectors": (True, "authors' code: all parameters"),
            "training.clip_norm": (0.0, "authors' code: none"),
            "training.batch_size": (512, "authors' code, ImageNet-LT"),
        },
    )

    @classmethod
    def second_stage(cls, hyper: CRTHyper) -> SecondStage:
        """Start from the baseline."""
        return SecondStage("baseline", hyper.epochs, hyper.rate)

    @classmethod
    def sampling(cls, hyper: CRTHyper) -> ClassShares:
        """Every class is as likely."""
        return _balanced

    def __init__(self, backbone: Backbone, task: Task, hyper: CRTHyper) -> None:
        super().__init__(backbone, task, hyper)
        self.freeze(self.backbone)

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Take over the network; the classifier stays new."""
        self.backbone.load_state_dict(
            {
                name.removeprefix(_BACKBONE): value
                for name, value in state.items()
                if name.startswith(_BACKBONE)
            }
        )

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """CE(logits, label)."""
        return LossParts(cross_entropy=F.cross_entropy(self.predict(batch.images), batch.label))


def _balanced(counts: tuple[int, ...], epoch: int, epochs: int) -> Tensor:
    return sampling_probabilities(counts, 0.0)
