"""What is particular to each long-tailed row: its loss against slow loops, and what it predicts."""

from __future__ import annotations

import math
from dataclasses import replace
from operator import mul

import pytest
import slow_reference as slow
import torch
from test_functional import close

from benchmark.errors import InputError
from methods.balanced_sampling import BalancedSampling
from methods.base import Batch, Method, Progress, Task
from methods.baseline import Baseline
from methods.cb_focal import CBFocal
from methods.contract import ToyBackbone, step, toy_batch, toy_labels, toy_method
from methods.crt import CRT
from methods.drw import DRW
from methods.focal import Focal
from methods.label_smoothing import LabelSmoothing
from methods.ldam import LDAM
from methods.linear import LinearClassifier
from methods.logit_adjustment import LogitAdjustment
from methods.mixup import Mixup
from methods.tau_norm import TauNorm
from methods.vs import VS

LABELS = toy_labels(64, 7)
COUNTS = torch.bincount(LABELS).tolist()
EARLY, LATE = Progress(0, 10, 0, 100), Progress(8, 10, 80, 100)


def built(method: type[Method], **values: object) -> Method:
    """Return the method on the toy network, in eval mode: no statistics of the batch."""
    torch.manual_seed(0)
    task = Task(7, tuple(COUNTS), LABELS, batch_size=64, map_size=(4, 4))
    return method(ToyBackbone(), task, method.Hyper(**values)).eval()


def batch_of(method: type[Method]) -> Batch:
    return toy_batch(method, torch.arange(64), LABELS, 7)


def scored(method: Method, progress: Progress = EARLY) -> tuple[float, list[list[float]]]:
    """Return the loss of the toy batch, and the logits that it was made of."""
    batch = batch_of(type(method))
    logits = method.predict(batch.images).detach()
    return float(method(batch, progress).total.detach()), logits.tolist()


def test_logit_adjustment_is_the_balanced_softmax_in_training_and_plain_at_test() -> None:
    method = built(LogitAdjustment)
    assert isinstance(method, LinearClassifier)
    loss, logits = scored(method)
    close(torch.tensor(loss), slow.balanced_softmax_loss(logits, LABELS.tolist(), COUNTS))
    features = method.backbone(batch_of(LogitAdjustment).images)
    torch.testing.assert_close(torch.tensor(logits), method.head(features))
    loss, logits = scored(built(LogitAdjustment, tau=0.5))
    shift = slow.logit_adjustment(COUNTS, 0.5)
    close(torch.tensor(loss), slow.shifted_loss(logits, LABELS.tolist(), [1.0] * 7, shift))


def test_vs_divides_and_shifts_in_training_and_is_plain_at_test() -> None:
    loss, logits = scored(built(VS))
    scale, shift = slow.vector_scale(COUNTS, 0.3), slow.logit_adjustment(COUNTS, 1.0)
    close(torch.tensor(loss), slow.shifted_loss(logits, LABELS.tolist(), scale, shift))
    at_zero, adjusted = scored(built(VS, gamma=0.0)), scored(built(LogitAdjustment))
    assert at_zero[0] == pytest.approx(adjusted[0])


def test_focal_follows_its_formula() -> None:
    for gamma in (0.5, 1.0, 2.0):
        loss, logits = scored(built(Focal, gamma=gamma))
        close(torch.tensor(loss), slow.focal_loss(logits, LABELS.tolist(), gamma, [1.0] * 7))


def test_cb_focal_weighs_by_class_and_begins_at_chance() -> None:
    method = built(CBFocal)
    assert isinstance(method, LinearClassifier)
    assert method.head.bias.tolist() == pytest.approx([-math.log(6)] * 7)
    loss, logits = scored(method)
    weights = slow.effective_number_weights(COUNTS, 0.9999)
    close(torch.tensor(loss), slow.sigmoid_focal_loss(logits, LABELS.tolist(), 1.0, weights))


def test_drw_waits_and_then_weighs() -> None:
    method = built(DRW)
    labels = LABELS.tolist()
    for progress, beta in ((EARLY, 0.0), (replace(LATE, epoch=7), 0.0), (LATE, 0.9999)):
        loss, logits = scored(method, progress)
        weights = slow.effective_number_weights(COUNTS, beta)
        expected = slow.ldam_loss(logits, labels, [0.0] * 7, 1.0, weights)
        close(torch.tensor(loss), expected)


def test_ldam_subtracts_margins_waits_and_then_weighs() -> None:
    labels, margins = LABELS.tolist(), slow.ldam_margins(COUNTS, 0.5)
    for drw in (True, False):
        method = built(LDAM, drw=drw)
        for progress in (EARLY, LATE):
            loss, logits = scored(method, progress)
            cosines = [[z / 30 for z in row] for row in logits]
            beta = 0.9999 if drw and progress is LATE else 0.0
            weights = slow.effective_number_weights(COUNTS, beta)
            expected = slow.ldam_loss(cosines, labels, margins, 30.0, weights)
            close(torch.tensor(loss), expected)


def test_ldam_predicts_the_scaled_cosines_of_rows_whose_length_is_nothing() -> None:
    method = built(LDAM)
    assert isinstance(method, LDAM)
    images = batch_of(LDAM).images
    logits = method.predict(images)
    features = method.backbone(images)
    expected = slow.cosines(features.tolist(), method.weight.tolist())
    close(logits.detach() / 30, expected)
    with torch.no_grad():
        method.weight *= 5
    torch.testing.assert_close(method.predict(images), logits)


def test_label_smoothing_gives_the_label_its_share_too() -> None:
    loss, logits = scored(built(LabelSmoothing))
    targets = slow.uniform_smooth_labels(LABELS.tolist(), 7, [0.1] * 64)
    close(torch.tensor(loss), slow.cross_entropy(logits, targets))


