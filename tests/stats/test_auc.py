"""Areas under ROC curves against counted pairs, DeLong's variance from its definition, coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import ndtri, softmax

from benchmark.stats.auc import class_roc_areas, log_odds, placements, roc_area


def pairs(scores: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Whether each member (row) scores above each other image (column), ties half."""
    return np.array([[(a > b) + 0.5 * (a == b) for b in scores[~members]] for a in scores[members]])


def made(seed: int, sizes: tuple[int, ...] = (30, 12, 5)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    own = np.eye(len(sizes))[labels] * 1.5
    return rng.normal(size=own.shape) + own, rng.permutation(labels) if seed % 2 else labels


@given(
    hnp.arrays(np.float64, st.integers(2, 25), elements=st.integers(-3, 3).map(float)),
    st.randoms(use_true_random=False),
)
def test_an_area_is_the_share_of_pairs_in_order(scores: np.ndarray, random: object) -> None:
    members = np.array([random.random() < 0.4 for _ in scores])  # type: ignore[attr-defined]
    members[:2] = True, False
    counted = pairs(scores, members)
    assert roc_area(scores, members) == pytest.approx(counted.mean())
    placed = placements(scores, members)
    np.testing.assert_allclose(placed[members], counted.mean(axis=1))
    np.testing.assert_allclose(placed[~members], counted.mean(axis=0))
    assert roc_area(-scores, members) == pytest.approx(1 - counted.mean())
    assert roc_area(np.exp(scores), members) == pytest.approx(counted.mean())


def test_classes_are_told_from_the_rest_by_their_probability() -> None:
    logits, labels = made(0)
    found = class_roc_areas([logits], labels)
    shares = softmax(logits, axis=1)
    for c, one in enumerate(found.classes):
        assert one.value == pytest.approx(pairs(shares[:, c], labels == c).mean())
        assert one.low < one.value < one.high
    assert found.mean.value == pytest.approx(np.mean([one.value for one in found.classes]))
    np.testing.assert_allclose(log_odds(logits), np.log(shares / (1 - shares)))


def test_scikit_learn_says_the_same() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    logits, labels = made(2, (90, 40, 18, 7))
    shares = softmax(logits, axis=1)
    found = class_roc_areas([logits], labels)
    for c, one in enumerate(found.classes):
        assert one.value == pytest.approx(metrics.roc_auc_score(labels == c, shares[:, c]))
    whole = metrics.roc_auc_score(labels, shares, multi_class="ovr", average="macro")
    assert found.mean.value == pytest.approx(whole)


def test_sure_networks_are_told_apart_where_probabilities_round_to_1() -> None:
    logits = np.array([[60.0, 0], [50, 0], [55, 0], [40, 0]])
    assert softmax(logits, axis=1)[:, 0].min() == 1
    assert class_roc_areas([logits], [0, 0, 1, 1]).classes[0].value == 0.75


def test_a_prior_on_one_class_lifts_nothing_of_it() -> None:
    logits, labels = made(4)
    lifted = logits + np.array([0, 0, 3.0])
    assert (
        class_roc_areas([lifted], labels).classes[2] == class_roc_areas([logits], labels).classes[2]
    )


def wilson_of(value: float, variance: float, centre: float) -> tuple[float, float]:
    """Wilson's interval as the roots of its equation."""
    images, z = centre * (1 - centre) / variance, float(ndtri(0.975))
    a, b, c = 1 + z * z / images, -(2 * value + z * z / images), value * value
    root = math.sqrt(b * b - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def test_limits_follow_delongs_variance_with_an_image_lent_to_each_side() -> None:
    logits, labels = made(6)
    found = class_roc_areas([logits], labels)
    odds = log_odds(logits)
    for c, one in enumerate(found.classes):
        counted = pairs(odds[:, c], labels == c)
        variance = 0.0
        for axis in (1, 0):
            placed = np.append(counted.mean(axis=axis), 0.5)
            variance += placed.var(ddof=1) / len(placed)
        m = len(counted)
        centre = (m * one.value + 0.5) / (m + 1)
        assert (one.low, one.high) == pytest.approx(wilson_of(one.value, variance, centre))


def test_two_classes_are_one_question() -> None:
    logits, labels = made(8, (20, 9))
    found = class_roc_areas([logits], labels)
    assert found.classes[0].value == pytest.approx(found.mean.value)
    # Each class asks from its own side, so the lent centre differs; the variance does not.
    assert found.mean.low == pytest.approx(found.classes[0].low, abs=0.01)
    assert found.mean.high == pytest.approx(found.classes[1].high, abs=0.01)


def test_the_mean_varies_as_on_redrawn_images() -> None:
    logits, labels = made(10, (150, 60, 30))
    found = class_roc_areas([logits], labels).mean
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(250):
        chosen = rng.integers(0, len(labels), len(labels))
        drawn.append(class_roc_areas([logits[chosen]], labels[chosen]).mean.value)
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.std(drawn), rel=0.15)


def test_seeds_are_averaged_and_widen() -> None:
    logits, labels = made(12)
    once, twice = class_roc_areas([logits], labels), class_roc_areas([logits, logits], labels)
    assert twice == once, "the same network twice is no larger test set"
    other = logits + np.random.default_rng(3).normal(size=logits.shape)
    both = class_roc_areas([logits, other], labels)
    alone = class_roc_areas([other], labels)
    assert both.mean.value == pytest.approx((once.mean.value + alone.mean.value) / 2)
    assert both.mean.high - both.mean.low > once.mean.high - once.mean.low


def test_ends_are_no_certainty_and_empty_classes_no_number() -> None:
    labels = np.repeat([0, 1], [18, 300])
    logits = np.stack([-labels * 5.0, labels * 5.0], axis=1)
    best = class_roc_areas([logits], labels)
    assert best.classes[0].value == best.classes[0].high == 1
    assert 0.8 < best.classes[0].low < 0.97
    none = class_roc_areas([np.c_[logits, np.zeros(318)]], labels)
    assert math.isnan(none.classes[2].value)
    assert none.mean.value == 1
    assert math.isnan(class_roc_areas([logits[:3]], labels[:3]).mean.value)
    flat = class_roc_areas([np.zeros((4, 2))], [0, 0, 1, 1]).classes[0]
    assert flat.value == 0.5
    with pytest.raises(ValueError, match="shapes do not fit"):
        class_roc_areas([logits[:4]], labels)


def held(rng: np.random.Generator, images: int, true: float, spread: float, rounds: int) -> float:
    """How many intervals hold the true area of normal scores, members' spread wider by a factor."""
    members = np.arange(images + 600) < images
    middle = math.hypot(1, spread) * ndtri(true)
    count = 0
    for _ in range(rounds):
        scores = rng.normal(size=len(members))
        scores[members] = middle + spread * scores[members]
        found = class_roc_areas([np.c_[scores, np.zeros_like(scores)]], 1 - members).classes[0]
        count += found.low <= true <= found.high
    return count / rounds


@pytest.mark.parametrize(("true", "spread"), [(0.8, 1.0), (0.95, 2.5), (0.99, 1.0)])
def test_limits_hold_the_truth(true: float, spread: float) -> None:
    assert held(np.random.default_rng(1), 18, true, spread, 200) >= 0.85  # 0.90 and chance


@pytest.mark.slow
@pytest.mark.parametrize("images", [18, 83, 1000])
@pytest.mark.parametrize("true", [0.55, 0.9, 0.98, 0.995])
@pytest.mark.parametrize("spread", [0.5, 1.0, 2.5])
def test_limits_hold_the_truth_everywhere(images: int, true: float, spread: float) -> None:
    rng = np.random.default_rng([images, int(1000 * true), int(2 * spread)])
    assert held(rng, images, true, spread, 400) >= 0.87  # 0.90 and chance
