"""The recall of the class that is recognised worst."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.report.metrics import Seen
from benchmark.stats.accuracy import recalls

TITLE = "Worst class"
NOTE = "Worst class: the one with the lowest recall (mean over seeds), and that recall."
PLACE = 2


def values(runs: Sequence[Seen]) -> list[float]:
    """Return it for each run."""
    if not runs:
        return []
    worst = runs[0].classes.index(remark(runs))
    return [float(recalls(run.confusion)[worst]) for run in runs]


def remark(runs: Sequence[Seen]) -> str:
    """Return the class with the lowest recall, the mean over seeds; ties by the classes' order."""
    if not runs:
        return ""
    of_class = np.mean([recalls(run.confusion) for run in runs], axis=0)
    return runs[0].classes[int(np.nanargmin(of_class))]
