"""Baseline: a linear classifier on the pooled features, cross-entropy."""

from __future__ import annotations

import torch.nn.functional as F

from methods.base import Batch, LossParts, MethodInfo, Progress
from methods.linear import LinearClassifier


class Baseline(LinearClassifier):
    """Cross-entropy, no more.

    No official code of the paper's baseline row exists; what is shared with every other row here
    is the benchmark's one recipe.
    """

    info = MethodInfo(
        name="baseline",
        title="Baseline",
        venue="-",
        paper="Leave No Stone Unturned: Mine Extra Knowledge for Imbalanced Facial Expression "
        "Recognition (the baseline row)",
        url="https://arxiv.org/abs/2310.19636",
    )

    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """CE(logits, label)."""
        return LossParts(cross_entropy=F.cross_entropy(self.predict(batch.images), batch.label))
