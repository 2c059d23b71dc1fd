"""Averages of two methods' numbers on the same images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmark.stats.averages import average_difference


def test_one_seed_is_the_paired_test_over_images() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(0.02, 0.1, (1, 5000))
    b = 0.7 * a + rng.normal(0, 0.1, (1, 5000))
    found = average_difference(a, b)
    oracle = stats.ttest_rel(a[0], b[0])
    assert found.p == pytest.approx(oracle.pvalue, rel=0.02)
    assert found.estimate == pytest.approx(float((a - b).mean()))
    low, high = oracle.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-5)


@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_alike_methods_are_told_apart_seldom(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    alarms = 0
    for _ in range(400):
        image = rng.normal(0, 0.2, 150)
        a, b = (
            image + rng.normal(0, 0.03, (seeds, 1)) + rng.normal(0, 0.1, (seeds, 150))
            for _ in range(2)
        )
        alarms += average_difference(a, b).p <= 0.05
    assert 2 <= alarms <= 34  # of 400: 0.5 to 8.5 % where 5 % are meant


def test_seeds_that_differ_say_less() -> None:
    rng = np.random.default_rng(4)
    a = rng.normal(0.1, 0.05, (3, 400))
    b = rng.normal(0.0, 0.05, (3, 400))
    apart = np.array([[-0.2], [0.0], [0.2]])
    assert average_difference(a, b).p < 1e-3
    assert average_difference(a + apart, b - apart).p > 0.3


def test_numbers_that_never_vary() -> None:
    ones = np.ones((1, 5))
    assert average_difference(ones, ones).p == 1
    assert average_difference(ones, 0 * ones).p == 0
    with pytest.raises(ValueError, match="do not fit"):
        average_difference(ones, np.ones((2, 5)))
