"""Which points are tried."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import InputError
from benchmark.protocols import load_protocol
from benchmark.tuning.points import beyond, first_round, near, sobol
from benchmark.tuning.rounds import at_once
from benchmark.tuning.subject import (
    HEAD_LR,
    LR,
    Subject,
    complete,
    method_subject,
    overrides,
    shared_subject,
)
from methods import registry
from methods.base import Hyper, sourced
from methods.search import Linear, Log


def test_the_first_points_are_those_of_the_literature() -> None:
    assert sobol(2, 4) == [[0.5, 0.5], [0.75, 0.25], [0.25, 0.75], [0.375, 0.375]]
    assert sobol(3, 0) == []


@given(dimensions=st.integers(1, 5), points=st.integers(1, 40))
def test_a_longer_sequence_begins_like_a_shorter_one(dimensions: int, points: int) -> None:
    assert sobol(dimensions, points) == sobol(dimensions, points + 7)[:points]


def test_one_try_is_kept_for_an_edge_where_there_are_three() -> None:
    assert [first_round(budget) for budget in (1, 2, 3, 4, 16)] == [1, 2, 2, 3, 15]


def test_what_lies_beyond_an_edge() -> None:
    assert beyond([0.5], 4) is None
    assert beyond([0.2, 0.5], 4) == pytest.approx([-0.05, 0.5])
    assert beyond([0.25, 0.7499], 4) is None  # as Sobol's second and third point: no edge
    assert beyond([0.9], 4) == [1.15]
    assert beyond([-0.1, 1.0], 8) == pytest.approx([-0.225, 1.125])


@pytest.mark.parametrize("budget", [1, 2, 4, 9])
@pytest.mark.parametrize("name", [n for n in registry.names() if n not in ("baseline", "bbn")])
def test_every_method_gets_as_many_tries_and_its_defaults_first(name: str, budget: int) -> None:
    method = registry.get(name)
    subject = method_subject(method, {})
    assert subject is not None
    planned = at_once(subject, budget)
    assert len(planned) == first_round(budget)
    why, values = planned[0]
    assert why == "default"
    assert values == {
        f"methods.{name}.{key}": getattr(method.Hyper(), key) for key in method.Hyper.spaces()
    }
    assert subject.departure(values) == 0
    assert len({tuple(of.values()) for _, of in planned}) == len(planned)


@pytest.mark.parametrize("budget", [2, 4, 9, 16])
@pytest.mark.parametrize("name", [n for n in registry.names() if n not in ("baseline", "bbn")])
def test_no_try_repeats_one_nearby(name: str, budget: int) -> None:
    subject = method_subject(registry.get(name), {})
    assert subject is not None
    places = [subject.places(values) for _, values in at_once(subject, budget)]
    for place, point in enumerate(places):
        assert not near(point, places[:place], budget)


def test_near_is_half_as_far_as_tries_lie_apart() -> None:
    assert near([0.5, 0.5], [[0.6, 0.41]], 4)
    assert not near([0.5, 0.5], [[0.625, 0.5]], 4)
    assert not near([0.5], [], 4)


@dataclass(frozen=True)
class Odd(Hyper):
    steps: int = sourced(3, "made up", low=1, search=Linear(1, 5))
    switch: bool = sourced(False, "made up")


@dataclass(frozen=True)
class Narrow(Hyper):
    share: float = sourced(1.0, "made up", search=Linear(1, 1.001))


@dataclass(frozen=True)
class Switched(Hyper):
    switch: bool = sourced(False, "made up", search=Linear(0, 1))


@dataclass(frozen=True)
class Unplaced(Hyper):
    share: float = sourced(0.0, "made up", search=Log(0.1, 1))


def odd(hyper: type[Hyper]) -> Subject | None:
    made = type("Made", (registry.get("cb"),), {"Hyper": hyper})
    return method_subject(made, {})


def test_whole_numbers_stay_whole() -> None:
    subject = odd(Odd)
    assert subject is not None
    tried = [values["methods.cb.steps"] for _, values in at_once(subject, 5)]
    assert all(type(value) is int for value in tried)
    assert len(set(tried)) == len(tried) == 4
    assert subject.values([-1.0]) == {"methods.cb.steps": 1}


@pytest.mark.parametrize("hyper", [Switched, Unplaced])
def test_a_space_that_cannot_be_searched_is_refused(hyper: type[Hyper]) -> None:
    with pytest.raises(InputError, match=r"methods\.cb\.\w+: .*--set methods\.cb\.\w+=VALUE"):
        odd(hyper)


def test_more_tries_than_there_are_values_are_refused() -> None:
    subject = odd(Narrow)
    assert subject is not None
    with pytest.raises(InputError, match="no more than 1 different value; give --budget 1"):
        at_once(subject, 4)


def test_a_value_that_the_user_set_is_not_searched() -> None:
    mek = registry.get("mek")
    subject = method_subject(mek, {"methods.mek.smoothing": 0.2})
    assert subject is not None
    assert set(subject.spaces) == {"methods.mek.consistency", "methods.mek.weight_power"}
    assert method_subject(registry.get("eac"), {"methods.eac.consistency": 1.0}) is None
    assert method_subject(registry.get("bbn"), {}) is None


def test_values_beyond_the_range_stay_within_what_a_value_may_be() -> None:
    subject = method_subject(registry.get("mek"), {})
    assert subject is not None
    values = subject.values([1.5, 1.5, 1.5])
    assert values["methods.mek.weight_power"] == 1.0
    assert values["methods.mek.consistency"] > 5
    assert values["methods.mek.smoothing"] <= 1


def test_the_rate_of_new_layers_keeps_its_ratio() -> None:
    protocol = load_protocol("compact")
    subject = shared_subject(protocol)
    assert overrides(subject.default, protocol) == []
    assert complete({LR: 0.001}, protocol) == {LR: 0.001, HEAD_LR: 0.01}
    assert overrides({LR: 0.001}, protocol) == [f"{LR}=0.001", f"{HEAD_LR}=0.01"]
    assert subject.places(subject.default) == pytest.approx([0.5])
    fixed = load_protocol("compact", [f"{HEAD_LR}=0.002"])
    assert overrides({LR: 0.001}, fixed) == [f"{LR}=0.001"]
