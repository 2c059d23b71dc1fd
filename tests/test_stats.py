"""Statistics against scipy, slow references written from the formula, and null data."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.crossed import deciding_p_values
from benchmark.metrics import (
    expected_calibration_error,
    macro_f1,
    rank_means,
    worst_class,
)
from benchmark.stats import holm, paired_difference, sign_flip, wilson

SIZES = (160, 120, 60, 40, 12)


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


def test_sign_flip_is_scipys() -> None:
    values = np.random.default_rng(3).normal(0.4, 1, 10)
    theirs = scipy.stats.permutation_test(
        (values,), np.sum, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip(values) == pytest.approx(theirs.pvalue)


def test_sign_flip_of_many_seeds_samples_the_patterns() -> None:
    values = np.random.default_rng(4).normal(0.4, 1, 30)
    sampled = sign_flip(values)
    near = scipy.stats.ttest_1samp(values, 0).pvalue
    assert sampled == sign_flip(values)
    assert sampled == pytest.approx(near, abs=0.01)
    assert sign_flip(np.ones(40)) == pytest.approx(1 / 100_001)
    assert sign_flip([]) == 1


def answers(
    rng: np.random.Generator,
    seeds: int,
    *,
    seed_spread: float = 0.0,
    skill: float = 0.0,
    sizes: tuple[int, ...] = SIZES,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and two methods' answers; images differ in difficulty, seeds in skill by class."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    ease = np.linspace(2, -0.5, len(sizes))[labels] + rng.normal(size=len(labels)) * 1.5
    both = []
    for gain in (skill, 0.0):
        own = rng.normal(size=len(labels)) * 0.5
        lift = rng.normal(size=(seeds, len(sizes))) * seed_spread
        chance = 1 / (1 + np.exp(-(ease + own + gain + lift[:, labels])))
        both.append(rng.random((seeds, len(labels))) < chance)
    return labels, *both


@pytest.mark.parametrize("metric", ["overall", "mean"])
@pytest.mark.parametrize(("seeds", "spread"), [(1, 0.0), (2, 0.2), (2, 0.8), (3, 0.0), (5, 0.4)])
def test_equal_skill_is_seldom_called_different(metric: str, seeds: int, spread: float) -> None:
    rng = np.random.default_rng([seeds, int(10 * spread)])
    rounds = 400
    wrong = sum(
        paired_difference(
            *answers(rng, seeds, seed_spread=spread),
            metric,  # type: ignore[arg-type]
            resamples=10,
        ).p
        <= 0.05
        for _ in range(rounds)
    )
    assert wrong <= scipy.stats.binom.ppf(0.999, rounds, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["overall", "mean"])
@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3, 0.8])
def test_equal_skill_on_ferplus_sizes(metric: str, seeds: int, spread: float) -> None:
    rng = np.random.default_rng([seeds, int(10 * spread)])
    rounds, sizes = 1000, (1090, 893, 396, 384, 273, 83, 18)
    wrong = sum(
        paired_difference(
            *answers(rng, seeds, seed_spread=spread if seeds > 1 else 0.0, sizes=sizes),
            metric,  # type: ignore[arg-type]
            resamples=10,
        ).p
        <= 0.05
        for _ in range(rounds)
    )
    assert wrong <= scipy.stats.binom.ppf(0.999, rounds, 0.05)


def test_images_alone_would_call_seeds_a_difference() -> None:
    """Why the seeds count: over images alone, unequal seeds of equal methods look different."""
    rng = np.random.default_rng(0)
    found = [
        paired_difference(*answers(rng, 3, seed_spread=0.8), "overall", resamples=1000)
        for _ in range(100)
    ]
    assert np.mean([f.p_bootstrap <= 0.05 for f in found]) > 0.25
    assert np.mean([f.p <= 0.05 for f in found]) <= 0.1


def test_a_real_difference_is_found() -> None:
    rng = np.random.default_rng(5)
    for metric in ("overall", "mean"):
        labels, a, b = answers(rng, 3, seed_spread=0.05, skill=1.2)
        found = paired_difference(labels, a, b, metric)  # type: ignore[arg-type]
        assert found.p < 0.01
        assert 0 < found.low < found.estimate < found.high
        assert found.p_sign_flip == 0.25  # three seeds cannot say more


@pytest.mark.parametrize("metric", ["overall", "mean"])
def test_estimate_and_bootstrap_agree_with_redrawn_images(metric: str) -> None:
    labels, a, b = answers(np.random.default_rng(7), 3, skill=0.3)
    found = paired_difference(labels, a, b, metric)  # type: ignore[arg-type]

    def score(chosen: np.ndarray) -> float:
        x = (a.astype(float) - b)[:, chosen].mean(axis=0)
        if metric == "overall":
            return float(x.mean())
        return float(np.mean([x[labels[chosen] == c].mean() for c in range(len(SIZES))]))

    everything = np.arange(len(labels))
    assert found.estimate == pytest.approx(score(everything))
    rng = np.random.default_rng(8)
    members = [everything[labels == c] for c in range(len(SIZES))]
    redrawn = [score(np.concatenate([rng.choice(m, len(m)) for m in members])) for _ in range(2000)]
    assert found.bootstrap_low == pytest.approx(np.quantile(redrawn, 0.025), abs=0.006)
    assert found.bootstrap_high == pytest.approx(np.quantile(redrawn, 0.975), abs=0.006)
    assert found.error_images == pytest.approx(np.std(redrawn), rel=0.1)


def test_one_class_and_one_seed_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(9)
    a, b = rng.random((1, 300)) < 0.7, rng.random((1, 300)) < 0.6
    found = paired_difference(np.zeros(300, int), a, b, "overall")
    theirs = scipy.stats.ttest_rel(a[0].astype(float), b[0].astype(float))
    assert found.p == pytest.approx(theirs.pvalue)
    interval = theirs.confidence_interval(0.95)
    np.testing.assert_allclose((found.low, found.high), (interval.low, interval.high))


def test_seeds_alone_are_welchs_t_test() -> None:
    """Where all images agree within a seed, only the seeds vary."""
    a = np.repeat([[True], [True], [False], [True]], 500, axis=1)
    b = np.repeat([[False], [True], [False], [False]], 500, axis=1)
    found = paired_difference(np.zeros(500, int), a, b, "overall")
    theirs = scipy.stats.ttest_ind([1.0, 1, 0, 1], [0.0, 1, 0, 0], equal_var=False)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.error_images == 0


small = st.integers(1, 3).flatmap(
    lambda s: st.integers(1, 25).flatmap(
        lambda n: st.tuples(
            st.lists(st.integers(0, 3), min_size=n, max_size=n),
            st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=s, max_size=s),
            st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=s, max_size=s),
        )
    )
)


@settings(max_examples=60)
@given(small, st.sampled_from(["overall", "mean"]))
def test_turned_round_it_says_the_same(case: tuple[list, list, list], metric: str) -> None:
    labels, a, b = case
    there = paired_difference(labels, a, b, metric, resamples=50)  # type: ignore[arg-type]
    back = paired_difference(labels, b, a, metric, resamples=50)  # type: ignore[arg-type]
    assert there.estimate == pytest.approx(-back.estimate)
    assert there.p == pytest.approx(back.p)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p_sign_flip == pytest.approx(back.p_sign_flip)
    for p in (there.p, there.p_bootstrap, there.p_sign_flip):
        assert 0 <= p <= 1
    assert there.low <= there.estimate + 1e-12
    assert there.high >= there.estimate - 1e-12
    same = paired_difference(labels, a, a, metric, resamples=50)  # type: ignore[arg-type]
    assert (same.estimate, same.p_bootstrap, same.p_sign_flip) == (0, 1, 1)
    assert same.p == 1


def test_it_is_deterministic_and_refuses_what_does_not_fit() -> None:
    labels, a, b = answers(np.random.default_rng(1), 2)
    assert paired_difference(labels, a, b, "mean") == paired_difference(labels, a, b, "mean")
    for wrong in ((labels, a[:1], b), (labels[:-1], a, b), (labels, a[0], b[0]), ([], [[]], [[]])):
        with pytest.raises(ValueError, match="do not fit"):
            paired_difference(*wrong, "mean")


matrices = st.lists(
    st.lists(st.integers(0, 30), min_size=5, max_size=5), min_size=5, max_size=5
).map(lambda m: np.array(m) + np.eye(5, dtype=int))


@given(matrices)
def test_macro_f1_is_the_mean_of_harmonic_means(matrix: np.ndarray) -> None:
    scores = []
    for c in range(5):
        recall = matrix[c, c] / matrix[c].sum()
        precision = matrix[c, c] / matrix[:, c].sum()
        scores.append(2 * precision * recall / (precision + recall))
    assert macro_f1(matrix) == pytest.approx(np.mean(scores))


def test_ranks_and_the_worst_class() -> None:
    recall = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.2]
    matrix = np.diag([round(10 * r) for r in recall])
    matrix[:, 0] += 10 - np.diag(matrix)
    matrix[0, 0] = 9
    matrix[0, 1] = 1
    means = rank_means(matrix, (7, 6, 5, 4, 3, 2, 1))
    assert (means.head, means.middle, means.tail) == pytest.approx((0.85, 0.6, 0.3))
    turned = rank_means(matrix, (1, 2, 3, 4, 5, 6, 7))
    assert (turned.head, turned.tail) == (means.tail, means.head)
    assert worst_class(matrix) == (6, pytest.approx(0.2))
    with pytest.raises(ValueError, match="2 counts for 7"):
        rank_means(matrix, (1, 2))


def test_calibration_by_hand_and_by_loops() -> None:
    rng = np.random.default_rng(2)
    logits, labels = rng.normal(size=(500, 4)) * 2, rng.integers(0, 4, 500)
    powers = np.exp(logits)
    shares = powers / powers.sum(axis=1, keepdims=True)
    total = 0.0
    for number in range(15):
        low, high = number / 15, (number + 1) / 15
        chosen = [i for i in range(500) if low < shares[i].max() <= high]
        if chosen:
            accuracy = np.mean([shares[i].argmax() == labels[i] for i in chosen])
            total += len(chosen) / 500 * abs(accuracy - np.mean([shares[i].max() for i in chosen]))
    assert expected_calibration_error(logits, labels) == pytest.approx(total)
    sure = np.array([[800.0, 0.0], [800.0, 0.0]], dtype=np.float32)  # exp(800) is infinite
    assert expected_calibration_error(sure, np.array([0, 1])) == pytest.approx(0.5)


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_a_whole_table_is_decided_as_its_single_comparisons(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    labels = rng.integers(0, 4, 300)
    a, b = (rng.random((seeds, 300)) < share for share in (0.8, 0.7))
    decided = deciding_p_values(labels, a, b)
    for metric in ("overall", "mean"):
        assert decided[metric] == pytest.approx(paired_difference(labels, a, b, metric).p)
    for label in range(4):
        images = labels == label
        alone = paired_difference(labels[images], a[:, images], b[:, images], "overall")
        assert decided[label] == pytest.approx(alone.p)
