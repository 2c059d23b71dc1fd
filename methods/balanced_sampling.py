"""Balanced sampling: training samples drawn by class (Kang et al., ICLR 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from benchmark.errors import InputError
from methods.base import Batch, ClassShares, Hyper, LossParts, MethodInfo, Progress, sourced
from methods.functional import progressive_sampling_probabilities, sampling_probabilities
from methods.linear import LinearClassifier
from methods.search import Linear


@dataclass(frozen=True)
class BalancedSamplingHyper(Hyper):
    """Hyper-parameters of balanced sampling."""

    power: float = sourced(
        0.0,
        "paper, section 3: 0 is class-balanced, 1/2 the square root, 1 natural",
        low=0,
        high=1,
        search=Linear(0.0, 1.0),
    )
    progressive: bool = sourced(
        False,
        "paper, section 3: true moves from natural in the first epoch to balanced in the last",
    )

    def __post_init__(self) -> None:
        """Refuse a power that would count for nothing."""
        if self.progressive and self.power:
            raise InputError(
                f"balanced_sampling.power: progressive sampling ends class-balanced, at power 0, "
                f"got {self.power:g}; set one of the two"
            )


class BalancedSampling(LinearClassifier):
    """Cross-entropy on samples that are drawn by class: one of a class is as likely as another.

    An epoch is as long as without it, and what is drawn is put back, so that rare images stand in
    it often and some frequent ones never. The authors' code shuffles each class and uses it up
    before an image comes again.
    """

    info = MethodInfo(
        name="balanced_sampling",
        title="Balanced sampling",
        venue="ICLR'20",
        paper="Decoupling Representation and Classifier for Long-Tailed Recognition",
        url="https://arxiv.org/abs/1910.09217",
        code="https://github.com/facebookresearch/classifier-balancing",
    )
    Hyper = BalancedSamplingHyper

    @classmethod
    def sampling(cls, hyper: BalancedSamplingHyper) -> ClassShares:
        """Class c with share n_c^power, or from natural to balanced over the epochs."""
        if hyper.progressive:
            return progressive_sampling_probabilities

        def shares(counts: tuple[int, ...], epoch: int, epochs: int) -> Tensor:
            return sampling_probabilities(counts, hyper.power)

        return shares

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """CE(logits, label)."""
        return LossParts(cross_entropy=F.cross_entropy(self.predict(batch.images), batch.label))
