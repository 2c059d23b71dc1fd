"""mixup (Zhang et al., ICLR 2018), with ReMix (Chou et al., ECCV workshops 2020) as an option."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.models.backbone import Backbone
from methods.base import Authors, Batch, Hyper, LossParts, MethodInfo, Progress, Task, sourced
from methods.functional import mixup, mixup_targets, remix_lambda, soft_cross_entropy
from methods.linear import LinearClassifier
from methods.search import Log


@dataclass(frozen=True)
class MixupHyper(Hyper):
    """Hyper-parameters of mixup and ReMix."""

    alpha: float = sourced(
        1.0,
        "authors' code, CIFAR; MiSLAS on larger sets: 0.2",
        low=0.01,
        high=100,
        search=Log(0.1, 2),
    )
    remix: bool = sourced(False, "chosen: mixup as it is; true gives ReMix")
    kappa: float = sourced(3.0, "ReMix's paper; counts with remix only", low=1)
    tau: float = sourced(0.5, "ReMix's paper; counts with remix only", low=0, high=1)


class Mixup(LinearClassifier):
    """Train on mixtures of two images and of their labels, one lambda a batch.

    With ``remix`` the label of a mixture is the rarer class's alone where that class is ``kappa``
    times as rare and has enough of the image: ReMix in its paper's plain form, without deferred
    re-weighting.
    """

    info = MethodInfo(
        name="mixup",
        title="mixup",
        venue="ICLR'18",
        paper="mixup: Beyond Empirical Risk Minimization; with remix: Remix: Rebalanced Mixup "
        "(ECCV'20 workshops)",
        url="https://arxiv.org/abs/1710.09412",
        code="https://github.com/facebookresearch/mixup-cifar10",
    )
    Hyper = MixupHyper
    authors = Authors(
        protocol={
            "training.optimizer": ("sgd", "authors' code: momentum 0.9"),
            "training.lr": (0.1, "authors' code, CIFAR"),
            "training.head_lr": (0.1, "authors' code: one rate for all"),
            "training.weight_decay": (1e-4, "authors' code"),
            "training.decay_vectors": (True, "authors' code: all parameters"),
            "training.schedule": ("multistep", "authors' code, CIFAR"),
            "training.milestones": (
                (0.505, 0.755),
                "authors' code: after epochs 100 and 150 of 200, counted from 0",
            ),
            "training.gamma": (0.1, "authors' code"),
            "training.warmup": (0.0, "authors' code: none"),
            "training.clip_norm": (0.0, "authors' code: none"),
            "training.batch_size": (128, "authors' code"),
            "training.epochs": (200, "authors' code, CIFAR"),
        },
        from_scratch=True,
    )

    def __init__(self, backbone: Backbone, task: Task, hyper: MixupHyper) -> None:
        super().__init__(backbone, task, hyper)
        self.counts: Tensor
        self.register_buffer("counts", torch.tensor(task.class_counts), persistent=False)

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """CE(logits of the mixtures, mixed labels)."""
        alpha = torch.tensor(self.hyper.alpha, dtype=torch.float64)
        lam = float(torch.distributions.Beta(alpha, alpha).sample())
        partner = torch.randperm(len(batch.label), device=batch.label.device)
        targets = mixup_targets(
            batch.label, partner, self.label_share(batch.label, partner, lam), self.num_classes
        )
        logits = self.predict(mixup(batch.images, partner, lam))
        return LossParts(mixed_cross_entropy=soft_cross_entropy(logits, targets))

    def label_share(self, labels: Tensor, partner: Tensor, lam: float) -> float | Tensor:
        """Return the own label's share of each mixture: the image's, or ReMix's (B,)."""
        if not self.hyper.remix:
            return lam
        return remix_lambda(labels, partner, self.counts, lam, self.hyper.kappa, self.hyper.tau)
