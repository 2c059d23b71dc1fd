"""The epoch with the best mean accuracy on clean validation images, the first of equals.

Clean are those whose pixels stand neither in the training nor in the test set: what is chosen by
copies of test images is chosen by the test set. Mean accuracy is what imbalance is about; overall
accuracy picks epochs that serve the frequent classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.selection import first_best
from benchmark.stats.accuracy import recalls
from benchmark.store.record import Epoch

HELP = "the best mean accuracy on clean validation images"
NOTE = "epoch with the best mean accuracy on clean validation images"
NEEDS = "confusion matrices of clean validation images, which older versions did not keep"
BY_VALIDATION = True
PLACE = 2


def choose(history: Sequence[Epoch]) -> int | None:
    """Return the best epoch; None without matrices of clean validation images."""
    if any(epoch.clean_validation is None for epoch in history):
        return None
    # A class without clean images counts for nothing.
    means = [np.nanmean(recalls(epoch.clean_validation or ())) for epoch in history]
    return first_best([float(mean) for mean in means])
