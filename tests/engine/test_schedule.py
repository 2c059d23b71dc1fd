"""Learning rates against torch's own schedulers and the authors' formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import methods
from benchmark.engine.optim import build_optimizer, set_rate
from benchmark.engine.schedule import rate_factor
from benchmark.errors import InputError
from benchmark.protocols import load_protocol
from benchmark.protocols.protocol import TrainingSpec
from methods.base import ParameterGroup
from methods.contract import toy_method


def spec(**changes: object) -> TrainingSpec:
    plain = load_protocol("paper").training.model_dump()
    return TrainingSpec.model_validate(plain | changes)


def torch_rates(make: object, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)  # type: ignore[operator]
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("epochs", "per_epoch", "warmup"), [(4, 25, 0.15), (3, 7, 0.3), (1, 40, 0.5)]
)
def test_onecycle_is_torchs(epochs: int, per_epoch: int, warmup: float) -> None:
    total = epochs * per_epoch
    ours = spec(schedule="onecycle", epochs=epochs, warmup=warmup)
    expected = torch_rates(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, max_lr=1.0, total_steps=total, pct_start=warmup, cycle_momentum=False
        ),
        total,
    )
    actual = [rate_factor(ours, step, per_epoch) for step in range(total)]
    assert actual == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_exponential_falls_after_each_epoch() -> None:
    ours = spec(schedule="exponential", gamma=0.9, epochs=5)
    actual = [rate_factor(ours, step, 3) for step in range(15)]
    expected = torch_rates(lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9), 5)
    assert actual == pytest.approx([rate for rate in expected for _ in range(3)])


def test_multistep_rises_and_falls_at_milestones() -> None:
    ours = spec(schedule="multistep", gamma=0.01, milestones=(0.6, 0.8), warmup=0.1, epochs=10)
    rates = [rate_factor(ours, step, 10) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 3)
    assert rates[5] == pytest.approx(2 / 3)
    assert rates[10:60] == [1.0] * 50
    assert rates[60:80] == [0.01] * 20
    assert rates[80:] == pytest.approx([0.0001] * 20)


def test_cosine_follows_the_authors_of_mek() -> None:
    ours = spec(schedule="cosine", warmup=2000 / 60000, epochs=60)
    base, low = 3.125e-5, 3.125e-7
    for step in (2000, 10_000, 59_999):
        expected = low + (base - low) / 2 * (1 + math.cos(math.pi * step / 60_000))
        assert base * rate_factor(ours, step, 1000) == pytest.approx(expected, rel=1e-6)
    assert base * rate_factor(ours, 0, 1000) == pytest.approx(3.125e-8)
    assert rate_factor(ours, 1999, 1000) > rate_factor(ours, 2000, 1000), "t is not shifted"


def test_constant_and_single_steps_are_finite() -> None:
    assert rate_factor(spec(schedule="constant"), 7, 3) == 1
    for schedule in ("onecycle", "cosine", "exponential", "multistep"):
        for warmup in (0.0, 0.5):
            rate = rate_factor(spec(schedule=schedule, epochs=1, warmup=warmup), 0, 1)
            assert 0 < rate <= 1


def test_groups_decay_and_learn_as_the_protocol_says() -> None:
    method = toy_method(methods.get("rul"))
    training = spec(optimizer="adamw", lr=0.1, head_lr=0.5, weight_decay=0.05, decay_vectors=False)
    optimizer = build_optimizer(method, training)
    by_parameter = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    assert len(by_parameter) == sum(1 for _ in method.parameters())
    for name, parameter in method.named_parameters():
        group = by_parameter[id(parameter)]
        assert group["weight_decay"] == (0.05 if parameter.ndim > 1 else 0)
        scale = {"classifier": 1.0}.get(name.split(".")[0], 0.1)
        assert group["base_lr"] == pytest.approx(scale), name
    plain = build_optimizer(toy_method(methods.get("baseline")), training)
    assert {group["base_lr"] for group in plain.param_groups} == {0.1, 0.5}
    set_rate(optimizer, 0.5)
    assert by_parameter[id(method.classifier.weight)]["lr"] == pytest.approx(0.5)
    everything = build_optimizer(method, spec(decay_vectors=True, weight_decay=0.05))
    assert {group["weight_decay"] for group in everything.param_groups} == {0.05}


def test_a_forgotten_parameter_is_named() -> None:
    method = toy_method(methods.get("baseline"))
    method.parameter_groups = lambda: [  # type: ignore[method-assign]
        ParameterGroup([method.head.weight], head=True)
    ]
    with pytest.raises(InputError, match=r"leave out .*head\.bias"):
        build_optimizer(method, spec())
