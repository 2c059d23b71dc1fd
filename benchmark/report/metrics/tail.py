"""Mean recall of the classes with the fewest training images."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.report.metrics import Seen
from benchmark.report.thirds import third

TITLE = "Tail"
PLACE = 5


def values(runs: Sequence[Seen]) -> list[float]:
    """Return it for each run."""
    return [third(run, "tail") for run in runs]
