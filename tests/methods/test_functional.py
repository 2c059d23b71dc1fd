"""Every formula against its slow reference, its properties and its gradient."""

from __future__ import annotations

import math

import pytest
import slow_reference as slow
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from methods import functional as fn

counts_of = st.lists(st.integers(1, 10_000), min_size=2, max_size=9)
seeds = st.integers(0, 2**31)


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def probabilities(seed: int, n: int, k: int, sharpness: float = 2.0) -> Tensor:
    return (sharpness * random(seed, n, k)).softmax(dim=1)


def labels_of(seed: int, n: int, k: int) -> Tensor:
    return torch.randint(k, (n,), generator=torch.Generator().manual_seed(seed))


def close(actual: Tensor, expected: object) -> None:
    torch.testing.assert_close(
        actual.double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=1e-7
    )


@given(counts_of)
def test_inverse_frequency_weights(counts: list[int]) -> None:
    weights = fn.inverse_frequency_weights(counts)
    close(weights, slow.inverse_frequency_weights(counts))
    assert bool((weights > 0).all())
    # Every class contributes the same to the weighted mean of the training set.
    close(weights.double() * torch.tensor(counts), [sum(counts) / 10] * len(counts))


@given(st.lists(st.integers(1, 400), min_size=2, max_size=9), st.floats(0, 0.9999))
def test_effective_number_weights(counts: list[int], beta: float) -> None:
    weights = fn.effective_number_weights(counts, beta)
    close(weights, slow.effective_number_weights(counts, beta))
    close(weights.sum(), float(len(counts)))
    order = torch.tensor(counts).argsort()
    assert bool((weights[order].diff() <= 1e-6).all()), "rarer classes never weigh less"


def test_effective_number_weights_limits() -> None:
    close(fn.effective_number_weights([5, 50, 500], 0.0), [1.0, 1.0, 1.0])
    for beta in (1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match="beta"):
            fn.effective_number_weights([5, 50], beta)


@pytest.mark.parametrize("counts", [[3, 0], [-1, 2], [[1, 2], [3, 4]]])
def test_weights_refuse_empty_classes(counts: list[int]) -> None:
    for weights in (fn.inverse_frequency_weights, fn.reversed_sampling_probabilities):
        with pytest.raises(ValueError, match="positive"):
            weights(counts)


@given(counts_of, seeds, st.floats(0, 1), st.floats(0.1, 100))
def test_rebalanced_smooth_labels(
    counts: list[int], seed: int, smoothing: float, scale: float
) -> None:
    labels = labels_of(seed, 6, len(counts))
    weights = fn.inverse_frequency_weights(counts).double()
    targets = fn.rebalanced_smooth_labels(labels, weights, smoothing)
    close(targets, slow.smooth_labels(labels.tolist(), weights.tolist(), smoothing))
    close(targets.sum(dim=1), [1.0] * 6)
    close(fn.rebalanced_smooth_labels(labels, scale * weights, smoothing), targets.tolist())


@given(seeds, st.integers(1, 6), st.integers(2, 8))
def test_soft_cross_entropy(seed: int, n: int, k: int) -> None:
    logits, targets = random(seed, n, k), probabilities(seed + 1, n, k)
    loss = fn.soft_cross_entropy(logits, targets)
    close(loss, slow.cross_entropy(logits.tolist(), targets.tolist()))
    labels = labels_of(seed, n, k)
    hard = fn.soft_cross_entropy(logits, F.one_hot(labels, k).double())
    torch.testing.assert_close(hard, F.cross_entropy(logits, labels))


@given(seeds, st.integers(1, 6), st.integers(2, 8))
def test_weighted_cross_entropy_divides_by_the_batch(seed: int, n: int, k: int) -> None:
    logits, labels = random(seed, n, k), labels_of(seed, n, k)
    weights = random(seed + 1, k).exp()
    loss = fn.weighted_cross_entropy(logits, labels, weights)
    close(loss, slow.class_balanced_loss(logits.tolist(), labels.tolist(), weights.tolist()))


def test_weighted_cross_entropy_is_not_torchs() -> None:
    logits, labels, weights = random(0, 5, 3), torch.zeros(5, dtype=torch.long), random(1, 3).exp()
    ours = fn.weighted_cross_entropy(logits, labels, weights)
    torchs = F.cross_entropy(logits, labels, weight=weights)
    torch.testing.assert_close(ours, weights[0] * torchs)
    assert not torch.isclose(ours, torchs)


@given(seeds)
def test_class_attention_maps_average_to_the_logits(seed: int) -> None:
    features, weight = random(seed, 2, 5, 3, 4), random(seed + 1, 7, 5)
    maps = fn.class_attention_maps(features, weight)
    assert maps.shape == (2, 7, 3, 4)
    torch.testing.assert_close(maps.mean(dim=(2, 3)), features.mean(dim=(2, 3)) @ weight.T)
    close(maps, slow.class_attention_maps(features.tolist(), weight.tolist()))


