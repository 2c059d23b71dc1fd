"""Mean recall of the classes with the most training images."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.report.metrics import Seen
from benchmark.report.thirds import third

TITLE = "Head"
NOTE = (
    "Head and tail: mean recall of the third of the classes (rounded down) with the most and with "
    "the fewest training images; middle: of the others."
)
PLACE = 3


def values(runs: Sequence[Seen]) -> list[float]:
    """Return it for each run."""
    return [third(run, "head") for run in runs]
