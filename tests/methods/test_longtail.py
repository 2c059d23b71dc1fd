"""The formulas of the long-tailed rows: slow references, properties, gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import slow_reference as slow
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from test_functional import close, counts_of, labels_of, probabilities, random, seeds
from torch import Tensor

from methods import functional as fn

small_counts = st.lists(st.integers(1, 400), min_size=2, max_size=9)
sizes = st.integers(1, 6)
classes = st.integers(2, 8)
gammas = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 5.0])


def partner_of(seed: int, n: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


@given(seeds, sizes, classes, gammas, st.booleans())
def test_focal_loss(seed: int, n: int, k: int, gamma: float, weighted: bool) -> None:
    logits, labels = 3 * random(seed, n, k), labels_of(seed, n, k)
    weights = random(seed + 1, k).exp() if weighted else None
    plain = [1.0] * k if weights is None else weights.tolist()
    rows = logits.tolist(), labels.tolist()
    close(fn.focal_loss(logits, labels, gamma, weights), slow.focal_loss(*rows, gamma, plain))
    close(
        fn.sigmoid_focal_loss(logits, labels, gamma, weights),
        slow.sigmoid_focal_loss(*rows, gamma, plain),
    )


@given(seeds, sizes, classes)
def test_focal_loss_at_gamma_0_is_cross_entropy(seed: int, n: int, k: int) -> None:
    logits, labels = random(seed, n, k), labels_of(seed, n, k)
    torch.testing.assert_close(fn.focal_loss(logits, labels, 0.0), F.cross_entropy(logits, labels))
    binary = F.binary_cross_entropy_with_logits(
        logits, F.one_hot(labels, k).double(), reduction="sum"
    )
    torch.testing.assert_close(fn.sigmoid_focal_loss(logits, labels, 0.0), binary / n)


@pytest.mark.parametrize("loss", [fn.focal_loss, fn.sigmoid_focal_loss])
@pytest.mark.parametrize("gamma", [0.0, 0.25, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("size", [0.0, 20.0, 89.0, 1e4])
def test_focal_gradients_are_finite_where_all_is_certain(
    loss: Callable[..., Tensor], gamma: float, size: float
) -> None:
    logits = torch.tensor([[size, 0.0, -size], [-size, 0.0, size]], requires_grad=True)
    value = loss(logits, torch.tensor([0, 0]), gamma)
    value.backward()
    assert logits.grad is not None
    assert bool(torch.isfinite(value))
    assert bool(torch.isfinite(logits.grad).all())
    assert bool(logits.grad[1].any()), "the sample that is wrong still teaches"


@given(counts_of, st.floats(0.01, 2))
def test_ldam_margins(counts: list[int], most: float) -> None:
    margins = fn.ldam_margins(counts, most)
    close(margins, slow.ldam_margins(counts, most))
    close(margins.max(), most)
    order = torch.tensor(counts).argsort()
    assert bool((margins[order].diff() <= 1e-6).all()), "rarer classes never have less"


@given(seeds, sizes, classes, st.booleans(), st.sampled_from([1.0, 10.0, 30.0]))
def test_ldam_loss(seed: int, n: int, k: int, weighted: bool, scale: float) -> None:
    features, weight, labels = random(seed, n, 5), random(seed + 1, k, 5), labels_of(seed, n, k)
    margins = random(seed + 2, k).sigmoid()
    weights = random(seed + 3, k).exp() if weighted else None
    plain = [1.0] * k if weights is None else weights.tolist()
    cosines = fn.cosine_logits(features, weight)
    close(cosines, slow.cosines(features.tolist(), weight.tolist()))
    value = fn.ldam_loss(cosines, labels, margins, scale, weights)
    rows = cosines.tolist(), labels.tolist(), margins.tolist()
    close(value, slow.ldam_loss(*rows, scale, plain))
    none = fn.ldam_loss(cosines, labels, torch.zeros(k), scale, weights)
    torch.testing.assert_close(none, F.cross_entropy(scale * cosines, labels, weight=weights))
    assert value >= none, "a margin only makes it harder"


def test_cosines_of_nothing_are_zero_with_a_gradient_that_is_small() -> None:
    features = torch.zeros(2, 3, requires_grad=True)
    weight = torch.eye(3)[:2]
    cosines = fn.cosine_logits(features, weight)
    cosines.sum().backward()
    assert not cosines.any()
    assert features.grad is not None
    assert float(features.grad.abs().max()) <= 1


@given(small_counts, st.floats(0, 0.9999), st.integers(0, 9), st.floats(0, 9))
def test_deferred_weights(counts: list[int], beta: float, epoch: int, start: float) -> None:
    weights = fn.deferred_weights(counts, beta, epoch, start)
    close(weights, slow.deferred_weights(counts, beta, epoch, start))
    close(weights.sum(), float(len(counts)))


@given(st.integers(1, 300), st.sampled_from([0.0, 0.07, 0.55, 0.8, 1.0]))
def test_deferral_starts_within_the_training(epochs: int, share: float) -> None:
    start = fn.deferral_start(epochs, share)
    first = min(epoch for epoch in range(epochs) if epoch >= start)
    assert first == slow.deferral_start(epochs, share)


def test_deferral_starts_where_the_authors_do() -> None:
    for epochs, first in ((200, 160), (6, 5), (1, 0), (3, 2), (10, 8)):
        start = fn.deferral_start(epochs, 0.8)
        assert [e for e in range(epochs) if e >= start][0] == first, epochs  # noqa: RUF015


@given(seeds, sizes, small_counts, st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_logit_adjusted_loss(seed: int, n: int, counts: list[int], tau: float) -> None:
    k = len(counts)
    logits, labels = random(seed, n, k), labels_of(seed, n, k)
    adjustment = fn.logit_adjustment(counts, tau)
    close(adjustment, slow.logit_adjustment(counts, tau))
    assert bool((adjustment <= 0).all())
    value = fn.logit_adjusted_loss(logits, labels, adjustment)
    rows = logits.tolist(), labels.tolist()
    close(value, slow.shifted_loss(*rows, [1.0] * k, adjustment.tolist()))
    balanced = fn.balanced_softmax_loss(logits, labels, counts)
    close(balanced, slow.balanced_softmax_loss(*rows, counts))
    at_one = fn.logit_adjusted_loss(logits, labels, fn.logit_adjustment(counts, 1.0))
    torch.testing.assert_close(balanced, at_one, rtol=1e-5, atol=1e-6)
    if len(set(counts)) == 1:
        torch.testing.assert_close(balanced, F.cross_entropy(logits, labels))


@given(seeds, sizes, small_counts, st.floats(0, 1), st.floats(0, 2))
def test_vector_scaling_loss(
    seed: int, n: int, counts: list[int], gamma: float, tau: float
) -> None:
    k = len(counts)
    logits, labels = random(seed, n, k), labels_of(seed, n, k)
    scale, shift = fn.vector_scaling(counts, gamma, tau)
    close(scale, slow.vector_scale(counts, gamma))
    close(shift, slow.logit_adjustment(counts, tau))
    assert bool((scale >= 1 - 1e-6).all())
    value = fn.vector_scaling_loss(logits, labels, scale, shift)
    rows = logits.tolist(), labels.tolist()
    close(value, slow.shifted_loss(*rows, scale.tolist(), shift.tolist()))
    adjusted = fn.logit_adjusted_loss(logits, labels, fn.logit_adjustment(counts, tau))
    torch.testing.assert_close(
        fn.vector_scaling_loss(logits, labels, *fn.vector_scaling(counts, 0.0, tau)), adjusted
    )
    temperatures = F.cross_entropy(logits / scale, labels)
    torch.testing.assert_close(
        fn.vector_scaling_loss(logits, labels, *fn.vector_scaling(counts, gamma, 0.0)), temperatures
    )


@given(seeds, sizes, classes, st.floats(0, 2))
def test_tau_normalized(seed: int, n: int, k: int, tau: float) -> None:
    features, weight, bias = random(seed, n, 5), random(seed + 1, k, 5), random(seed + 2, k)
    weight[0] = 0.0
    rows = fn.tau_normalized(weight, tau)
    close(rows, slow.tau_normalized(weight.tolist(), tau))
    stored = F.linear(features, weight, bias)
    found = fn.tau_normalized_logits(stored, weight.norm(dim=1), bias, tau)
    torch.testing.assert_close(found, features @ rows.T)
    torch.testing.assert_close(fn.tau_normalized(weight, 0.0), weight)
    torch.testing.assert_close(
        fn.tau_normalized(weight, 1.0)[1:].norm(dim=1), torch.ones(k - 1, dtype=torch.float64)
    )


@given(counts_of, st.floats(0, 1), st.floats(0, 1))
def test_label_aware_smoothing(counts: list[int], head: float, tail: float) -> None:
    smoothing = fn.label_aware_smoothing(counts, head, tail)
    close(smoothing, slow.label_aware_smoothing(counts, head, tail))
    low, high = sorted((head, tail))
    assert bool(((smoothing >= low - 1e-6) & (smoothing <= high + 1e-6)).all())


def test_label_aware_smoothing_of_equal_counts_is_finite() -> None:
    close(fn.label_aware_smoothing([9, 9, 9], 0.4, 0.1), [0.25] * 3)


@given(seeds, sizes, classes, st.floats(0, 1))
def test_smooth_labels_uniformly(seed: int, n: int, k: int, smoothing: float) -> None:
    labels, logits = labels_of(seed, n, k), random(seed, n, k)
    targets = fn.smooth_labels(labels, k, smoothing)
    assert targets.dtype == torch.float32
    close(targets, slow.uniform_smooth_labels(labels.tolist(), k, [smoothing] * n))
    torch.testing.assert_close(
        fn.soft_cross_entropy(logits, targets.double()),
        F.cross_entropy(logits, labels, label_smoothing=smoothing),
        rtol=1e-5,
        atol=1e-6,
    )
    each = random(seed + 1, n).sigmoid()
    close(
        fn.smooth_labels(labels, k, each),
        slow.uniform_smooth_labels(labels.tolist(), k, each.tolist()),
    )


@given(counts_of, st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 9), st.integers(0, 8))
def test_sampling_probabilities(counts: list[int], power: float, epochs: int, past: int) -> None:
    p = fn.sampling_probabilities(counts, power)
    close(p, slow.sampling_probabilities(counts, power))
    epoch = past % epochs
    moved = fn.progressive_sampling_probabilities(counts, epoch, epochs)
    close(moved, slow.progressive_sampling_probabilities(counts, epoch, epochs))
    for found in (p, moved):
        close(found.double().sum(), 1.0)
        assert bool((found > 0).all())


def test_sampling_goes_from_natural_to_balanced() -> None:
    counts = [60, 30, 10]
    natural, balanced = [0.6, 0.3, 0.1], [1 / 3] * 3
    close(fn.sampling_probabilities(counts, 1.0), natural)
    close(fn.sampling_probabilities(counts, 0.0), balanced)
    close(fn.progressive_sampling_probabilities(counts, 0, 6), natural)
    close(fn.progressive_sampling_probabilities(counts, 5, 6), balanced)
    close(fn.progressive_sampling_probabilities(counts, 0, 1), natural)


@given(seeds, sizes, classes, st.floats(0, 1))
def test_mixup(seed: int, n: int, k: int, lam: float) -> None:
    images, labels, partner = random(seed, n, 4), labels_of(seed, n, k), partner_of(seed, n)
    mixed = fn.mixup(images, partner, lam)
    close(mixed, slow.mixup(images.tolist(), partner.tolist(), lam))
    deep = fn.mixup(images.reshape(n, 1, 2, 2), partner, lam)
    assert torch.equal(deep.reshape(n, 4), mixed)
    rows = labels.tolist(), partner.tolist()
    targets = fn.mixup_targets(labels, partner, lam, k)
    assert targets.dtype == torch.float32
    close(targets, slow.mixup_targets(*rows, [lam] * n, k))
    each = random(seed + 1, n).sigmoid()
    close(fn.mixup_targets(labels, partner, each, k), slow.mixup_targets(*rows, each.tolist(), k))
    logits = random(seed + 2, n, k)
    split = lam * F.cross_entropy(logits, labels)
    split += (1 - lam) * F.cross_entropy(logits, labels[partner])
    torch.testing.assert_close(
        fn.soft_cross_entropy(logits, targets.double()), split, rtol=1e-5, atol=1e-6
    )


lams = st.sampled_from([0.0, 0.2, 0.3, 0.5, 0.7, 0.8, 1.0])


@given(seeds, sizes, small_counts, lams, st.sampled_from([1.0, 2.0, 3.0]), st.floats(0, 1))
def test_remix_lambda(
    seed: int, n: int, counts: list[int], lam: float, kappa: float, tau: float
) -> None:
    labels, partner = labels_of(seed, n, len(counts)), partner_of(seed, n)
    found = fn.remix_lambda(labels, partner, counts, lam, kappa, tau)
    rows = labels.tolist(), partner.tolist(), counts
    close(found, slow.remix_lambda(*rows, lam, kappa, tau))
    close(fn.remix_lambda(labels, partner, counts, lam, kappa, 0.0), [lam] * n)


def test_remix_takes_equality_for_frequent_and_is_strict_in_lambda() -> None:
    labels, partner = torch.tensor([0, 1]), torch.tensor([1, 0])
    close(fn.remix_lambda(labels, partner, [30, 10], 0.3, 3.0, 0.5), [0.0, 0.3])
    close(fn.remix_lambda(labels, partner, [30, 10], 0.7, 3.0, 0.5), [0.7, 1.0])
    close(fn.remix_lambda(labels, partner, [29, 10], 0.3, 3.0, 0.5), [0.3, 0.3])
    close(fn.remix_lambda(labels, partner, [30, 10], 0.5, 3.0, 0.5), [0.5, 0.5])


@given(st.integers(1, 100_000), st.floats(0, 1))
def test_decay_over(steps: int, decay: float) -> None:
    found = fn.decay_over(steps, decay, 15360)
    assert found == pytest.approx(slow.decay_over(steps, decay, 15360))
    assert 0 <= found <= decay


def test_decay_over_keeps_the_authors_own() -> None:
    assert fn.decay_over(15360, 0.999, 15360) == pytest.approx(0.999)
    assert fn.decay_over(10**7, 0.999, 15360) == 0.999
    assert fn.decay_over(2340, 0.999, 15360) == pytest.approx(1 - 0.001 * 15360 / 2340)
    assert fn.decay_over(1, 0.999, 15360) == fn.decay_over(15, 0.999, 15360) == 0


@given(st.floats(1, 61), st.integers(60, 200))
def test_bilateral_alpha_between_epochs(epoch: float, most: int) -> None:
    assert fn.bilateral_alpha(epoch, most) == pytest.approx(
        slow.bilateral_alpha_between(epoch, most)
    )


@given(counts_of, st.floats(0, 1), st.floats(0, 30))
def test_powered_weights(counts: list[int], power: float, total: float) -> None:
    weights = fn.inverse_frequency_weights(counts)
    found = fn.powered_weights(weights, power, total)
    expected = [w**power for w in weights.tolist()]
    if total > 0:
        expected = [w * total / sum(expected) for w in expected]
    close(found, expected)
    assert torch.equal(fn.powered_weights(weights, 1.0, 0.0), weights)


@pytest.mark.parametrize("counts", [[3, 0], [-1, 2], [[1, 2], [3, 4]]])
def test_empty_classes_are_refused(counts: list[int]) -> None:
    labels, partner = torch.tensor([0]), torch.tensor([0])
    takers: list[Callable[[], object]] = [
        lambda: fn.ldam_margins(counts, 0.5),
        lambda: fn.deferred_weights(counts, 0.9, 0, 5),
        lambda: fn.balanced_softmax_loss(torch.zeros(1, 2), labels, counts),
        lambda: fn.logit_adjustment(counts, 1.0),
        lambda: fn.vector_scaling(counts, 0.3, 1.0),
        lambda: fn.label_aware_smoothing(counts, 0.3, 0.0),
        lambda: fn.sampling_probabilities(counts, 0.5),
        lambda: fn.progressive_sampling_probabilities(counts, 0, 3),
        lambda: fn.remix_lambda(labels, partner, counts, 0.3, 3.0, 0.5),
    ]
    for take in takers:
        with pytest.raises(ValueError, match="positive"):
            take()


def test_deferred_weights_refuse_a_beta_of_1() -> None:
    with pytest.raises(ValueError, match="beta"):
        fn.deferred_weights([5, 50], math.nan, 9, 5)


def test_float64_counts_give_float64() -> None:
    counts = torch.tensor([50.0, 7, 3], dtype=torch.float64)
    found = (
        fn.ldam_margins(counts, 0.5),
        fn.deferred_weights(counts, 0.9, 1, 0),
        fn.logit_adjustment(counts, 1.0),
        *fn.vector_scaling(counts, 0.3, 1.0),
        fn.label_aware_smoothing(counts, 0.3, 0.0),
        fn.sampling_probabilities(counts, 0.5),
        fn.progressive_sampling_probabilities(counts, 1, 3),
    )
    assert all(values.dtype == torch.float64 for values in found)
    assert fn.ldam_margins([50, 7, 3], 0.5).dtype == torch.float32


def test_gradients_in_float64() -> None:
    logits = random(0, 4, 3).requires_grad_()
    labels, counts = torch.tensor([0, 2, 1, 1]), [50, 7, 3]
    weights = random(2, 3).exp()
    features, rows = random(3, 4, 5).requires_grad_(), random(4, 3, 5).requires_grad_()
    targets = probabilities(5, 4, 3)
    wide = [values.double() for values in fn.vector_scaling(counts, 0.3, 1.0)]
    check = torch.autograd.gradcheck
    for gamma in (0.0, 0.5, 2.0):
        assert check(lambda z, g=gamma: fn.focal_loss(z, labels, g, weights), (logits,))
        assert check(lambda z, g=gamma: fn.sigmoid_focal_loss(z, labels, g, weights), (logits,))
    assert check(lambda z: fn.ldam_loss(z, labels, weights, 3.0, weights), (logits,))
    assert check(fn.cosine_logits, (features, rows))
    assert check(lambda z: fn.balanced_softmax_loss(z, labels, counts), (logits,))
    assert check(lambda z: fn.vector_scaling_loss(z, labels, *wide), (logits,))
    assert check(lambda z: fn.soft_cross_entropy(z, targets), (logits,))
