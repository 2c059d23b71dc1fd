"""Macro F1."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.report.metrics import Seen
from benchmark.stats.accuracy import macro_f1

TITLE = "Macro F1"
NOTE = "Macro F1: mean over the classes of the harmonic mean of precision and recall."
PLACE = 1


def values(runs: Sequence[Seen]) -> list[float]:
    """Return it for each run."""
    return [macro_f1(run.confusion) for run in runs]