def test_class_attention_maps_leave_the_classifier_alone() -> None:
    features, weight = random(0, 2, 5, 3, 3).requires_grad_(), random(1, 7, 5).requires_grad_()
    fn.class_attention_maps(features, weight).square().sum().backward()
    assert weight.grad is None
    assert features.grad is not None
    assert features.grad.abs().sum() > 0


@given(seeds, st.integers(1, 3), st.integers(2, 5), st.booleans())
def test_attention_consistency(seed: int, n: int, k: int, weighted: bool) -> None:
    maps, mirrored = random(seed, n, k, 3, 4), random(seed + 1, n, k, 3, 4)
    weights = random(seed + 2, k).exp() if weighted else None
    value = fn.attention_consistency(maps, mirrored, weights)
    plain = None if weights is None else weights.tolist()
    close(value, slow.attention_consistency(maps.tolist(), mirrored.tolist(), plain))
    torch.testing.assert_close(value, fn.attention_consistency(mirrored, maps, weights))
    assert fn.attention_consistency(maps, maps.flip(-1), weights) == 0
    assert value > 0


def test_attention_consistency_passes_gradients_to_both_maps() -> None:
    maps, mirrored = random(0, 2, 3, 4, 4).requires_grad_(), random(1, 2, 3, 4, 4).requires_grad_()
    fn.attention_consistency(maps, mirrored, torch.ones(3)).backward()
    assert maps.grad is not None
    assert mirrored.grad is not None
    torch.testing.assert_close(mirrored.grad, -maps.grad.flip(-1))


def test_weighted_consistency_sums_over_classes() -> None:
    maps, mirrored = random(0, 2, 7, 4, 4), random(1, 2, 7, 4, 4)
    ones = fn.attention_consistency(maps, mirrored, torch.ones(7, dtype=torch.float64))
    torch.testing.assert_close(ones, 7 * fn.attention_consistency(maps, mirrored))


@given(seeds, st.integers(1, 200), st.floats(0, 0.5))
def test_rank_regularization(seed: int, n: int, margin: float) -> None:
    importance = torch.sigmoid(random(seed, n))
    value = fn.rank_regularization(importance, 0.7, margin)
    close(value, slow.rank_regularization(importance.tolist(), 0.7, margin))
    close(fn.rank_regularization(importance[:, None], 0.7, margin), float(value))


@pytest.mark.parametrize(("n", "high"), [(90, 62), (170, 118), (180, 125), (10, 7)])
def test_rank_regularization_counts_as_python_does(n: int, high: int) -> None:
    importance = torch.zeros(n, dtype=torch.float64)
    importance[:high] = 1.0  # any other group size gives means that are not 1 and 0
    assert fn.rank_regularization(importance, 0.7, 1.0) == 0


def test_rank_regularization_is_silent_when_met() -> None:
    importance = torch.tensor([0.9, 0.9, 0.9, 0.1]).requires_grad_()
    value = fn.rank_regularization(importance, 0.7, 0.1)
    value.backward()
    assert value.item() == 0
    assert importance.grad is not None
    assert not importance.grad.any()


def test_rank_regularization_of_one_sample_is_zero() -> None:
    importance = torch.tensor([0.4]).requires_grad_()
    value = fn.rank_regularization(importance, 0.7, 0.15)
    value.backward()
    assert value.item() == 0


@given(seeds, st.integers(1, 8), st.integers(2, 8), st.floats(0, 1))
def test_relabel(seed: int, n: int, k: int, margin: float) -> None:
    p, labels = probabilities(seed, n, k), labels_of(seed, n, k)
    new = fn.relabel(p, labels, margin)
    assert new.tolist() == slow.relabel(p.tolist(), labels.tolist(), margin)
    assert torch.equal(fn.relabel(p, new, margin), new), "relabelling twice changes nothing more"


def test_relabel_is_strict() -> None:
    p = torch.tensor([[0.25, 0.75]])
    assert fn.relabel(p, torch.tensor([0]), 0.5).tolist() == [0]
    assert fn.relabel(p, torch.tensor([0]), 0.49).tolist() == [1]


@given(seeds, st.integers(1, 8))
def test_uncertainty_mixup(seed: int, n: int) -> None:
    features, a = random(seed, n, 5), random(seed + 1, n).exp()
    partner = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    mixed = fn.uncertainty_mixup(features, a, partner)
    close(mixed, slow.uncertainty_mixup(features.tolist(), a.tolist(), partner.tolist()))
    close(fn.uncertainty_mixup(features, a[:, None], partner), mixed.tolist())
    low = torch.minimum(features, features[partner]) - 1e-12
    high = torch.maximum(features, features[partner]) + 1e-12
    assert bool(((mixed >= low) & (mixed <= high)).all()), "mixing is convex"
    torch.testing.assert_close(fn.uncertainty_mixup(features, a, torch.arange(n)), features)


