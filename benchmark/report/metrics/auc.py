"""The mean over the classes of the area under the ROC curve, one class against the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence

from numpy.typing import ArrayLike

from benchmark.report.metrics import Seen
from benchmark.stats.auc import class_roc_areas

TITLE = "Mean AUC"
PLACE = 7


def values(runs: Sequence[Seen]) -> list[float]:
    """Return it for each run."""
    return [math.nan if run.answers is None else _mean(*run.answers) for run in runs]


def _mean(logits: ArrayLike, labels: ArrayLike) -> float:
    return class_roc_areas([logits], labels).mean.value
