"""Mean recalls of the classes with the most, the middling and the fewest training images."""

from __future__ import annotations

import math
from typing import Literal

from benchmark.report.metrics import Seen
from benchmark.stats.accuracy import rank_means


def third(run: Seen, which: Literal["head", "middle", "tail"]) -> float:
    """Return the mean recall of a third of the classes, nan where there are fewer than three."""
    if len(run.classes) < 3:
        return math.nan
    return float(getattr(rank_means(run.confusion, run.train_counts), which))
