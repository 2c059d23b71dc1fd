"""Holm and sign flips against scipy and against their definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from benchmark.stats.significance import holm, sign_flip


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_follows_its_definition(p_values: list[float]) -> None:
    order = np.argsort(p_values, kind="stable")
    m = len(p_values)
    expected = [0.0] * m
    for place, index in enumerate(order):
        steps = [min(1.0, (m - j) * p_values[order[j]]) for j in range(place + 1)]
        expected[index] = max(steps)
    assert holm(p_values) == pytest.approx(expected)
    assert all(adjusted >= p for adjusted, p in zip(holm(p_values), p_values, strict=True))


def test_holm_refuses_what_is_no_p_value() -> None:
    for wrong in (1.5, -0.1, math.nan):
        with pytest.raises(ValueError, match=r"0\.\.1"):
            holm([0.2, wrong])


@given(st.lists(st.integers(-40, 40).map(lambda v: v / 7), min_size=1, max_size=8))
def test_sign_flip_counts_every_pattern(values: list[float]) -> None:
    observed = abs(sum(values))
    patterns = list(itertools.product((-1, 1), repeat=len(values)))
    hits = sum(
        abs(sum(s * v for s, v in zip(p, values, strict=True))) >= observed - 1e-9 for p in patterns
    )
    assert sign_flip(values) == pytest.approx(hits / len(patterns))


def test_sign_flip_of_sums_that_are_0_but_for_rounding() -> None:
    assert sign_flip([0.1, 0.2, -0.3]) == 1
    assert sign_flip([0.1, 0.2, 0.3, -0.3, -0.3]) == 1


def test_sign_flip_of_one_seed_says_nothing() -> None:
    assert sign_flip([0.4]) == 1
    assert sign_flip([]) == 1


def test_sign_flip_of_many_seeds_samples_the_patterns() -> None:
    values = np.random.default_rng(4).normal(0.4, 1, 30)
    sampled = sign_flip(values)
    near = scipy.stats.ttest_1samp(values, 0).pvalue
    assert sampled == sign_flip(values)
    assert sampled == pytest.approx(near, abs=0.01)
    assert sign_flip(np.ones(40)) == pytest.approx(1 / 100_001)
