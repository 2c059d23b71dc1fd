"""Chance of seeds and of test images, held against references written from their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as reference

from benchmark.stats.spread import Spread, drop_p_value, pooled, spread_of


def test_pooling_is_the_variance_within_groups() -> None:
    common = pooled([[0.80, 0.8001], [0.7, 0.74], [0.5, 0.55, 0.6], [0.9]])
    assert common is not None
    assert common.freedom == 4
    assert common.variance == pytest.approx((5e-9 + 8e-4 + 5e-3) / 4)
    assert pooled([[0.5], [0.6]]) is None


def test_a_few_seeds_that_agree_by_luck_take_the_spread_of_all() -> None:
    lucky, wide = [0.80, 0.8001], [0.7, 0.9]
    others = [[0.70, 0.72], [0.50, 0.52]]
    assert spread_of(lucky, [lucky, *others]) == pooled([lucky, *others])
    assert spread_of(wide, [wide, *others]) == Spread(pytest.approx(0.02), 3)
    five = [0.80, 0.81, 0.79, 0.8, 0.82]
    assert spread_of(five, [five, [0.2, 0.9]]) == pooled([five]), "five tell their own"
    assert spread_of([0.8], [[0.8], [0.7]]) is None


@pytest.mark.parametrize(("n", "m"), [(2, 1), (5, 1), (6, 3), (2, 2)])
def test_without_images_it_is_students_t(n: int, m: int) -> None:
    rng = np.random.default_rng(n * 10 + m)
    a, b = rng.normal(size=n), rng.normal(size=m) - 1
    spread = pooled([a])
    assert spread is not None
    error = np.sqrt(a.var(ddof=1) * (1 / n + 1 / m))
    drop = a.mean() - b.mean()
    found = drop_p_value(drop, 0.0, spread.variance * (1 / n + 1 / m), spread.freedom)
    assert found == pytest.approx(reference.t.sf(drop / error, n - 1))


def test_a_drop_without_any_chance_is_certain() -> None:
    assert drop_p_value(0.1, 0.0, 0.0, 4) == 0.0
    assert drop_p_value(0.0, 0.0, 0.0, 4) == 1.0
    assert drop_p_value(-0.1, 0.0, 0.0, 4) == 1.0
    assert drop_p_value(0.02, 1e-4, 0.0, 1) == pytest.approx(reference.norm.sf(2))


def test_false_alarms_are_as_rare_as_they_should_be() -> None:
    """Same code, other seeds: p is uniform enough at its lower end."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(2000):
        groups = rng.normal(0.8, 0.01, size=(8, 2))
        spread = spread_of(groups[0], list(groups))
        assert spread is not None
        drop = float(groups[0].mean() - rng.normal(0.8, 0.01))
        alarms += drop_p_value(drop, 0.0, spread.variance * 1.5, spread.freedom) <= 0.05
    assert 40 <= alarms <= 140, "5 % of 2000 is 100"
