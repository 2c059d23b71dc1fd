"""Which try is chosen."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.stats.accuracy import accuracy_weights
from benchmark.stats.expected_best import expected_best
from benchmark.stats.paired import contrast
from benchmark.tuning.choice import Right, choose

LABELS = np.repeat([0, 1, 2], [60, 30, 10])


def right(*shares: float, runs: int = 1) -> Right:
    """Return answers of which such a share of each class is right, the first images of it."""
    of_class = [
        np.arange(size) < share * size
        for size, share in zip(np.bincount(LABELS), shares, strict=True)
    ]
    return [np.stack([np.concatenate(of_class)] * runs)]


def test_a_clear_best_is_chosen_however_far_it_is_from_the_defaults() -> None:
    found = choose(LABELS, [right(0.9, 0.5, 0.1), right(0.9, 0.9, 0.9)], [0.0, 2.0])
    assert found is not None
    assert (found.chosen, found.best) == (1, 1)
    behind = found.standings[0]
    assert behind is not None
    assert behind.score == pytest.approx(0.5)
    assert behind.behind == pytest.approx(0.4)
    assert not behind.tied


def test_a_tie_within_a_standard_error_goes_to_the_smaller_departure() -> None:
    answers = [right(0.9, 0.8, 0.5), right(0.9, 0.8, 0.6), right(0.9, 0.8, 0.5)]
    found = choose(LABELS, answers, [0.3, 0.5, 0.2])
    assert found is not None
    assert (found.chosen, found.best) == (2, 1)
    weights = accuracy_weights(np.bincount(LABELS), "mean")
    expected = contrast(LABELS, answers[1][0], answers[0][0], weights, weights)
    standing = found.standings[0]
    assert standing is not None
    assert (standing.behind, standing.error) == (expected.estimate, expected.error)


def test_training_sets_are_no_repetitions_of_one_another() -> None:
    """Two tries that differ as much on two sets of very different accuracy are as far apart."""
    worse = [*right(0.9, 0.7, 0.5), *right(0.4, 0.2, 0.1)]
    better = [*right(0.95, 0.9, 0.9), *right(0.45, 0.4, 0.5)]
    found = choose(LABELS, [worse, better], [0.0, 1.0])
    assert found is not None
    assert (found.chosen, found.best) == (1, 1)
    weights = accuracy_weights(np.bincount(LABELS), "mean")
    alone = [contrast(LABELS, b, w, weights, weights) for b, w in zip(better, worse, strict=True)]
    standing = found.standings[0]
    assert standing is not None
    assert standing.behind == pytest.approx(np.mean([one.estimate for one in alone]))
    assert standing.error == pytest.approx(np.mean([one.error for one in alone]))


def test_nothing_is_ahead_of_the_best_by_a_rounding() -> None:
    one = [*right(0.9, 0.8, 0.7), *right(0.2, 0.8, 0.0)]
    other = [*right(0.7, 0.9, 0.8), *right(0.0, 0.2, 0.8)]
    found = choose(LABELS, [one, other], [0.0, 1.0])
    assert found is not None
    assert [standing and standing.behind for standing in found.standings] == [0.0, 0.0]


def test_what_came_to_nothing_is_not_chosen() -> None:
    found = choose(LABELS, [None, right(0.5, 0.5, 0.5)], [0.0, 1.0])
    assert found is not None
    assert found.chosen == 1
    assert found.standings[0] is None
    assert choose(LABELS, [None, None], [0.0, 1.0]) is None


@given(
    shares=st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=6),
    data=st.data(),
)
def test_the_chosen_one_ties_with_the_best(
    shares: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    departures = [data.draw(st.floats(0, 3)) for _ in shares]
    found = choose(LABELS, [right(*of) for of in shares], departures)
    assert found is not None
    known = [one for one in found.standings if one is not None]
    top = max(one.score for one in known)
    assert found.standings[found.best].score == pytest.approx(top)  # type: ignore[union-attr]
    tied = [place for place, one in enumerate(found.standings) if one is not None and one.tied]
    assert found.chosen in tied
    assert round(departures[found.chosen], 2) == min(round(departures[one], 2) for one in tied)


def test_no_rounding_decides_between_mirror_images() -> None:
    """Points at equal shares of a range on both sides of the default, of values with few digits."""
    answers = [right(0.9, 0.8, 0.5), right(0.9, 0.8, 0.6)]
    for departures in ([0.2498, 0.2502], [0.2502, 0.2498]):
        found = choose(LABELS, answers, departures)
        assert found is not None
        assert found.chosen == 1


@given(st.lists(st.integers(0, 100), min_size=1, max_size=7))
def test_the_expected_best_is_the_mean_over_all_draws(scores: list[int]) -> None:
    found = expected_best([float(score) for score in scores])
    for size, value in enumerate(found, start=1):
        draws = [max(draw) for draw in itertools.combinations(scores, size)]
        assert value == pytest.approx(float(Fraction(sum(draws), len(draws))))
    assert found == sorted(found)