@given(seeds, st.integers(1, 6), st.integers(2, 8), st.floats(0.05, 4), st.floats(0, 0.9))
def test_soft_label_smoothing(seed: int, n: int, k: int, sharpness: float, epsilon: float) -> None:
    p = probabilities(seed, n, k, sharpness)
    targets = fn.soft_label_smoothing(p, 1 / k, epsilon)
    close(targets, slow.soft_label_smoothing(p.tolist(), 1 / k, epsilon))
    close(targets.sum(dim=1), [1.0] * n)
    assert bool((targets >= 0).all())


def test_soft_label_smoothing_edges_stay_finite() -> None:
    uniform = torch.full((2, 7), 1 / 7)
    none_above = fn.soft_label_smoothing(uniform, 1 / 7, 0.3)
    close(none_above.sum(dim=1), [1.0, 1.0])
    close(none_above[0].sort().values, [0.05] * 6 + [0.7])
    all_above = fn.soft_label_smoothing(uniform, 0.01, 0.3)
    close(all_above, uniform.tolist())


@given(st.integers(0, 100), st.floats(0, 50), st.integers(1, 3000), st.integers(1, 200))
def test_ramps_against_their_references(epoch: int, length: float, step: int, most: int) -> None:
    assert fn.sigmoid_rampup(epoch, length) == pytest.approx(slow.sigmoid_rampup(epoch, length))
    assert fn.ema_decay(step, 0.999) == pytest.approx(slow.ema_decay(step, 0.999))
    first = 1 + epoch % most
    assert fn.bilateral_alpha(first, most) == pytest.approx(slow.bilateral_alpha(first, most))


def test_ramps() -> None:
    assert fn.sigmoid_rampup(0, 5) == pytest.approx(math.exp(-5))
    assert fn.sigmoid_rampup(5, 5) == fn.sigmoid_rampup(9, 5) == fn.sigmoid_rampup(0, 0) == 1
    ramp = [fn.sigmoid_rampup(epoch, 5) for epoch in range(6)]
    assert ramp == sorted(ramp)
    assert fn.ema_decay(1, 0.999) == 0.5
    assert fn.ema_decay(999, 0.999) == fn.ema_decay(10**9, 0.999) == 0.999
    assert fn.bilateral_alpha(1, 60) == 1
    assert 0 < fn.bilateral_alpha(60, 60) < fn.bilateral_alpha(59, 60) < 1
    assert fn.bilateral_alpha(31, 60) == pytest.approx(0.75)


@given(counts_of)
def test_reversed_sampling_probabilities(counts: list[int]) -> None:
    p = fn.reversed_sampling_probabilities(counts)
    close(p, slow.reversed_sampling_probabilities(counts))
    close(p.double().sum(), 1.0)
    close(p.double() * torch.tensor(counts) / (p[0].double() * counts[0]), [1.0] * len(counts))


def test_float64_stays_float64() -> None:
    counts = torch.tensor([50.0, 7, 3], dtype=torch.float64)
    exact = counts.sum() / (10 * counts)
    torch.testing.assert_close(fn.inverse_frequency_weights(counts), exact, rtol=0, atol=1e-15)
    for weights in (
        fn.effective_number_weights(counts, 0.9),
        fn.reversed_sampling_probabilities(counts),
    ):
        assert weights.dtype == torch.float64
    assert fn.inverse_frequency_weights([50, 7, 3]).dtype == torch.float32
    p = probabilities(0, 4, 7)
    targets = fn.soft_label_smoothing(p, 1 / 7, 0.3)
    expected = torch.tensor(slow.soft_label_smoothing(p.tolist(), 1 / 7, 0.3), dtype=torch.float64)
    torch.testing.assert_close(targets, expected, rtol=1e-14, atol=1e-15)


def test_gradients_in_float64() -> None:
    maps, mirrored = random(0, 2, 3, 2, 3).requires_grad_(), random(1, 2, 3, 2, 3).requires_grad_()
    weights = random(2, 3).exp()
    logits = random(3, 4, 3).requires_grad_()
    labels = torch.tensor([0, 2, 1, 1])
    a = random(4, 4).exp().requires_grad_()
    importance = torch.sigmoid(random(5, 10)).requires_grad_()
    partner = torch.tensor([2, 0, 3, 1])
    check = torch.autograd.gradcheck
    assert check(lambda m, n: fn.attention_consistency(m, n, weights), (maps, mirrored))
    assert check(fn.attention_consistency, (maps, mirrored))
    assert check(lambda z: fn.weighted_cross_entropy(z, labels, weights), (logits,))
    assert check(
        lambda z: fn.soft_cross_entropy(z, fn.rebalanced_smooth_labels(labels, weights, 0.3)),
        (logits,),
    )
    assert check(lambda f, u: fn.uncertainty_mixup(f, u, partner), (logits, a))
    assert check(lambda i: fn.rank_regularization(i, 0.7, 5.0), (importance,))
