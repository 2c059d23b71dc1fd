"""Curves of two accuracies: areas against a grid of demands, intervals against redrawn images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.stats.accuracy import accuracies
from benchmark.stats.adjustment import right_by_tau
from benchmark.stats.tradeoff import area_below, area_between, undominated

COUNTS = (60, 30, 6)
SIZES = (80, 40, 18)
TAUS = (0.0, 0.25, 0.5, 1.0, 1.5)

levels = st.integers(0, 20).map(lambda n: n / 20)
curves = st.lists(st.tuples(levels, levels), min_size=1, max_size=8)


def met(points: list[tuple[float, float]]) -> np.ndarray:
    """Which demands, one in the middle of each of 20 by 20 squares, some point meets."""
    middle = (np.arange(20) + 0.5) / 20
    demands = np.zeros((20, 20), dtype=bool)
    for x, y in points:
        demands |= (middle[:, None] <= x) & (middle <= y)
    return demands


@given(curves)
def test_the_area_is_the_share_of_demands_that_are_met(points: list[tuple[float, float]]) -> None:
    assert area_below(*zip(*points, strict=True)) == pytest.approx(met(points).mean())


@given(curves, curves)
def test_what_dominates_has_the_larger_area(
    points: list[tuple[float, float]], others: list[tuple[float, float]]
) -> None:
    whole = area_below(*zip(*points, *others, strict=True))
    assert whole >= area_below(*zip(*points, strict=True)) - 1e-12
    kept = [
        p for p, keep in zip(points, undominated(*zip(*points, strict=True)), strict=True) if keep
    ]
    assert area_below(*zip(*kept, strict=True)) == pytest.approx(
        float(area_below(*zip(*points, strict=True)))
    )


@given(curves)
def test_undominated_points_by_their_definition(points: list[tuple[float, float]]) -> None:
    expected = [
        not any(x >= p and y >= q and (x, y) != (p, q) for x, y in points) for p, q in points
    ]
    assert undominated(*zip(*points, strict=True)).tolist() == expected


def made(
    rng: np.random.Generator, seeds: int = 1, skill: float = 1.5, spread: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and answers (S, T, n) of a method that is as good on every class but for the prior."""
    labels = np.repeat(np.arange(3), SIZES)
    prior = np.log(np.array(COUNTS) / sum(COUNTS))
    own = np.eye(3)[labels]
    right = [
        right_by_tau(
            rng.normal(size=own.shape) + (skill + spread * rng.normal()) * own + prior,
            labels, COUNTS, TAUS,
        )
        for _ in range(seeds)
    ]  # fmt: skip
    return labels, np.stack(right)


def area_of(labels: np.ndarray, right: np.ndarray) -> float:
    return float(area_below(*accuracies(labels, right, 3)).mean())


def test_the_interval_is_that_of_redrawn_images() -> None:
    rng = np.random.default_rng(0)
    labels, a = made(rng, skill=2.0)
    _, b = made(rng)
    found = area_between(labels, a, b, resamples=4000)
    assert found.estimate == pytest.approx(area_of(labels, a) - area_of(labels, b))
    members = [np.flatnonzero(labels == c) for c in range(3)]
    drawn = []
    for _ in range(1500):
        chosen = np.concatenate([rng.choice(m, len(m)) for m in members])
        drawn.append(
            area_of(labels[chosen], a[..., chosen]) - area_of(labels[chosen], b[..., chosen])
        )
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.012)


def test_turned_round_and_against_itself() -> None:
    rng = np.random.default_rng(1)
    labels, a = made(rng, 2)
    _, b = made(rng, 3)
    one, other = (area_between(labels, *pair, resamples=2000) for pair in ((a, b), (b, a)))
    assert one.estimate == pytest.approx(-other.estimate)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=0.01)
    same = area_between(labels, a[:1], a[:1], resamples=50)
    assert (same.estimate, same.low, same.high) == (0, 0, 0)


def test_seeds_count_and_the_same_network_twice_does_not() -> None:
    rng = np.random.default_rng(2)
    labels, a = made(rng, 1)
    _, b = made(rng, 1)
    once = area_between(labels, a, b)
    twice = area_between(labels, np.concatenate([a, a]), np.concatenate([b, b]))
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), abs=0.005)
    spread = area_between(labels, np.concatenate([a, np.zeros_like(a)]), b)
    assert spread.high - spread.low > 1


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_methods_are_seldom_told_apart(seeds: int) -> None:
    rng = np.random.default_rng(5)
    apart = 0
    for _ in range(60):
        labels, a = made(rng, seeds)
        _, b = made(rng, seeds)
        found = area_between(labels, a, b, resamples=300)
        apart += not found.low <= 0 <= found.high
    assert apart <= 9, "5 % of 60 are 3"


def test_what_does_not_fit_is_refused() -> None:
    labels, right = made(np.random.default_rng(3))
    for a, b in ((right[0], right), (right, right[:, :3]), (right[..., :9], right[..., :9])):
        with pytest.raises(ValueError, match="shapes do not fit"):
            area_between(labels, a, b)
