"""Label smoothing (Szegedy et al., CVPR 2016): the same share of every label to all classes."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Batch, Hyper, LossParts, MethodInfo, Progress, sourced
from methods.functional import smooth_labels, soft_cross_entropy
from methods.linear import LinearClassifier
from methods.search import Log


@dataclass(frozen=True)
class LabelSmoothingHyper(Hyper):
    """Hyper-parameters of label smoothing."""

    smoothing: float = sourced(0.1, "paper, section 7", low=0, high=1, search=Log(0.02, 0.4))


class LabelSmoothing(LinearClassifier):
    """Cross-entropy against 1 - s on the label and s / K on every class, the label's too.

    What MEK's re-balanced smooth labels are to be held against: they spread s over the other
    classes, and mostly to rare ones.
    """

    info = MethodInfo(
        name="label_smoothing",
        title="Label smoothing",
        venue="CVPR'16",
        paper="Rethinking the Inception Architecture for Computer Vision",
        url="https://arxiv.org/abs/1512.00567",
    )
    Hyper = LabelSmoothingHyper

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """CE(logits, smoothed label)."""
        targets = smooth_labels(batch.label, self.num_classes, self.hyper.smoothing)
        logits = self.predict(batch.images)
        return LossParts(smoothed_cross_entropy=soft_cross_entropy(logits, targets))
