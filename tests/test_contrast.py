"""Weighted differences agree with the plain ones and with scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from test_stats import SIZES, answers

from benchmark.contrast import contrast
from benchmark.crossed import accuracy_weights
from benchmark.stats import paired_difference


@pytest.mark.parametrize("seeds", [1, 2, 4])
@pytest.mark.parametrize("metric", ["overall", "mean"])
def test_accuracies_are_the_paired_difference(seeds: int, metric: str) -> None:
    labels, a, b = answers(np.random.default_rng(seeds), seeds, seed_spread=0.3, skill=0.2)
    weights = accuracy_weights(SIZES, metric)
    found = contrast(labels, a, b, weights, weights)
    plain = paired_difference(labels, a, b, metric, resamples=10)  # type: ignore[arg-type]
    for name in ("estimate", "low", "high", "p", "seeds"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name))


def test_one_class_and_two_classes() -> None:
    labels, a, b = answers(np.random.default_rng(11), 1)
    only = np.eye(len(SIZES))[2]
    part = labels == 2
    found = contrast(labels, a, b, only, only)
    theirs = scipy.stats.ttest_rel(a[0, part].astype(float), b[0, part].astype(float))
    assert found.p == pytest.approx(theirs.pvalue)
    apart = np.eye(len(SIZES))[0] - only
    found = contrast(labels, a, np.zeros_like(a), apart, 0 * apart)
    first, second = a[0, labels == 0].astype(float), a[0, part].astype(float)
    assert found.estimate == pytest.approx(first.mean() - second.mean())
    assert found.p == pytest.approx(scipy.stats.ttest_ind(first, second, equal_var=False).pvalue)


def test_the_gap_is_overall_minus_mean() -> None:
    labels, a, b = answers(np.random.default_rng(12), 3)
    parts = {m: contrast(labels, a, b, w, w) for m in ("overall", "mean", "gap")
             if (w := accuracy_weights(SIZES, m)) is not None}  # fmt: skip
    gap = parts["overall"].estimate - parts["mean"].estimate
    assert parts["gap"].estimate == pytest.approx(gap)


def test_equal_classes_are_seldom_called_different() -> None:
    rng = np.random.default_rng(13)
    labels = np.repeat([0, 1], [90, 60])
    weights = np.array([1.0, -1.0])
    wrong = 0
    for _ in range(400):
        ease = 0.8 + rng.normal(size=150)
        a = rng.random((3, 150)) < 1 / (1 + np.exp(-ease))
        wrong += contrast(labels, a, np.zeros_like(a), weights, 0 * weights).p <= 0.05
    assert wrong <= scipy.stats.binom.ppf(0.999, 400, 0.05)


def test_a_difference_of_one_answer_in_a_million_is_chance() -> None:
    a = np.ones((4, 1_000_000), dtype=bool)
    b = a.copy()
    b[0, 0] = False
    found = contrast(np.zeros(1_000_000, int), a, b, [1.0], [1.0])
    assert found.p > 0.3
    assert found.low < 0 < found.high


def test_a_class_that_hardly_counts_is_heard() -> None:
    labels = np.repeat([0, 1], [3000, 18])
    a = np.random.default_rng(14).random((2, 3018)) < 0.7
    b = a.copy()
    b[0, 3000:3003] ^= True
    only = contrast(labels, a, b, [0.0, 1.0], [0.0, 1.0])
    small = contrast(labels, a, b, [1.0, 1e-6], [1.0, 1e-6])
    assert small.estimate == pytest.approx(1e-6 * only.estimate)
    assert small.p > 0.05


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_answers_that_never_vary_are_tosses_of_a_coin(seeds: int) -> None:
    right, wrong = np.ones((seeds, 5), dtype=bool), np.zeros((seeds, 5), dtype=bool)
    found = contrast(np.zeros(5, int), right, wrong, [1.0], [1.0])
    assert (found.estimate, found.low, found.high, found.p) == (1, 1, 1, 0.5**4)
    nothing = contrast(np.zeros(5, int), right, wrong, [0.0], [0.0])
    assert (nothing.estimate, nothing.p) == (0, 1)


def test_an_interval_is_never_absurd() -> None:
    """Seeds that differ by chance of single answers alone leave few degrees of freedom."""
    a = np.random.default_rng(15).random((3, 20)) < 0.6
    b = a.copy()
    b[:, 4] ^= True
    found = contrast(np.zeros(20, int), a, b, [1.0], [1.0])
    assert found.high - found.low < 1


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        contrast([0, 1], [[True, False]], [[True]], [1, 1], [1, 1])
    same = contrast([0, 1], [[True, False]], [[True, False]], [1, 1], [1, 1])
    assert (same.estimate, same.p) == (0, 1)
