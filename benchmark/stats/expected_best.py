"""The score that the best of some tries is expected to have."""

from __future__ import annotations

import math
from collections.abc import Sequence


def expected_best(scores: Sequence[float]) -> list[float]:
    """Return the expected best score of 1, 2, ... and all tries, drawn without replacement.

    Dodge, Gururangan, Card, Schwartz and Smith ("Show Your Work", EMNLP 2019) report the expected
    best against the number of tries; Tang, Lee, Xin, Liu, Yu and Lin ("Showing Your Work Doesn't
    Always Work", ACL 2020) show that drawing with replacement makes it too small, and give this
    form: of N scores in ascending order the i-th is the best of n in C(i - 1, n - 1) of C(N, n)
    draws.

    Args:
        scores: one for each try.
    """
    ordered = sorted(scores)
    total = len(ordered)
    return [
        sum(math.comb(place, size - 1) * score for place, score in enumerate(ordered))
        / math.comb(total, size)
        for size in range(1, total + 1)
    ]
