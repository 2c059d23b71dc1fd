"""Mean recall of the classes between head and tail."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.report.metrics import Seen
from benchmark.report.thirds import third

TITLE = "Middle"
PLACE = 4


def values(runs: Sequence[Seen]) -> list[float]:
    """Return it for each run."""
    return [third(run, "middle") for run in runs]
