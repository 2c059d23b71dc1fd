"""Expected calibration error."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmark.report.metrics import Seen
from benchmark.stats.accuracy import expected_calibration_error

TITLE = "ECE"
NOTE = (
    "ECE: expected calibration error of the softmax's largest value, 15 bins of equal width; lower "
    "is better."
)
PLACE = 6


def values(runs: Sequence[Seen]) -> list[float]:
    """Return it for each run."""
    return [
        math.nan if run.answers is None else float(expected_calibration_error(*run.answers))
        for run in runs
    ]
