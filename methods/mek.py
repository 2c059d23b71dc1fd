"""MEK: re-balanced attention consistency and smooth labels (Zhang et al., NeurIPS 2023)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from benchmark.models.backbone import Backbone
from methods.base import (
    Authors,
    Batch,
    Hyper,
    LossParts,
    Method,
    MethodInfo,
    Progress,
    Task,
    Views,
    sourced,
)
from methods.functional import (
    attention_consistency,
    class_attention_maps,
    inverse_frequency_weights,
    powered_weights,
    rebalanced_smooth_labels,
    soft_cross_entropy,
)
from methods.search import Linear, Log


@dataclass(frozen=True)
class MEKHyper(Hyper):
    """Hyper-parameters of MEK."""

    smoothing: float = sourced(
        0.1,
        "reported for ResNet-18 (second hand); Swin-T in the code: 0.3",
        low=0,
        high=1,
        search=Log(0.02, 0.4),
    )
    consistency: float = sourced(
        2.0,
        "reported for ResNet-18 (second hand); Swin-T in code: 0.1",
        low=0,
        search=Log(0.005, 5),
    )
    weight_power: float = sourced(
        1.0,
        "authors' code; 0.5 is the square root, 0 weighs all classes alike",
        low=0,
        high=1,
        later=True,
        search=Linear(0.0, 1.0),
    )
    weight_sum: float = sourced(
        0.0,
        "authors' code: 0, as they come, which is 10 on RAF-DB; otherwise scaled to this sum",
        low=0,
        later=True,
    )


class MEK(Method):
    """Mine extra knowledge from the other classes of every sample.

    Re-balanced attention consistency (RAC): the attention maps of an image and of its mirror must
    agree, rare classes counting more. Re-balanced smooth labels (RSL): what label smoothing takes
    from the label goes mostly to rare classes. Both share the weights N / (10 n_c), computed from
    the set that is trained on; ``weight_power`` and ``weight_sum`` change both alike.

    An image is mirrored at random before its pair is made, as in the authors' code, so labels are
    learned on both; EAC's authors do not.
    """

    info = MethodInfo(
        name="mek",
        title="MEK",
        venue="NeurIPS'23",
        paper="Leave No Stone Unturned: Mine Extra Knowledge for Imbalanced Facial Expression "
        "Recognition",
        url="https://arxiv.org/abs/2310.19636",
        code="https://github.com/zyh-uaiaaaa/Mine-Extra-Knowledge",
        version=2,  # faces are mirrored at random before their pair is made
    )
    views = Views.MIRRORED
    mirror_first = True
    Hyper = MEKHyper
    authors = Authors(
        hyper={
            "smoothing": (0.3, "authors' code (Swin-T)"),
            "consistency": (0.1, "authors' code (Swin-T)"),
        },
        protocol={
            "training.optimizer": ("adamw", "authors' code"),
            "training.lr": (3.125e-5, "authors' code: 5e-4 * 32 / 512"),
            "training.head_lr": (3.125e-5, "authors' code: one rate for all"),
            "training.weight_decay": (0.05, "authors' code"),
            "training.decay_vectors": (True, "authors' code: all parameters"),
            "training.clip_norm": (5.0, "authors' code"),
            "training.batch_size": (32, "authors' code"),
            "training.epochs": (156, "authors' log of RAF-DB: 60000 steps of 32 images"),
            "training.schedule": ("cosine", "authors' code"),
            "training.warmup": (0.0333, "authors' code: 2000 of 60000 steps"),
        },
    )

    def __init__(self, backbone: Backbone, task: Task, hyper: MEKHyper) -> None:
        super().__init__(backbone, task, hyper)
        self.head = nn.Linear(backbone.channels, task.num_classes)
        self.class_weights: Tensor
        weights = inverse_frequency_weights(task.class_counts)
        self.register_buffer(
            "class_weights", powered_weights(weights, hyper.weight_power, hyper.weight_sum)
        )

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """LSR on the first of the pair + lambda * weighted consistency with its mirror."""
        # Two passes, as the authors' code does: batch norm sees each view as a batch of its own.
        features, mirrored = (self.backbone.maps(view) for view in batch.views)
        targets = rebalanced_smooth_labels(batch.label, self.class_weights, self.hyper.smoothing)
        consistency = attention_consistency(
            class_attention_maps(features, self.head.weight),
            class_attention_maps(mirrored, self.head.weight),
            self.class_weights,
        )
        return LossParts(
            smoothed_cross_entropy=soft_cross_entropy(self.classify(features), targets),
            consistency=self.hyper.consistency * consistency,
        )

    def classify(self, features: Tensor) -> Tensor:
        """Return the logits (B, K) of feature maps (B, C, h, w)."""
        logits: Tensor = self.head(self.backbone.pool(features))
        return logits

    def predict(self, images: Tensor) -> Tensor:
        """Return the logits (B, K) of the image as it is."""
        return self.classify(self.backbone.maps(images))
