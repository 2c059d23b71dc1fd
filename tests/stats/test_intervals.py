"""Intervals of one method's numbers: Wilson against scipy, sums against their definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmark.stats.accuracy import mean_accuracy, overall_accuracy, recalls
from benchmark.stats.intervals import intervals, wilson


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(case: tuple[int, int]) -> None:
    successes, trials = case
    for level in (0.8, 0.95):
        theirs = scipy.stats.binomtest(successes, trials).proportion_ci(level, method="wilson")
        np.testing.assert_allclose(
            wilson(successes, trials, level), (theirs.low, theirs.high), atol=1e-12
        )


def test_wilson_at_the_ends() -> None:
    assert wilson(0, 18)[0] == 0
    assert wilson(18, 18)[1] == 1
    assert wilson(0, 0) == (0, 1)
    with pytest.raises(ValueError, match="19 successes of 18"):
        wilson(19, 18)


def test_intervals_follow_wilson_and_widen_with_seeds() -> None:
    matrix = np.array([[45, 5], [3, 15]])
    one = intervals([matrix])
    for index, (hits, n) in enumerate([(45, 50), (15, 18)]):
        z = 1.959963984540054
        middle = (hits + z * z / 2) / (n + z * z)
        half = z * math.sqrt(hits * (n - hits) / n + z * z / 4) / (n + z * z)
        assert one.recalls[0][index] == pytest.approx(middle - half)
        assert one.recalls[1][index] == pytest.approx(middle + half)
    below = np.hypot(*(np.diag(matrix) / matrix.sum(1) - one.recalls[0])) / 2
    assert one.mean[0] == pytest.approx((0.9 + 15 / 18) / 2 - below)
    other = np.array([[44, 6], [3, 15]])
    both = intervals([matrix, other])
    same = intervals([matrix, matrix])
    assert same.mean == pytest.approx(one.mean)
    t = 12.706204736  # of one degree of freedom
    means = [mean_accuracy(m) for m in (matrix, other)]
    assert both.mean[1] - np.mean(means) > t * np.std(means, ddof=1) / math.sqrt(2)


@given(st.lists(hnp.arrays(np.int64, (3, 3), elements=st.integers(0, 20)), min_size=1, max_size=1))
def test_intervals_hold_the_estimate(matrices: list[np.ndarray]) -> None:
    matrix = matrices[0] + np.eye(3, dtype=np.int64)
    found = intervals([matrix])
    for low, value, high in (
        (found.overall[0], overall_accuracy(matrix), found.overall[1]),
        (found.mean[0], mean_accuracy(matrix), found.mean[1]),
        *zip(found.recalls[0], recalls(matrix), found.recalls[1], strict=True),
    ):
        assert 0 <= low <= value + 1e-12
        assert value - 1e-12 <= high <= 1
