"""Paired differences against scipy, slow references written from the formula, and null data."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from made_answers import SIZES, answers

from benchmark.stats.accuracy import accuracy_weights
from benchmark.stats.crossed import image_variance
from benchmark.stats.paired import contrast, deciding_p_values, paired_difference


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


@pytest.mark.exhaustive
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


def test_one_seed_takes_its_luck_for_the_method() -> None:
    """Why one seed decides nothing of methods that are alike, and two do."""
    rng = np.random.default_rng(4)
    alarms = {
        seeds: np.mean(
            [
                paired_difference(*answers(rng, seeds, seed_spread=0.4), "overall", resamples=10).p
                <= 0.05
                for _ in range(300)
            ]
        )
        for seeds in (1, 2)
    }
    assert alarms[1] > 0.15
    assert alarms[2] <= scipy.stats.binom.ppf(0.999, 300, 0.05) / 300


def test_a_real_difference_is_found() -> None:
    rng = np.random.default_rng(5)
    for metric in ("overall", "mean"):
        labels, a, b = answers(rng, 3, seed_spread=0.05, skill=1.2)
        found = paired_difference(labels, a, b, metric)  # type: ignore[arg-type]
        assert found.p < 0.01
        assert 0 < found.low < found.estimate < found.high
        assert found.p_sign_flip == 0.25  # three seeds cannot say more


def variance_with_lent(differences: np.ndarray) -> float:
    """The variance of a mean of a class's differences, two images lent, from the definition."""
    lent = [*map(float, differences), 1.0, -1.0]
    return float(np.var(lent, ddof=1) / len(lent))


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
    weights = accuracy_weights(SIZES, metric)
    x = (a.astype(float) - b).mean(axis=0)
    lent = sum(
        weight**2 * (variance_with_lent(part) - np.var(part, ddof=1) / len(part))
        for weight, part in zip(weights, (x[m] for m in members), strict=True)
    )
    assert found.error_images == pytest.approx(np.sqrt(np.var(redrawn) + lent), rel=0.1)


def test_one_class_and_one_seed_is_bonett_and_prices_variance() -> None:
    rng = np.random.default_rng(9)
    a, b = rng.random((1, 300)) < 0.7, rng.random((1, 300)) < 0.6
    found = paired_difference(np.zeros(300, int), a, b, "overall")
    only_a, only_b = ((a & ~b).sum() + 1) / 302, ((b & ~a).sum() + 1) / 302
    error = np.sqrt((only_a + only_b - (only_a - only_b) ** 2) / 301)  # they divide by 302
    assert found.error == pytest.approx(error)
    theirs = scipy.stats.norm(a.mean() - b.mean(), error)
    np.testing.assert_allclose((found.low, found.high), theirs.interval(0.95))
    assert found.p == pytest.approx(2 * scipy.stats.norm.sf(found.estimate / error))
    without = scipy.stats.ttest_rel(a[0].astype(float), b[0].astype(float))
    assert found.p == pytest.approx(without.pvalue, abs=0.005), "300 images hardly feel two"


def test_seeds_alone_are_nearly_welchs_t_test() -> None:
    """Where all images agree within a seed, the seeds vary and little else."""
    a = np.repeat([[True], [True], [False], [True]], 50_000, axis=1)
    b = np.repeat([[False], [True], [False], [False]], 50_000, axis=1)
    found = paired_difference(np.zeros(50_000, int), a, b, "overall")
    theirs = scipy.stats.ttest_ind([1.0, 1, 0, 1], [0.0, 1, 0, 0], equal_var=False)
    assert found.p == pytest.approx(theirs.pvalue, abs=1e-6)
    assert found.error_images < 1e-4


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


@pytest.mark.parametrize("seeds", [1, 2, 4])
@pytest.mark.parametrize("metric", ["overall", "mean"])
def test_accuracies_are_the_paired_difference(seeds: int, metric: str) -> None:
    labels, a, b = answers(np.random.default_rng(seeds), seeds, seed_spread=0.3, skill=0.2)
    weights = accuracy_weights(SIZES, metric)
    found = contrast(labels, a, b, weights, weights)
    plain = paired_difference(labels, a, b, metric, resamples=10)  # type: ignore[arg-type]
    for name in ("estimate", "low", "high", "p", "error", "freedom"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name))


def test_one_class_and_two_classes() -> None:
    labels, a, b = answers(np.random.default_rng(11), 1)
    only = np.eye(len(SIZES))[2]
    part = labels == 2
    found = contrast(labels, a, b, only, only)
    assert found.error**2 == pytest.approx(
        variance_with_lent(a[0, part].astype(float) - b[0, part])
    )
    apart = np.eye(len(SIZES))[0] - only
    found = contrast(labels, a, np.zeros_like(a), apart, 0 * apart)
    first, second = a[0, labels == 0].astype(float), a[0, part].astype(float)
    assert found.estimate == pytest.approx(first.mean() - second.mean())
    # Agresti and Caffo: one image right and one wrong more in each class.
    more = [np.array([*answers_of, 1, 0]) for answers_of in (first, second)]
    variance = sum(np.var(x, ddof=1) / len(x) for x in more)
    assert found.error**2 == pytest.approx(variance)


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
def test_answers_that_never_vary_are_no_certainty(seeds: int) -> None:
    right, wrong = np.ones((seeds, 18), dtype=bool), np.zeros((seeds, 18), dtype=bool)
    found = contrast(np.zeros(18, int), right, wrong, [1.0], [1.0])
    assert found.estimate == 1
    assert 0.6 < found.low < 0.9
    alike = contrast(np.zeros(18, int), right, right, [1.0], [1.0])
    assert (alike.estimate, alike.p) == (0, 1)
    assert 0.1 < alike.high < 0.2, "nothing of 18 leaves room for a sixth"
    nothing = contrast(np.zeros(18, int), right, wrong, [0.0], [0.0])
    assert (nothing.estimate, nothing.low, nothing.high, nothing.p) == (0, 0, 0, 1)


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


@given(st.integers(0, 2**31), st.sampled_from(["overall", "mean"]))
@settings(max_examples=30)
def test_image_variance_is_that_of_each_class(seed: int, metric: str) -> None:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), [40, 25, 10])
    a, b = (rng.random((2, 75)) < rng.random()).mean(axis=0), rng.random(75) < rng.random()
    weights = accuracy_weights(np.bincount(labels), metric)
    parts = [weights[c] ** 2 * variance_with_lent((a - b)[labels == c]) for c in range(3)]
    assert image_variance(labels, a, b, weights) == pytest.approx(sum(parts))
    assert image_variance(labels, b, a, weights) == pytest.approx(sum(parts))
