"""The epoch with the best *test* accuracy: how much of the literature reports, and too good."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.selection import first_best
from benchmark.stats.accuracy import overall_accuracy
from benchmark.store.record import Epoch

HELP = "the best on the test split (marked with a dagger)"
NOTE = "† epoch with the best TEST accuracy: chosen on the test set, too optimistic"
BY_TEST = True
PLACE = 4


def choose(history: Sequence[Epoch]) -> int:
    """Return the best epoch, the first of equals."""
    return first_best([overall_accuracy(epoch.test) for epoch in history])
