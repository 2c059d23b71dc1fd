"""The epoch with the best overall accuracy on the validation split, the first of equals."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.selection import first_best
from benchmark.stats.accuracy import overall_accuracy
from benchmark.store.record import Epoch

HELP = "the best overall accuracy on the validation split"
NOTE = "epoch with the best overall accuracy on validation images"
NEEDS = "a validation split"
BY_VALIDATION = True
PLACE = 3


def choose(history: Sequence[Epoch]) -> int | None:
    """Return the best epoch; None without a validation split."""
    if any(epoch.validation is None for epoch in history):
        return None
    return first_best([overall_accuracy(epoch.validation or ()) for epoch in history])