def drawn(alpha: float) -> tuple[float, torch.Tensor]:
    """Draw as the loss does from the seed at hand."""
    concentration = torch.tensor(alpha, dtype=torch.float64)
    lam = float(torch.distributions.Beta(concentration, concentration).sample())
    return lam, torch.randperm(64)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("remix", [False, True])
def test_mixup_mixes_images_and_labels_alike_and_remix_favours_the_rare(
    seed: int, remix: bool
) -> None:
    method = built(Mixup, remix=remix, kappa=1.1)
    batch, labels = batch_of(Mixup), LABELS.tolist()
    torch.manual_seed(seed)
    loss = method(batch, EARLY).total
    torch.manual_seed(seed)
    lam, partner = drawn(1.0)
    logits = method.predict(lam * batch.images + (1 - lam) * batch.images[partner])
    pairs = partner.tolist()
    shares = [lam] * 64
    if remix:
        shares = slow.remix_lambda(labels, pairs, COUNTS, lam, 1.1, 0.5)
        assert set(shares) != {lam}
    targets = slow.mixup_targets(labels, pairs, shares, 7)
    close(loss.detach(), slow.cross_entropy(logits.tolist(), targets))


def test_mixup_draws_lambda_from_its_alpha() -> None:
    spread = {}
    for alpha in (0.1, 20.0):
        torch.manual_seed(0)
        spread[alpha] = torch.tensor([drawn(alpha)[0] for _ in range(200)]).std()
    assert spread[0.1] > 3 * spread[20.0]
    few, many = built(Mixup, alpha=0.1), built(Mixup, alpha=20.0)
    losses = []
    for method in (few, many):
        torch.manual_seed(1)
        losses.append(float(method(batch_of(Mixup), EARLY).total.detach()))
    assert losses[0] != losses[1]


def test_a_toy_of_every_row_has_the_margins_and_weights_of_its_counts() -> None:
    ldam = toy_method(LDAM)
    assert isinstance(ldam, LDAM)
    close(ldam.margins, slow.ldam_margins(COUNTS, 0.5))
    assert float(ldam.weight.detach().abs().max()) <= 1


def shares_of(method: type[Method], epoch: int, epochs: int, **values: object) -> list[float]:
    sampling = method.sampling(method.Hyper(**values))
    assert sampling is not None
    found: list[float] = sampling(tuple(COUNTS), epoch, epochs).tolist()
    return found


def test_balanced_sampling_draws_classes_by_a_power_of_their_counts() -> None:
    for power in (0.0, 0.5, 1.0):
        powered = [count**power for count in COUNTS]
        expected = [value / sum(powered) for value in powered]
        assert shares_of(BalancedSampling, 3, 5, power=power) == pytest.approx(expected)
    assert shares_of(BalancedSampling, 0, 5) == pytest.approx([1 / 7] * 7)
    loss, logits = scored(built(BalancedSampling))
    close(torch.tensor(loss), slow.focal_loss(logits, LABELS.tolist(), 0.0, [1.0] * 7))


def test_balanced_sampling_moves_from_natural_to_balanced_where_asked() -> None:
    natural = [count / sum(COUNTS) for count in COUNTS]
    for epoch, share in ((0, 0.0), (1, 0.25), (4, 1.0)):
        expected = [(1 - share) * n + share / 7 for n in natural]
        found = shares_of(BalancedSampling, epoch, 5, progressive=True)
        assert found == pytest.approx(expected)
    with pytest.raises(InputError, match="set one of the two"):
        BalancedSampling.Hyper(power=0.5, progressive=True)


def first_and(method: type[Method]) -> tuple[Method, Method]:
    """Return a baseline that has taken a few steps, and a second stage that starts from it."""
    first = toy_method(Baseline).train()
    optimizer = torch.optim.SGD(first.parameters(), lr=0.1)
    for number in range(3):
        step(first, batch_of(Baseline), optimizer, number)
    second = built(method)
    second.start_from(first.state_dict())
    return first.eval(), second


def test_crt_has_a_new_classifier_on_the_first_stages_network_and_trains_it_alone() -> None:
    first, second = first_and(CRT)
    assert isinstance(first, LinearClassifier)
    assert isinstance(second, LinearClassifier)
    images = batch_of(CRT).images
    assert torch.equal(first.backbone(images), second.backbone(images))
    assert not torch.equal(first.head.weight, second.head.weight)
    assert [p for p in second.parameters() if p.requires_grad] == list(second.head.parameters())
    assert not second.train().backbone.training
    assert second.head.training
    assert shares_of(CRT, 0, 10) == shares_of(CRT, 9, 10) == pytest.approx([1 / 7] * 7)
    stage = CRT.second_stage(CRT.Hyper(epochs=4, rate=0.5))
    assert (stage.method, stage.epochs, stage.rate) == ("baseline", 4, 0.5)
    loss, logits = scored(built(CRT))
    close(torch.tensor(loss), slow.focal_loss(logits, LABELS.tolist(), 0.0, [1.0] * 7))


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_tau_norm_divides_rows_by_a_power_of_their_norms_and_has_no_bias(tau: float) -> None:
    first, second = first_and(TauNorm)
    assert isinstance(first, LinearClassifier)
    second.hyper = TauNorm.Hyper(tau=tau)
    images = batch_of(TauNorm).images
    rows = [[w / math.hypot(*row) ** tau for w in row] for row in first.head.weight.tolist()]
    features = first.backbone(images).tolist()
    expected = [[math.fsum(map(mul, f, row)) for row in rows] for f in features]
    close(second.predict(images).detach(), expected)
    assert not any(parameter.requires_grad for parameter in second.parameters())
