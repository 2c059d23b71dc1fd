"""Search spaces: what they spread evenly, and what the methods declare."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

import methods
from methods.base import Hyper, sourced
from methods.contract import check_values_lie_within, failure
from methods.search import Linear, Log, LogToOne, Space

shares = st.floats(0, 1)


@pytest.mark.parametrize("space", [Linear(-1, 3), Log(0.01, 10), LogToOne(0.9, 0.9999)], ids=str)
@given(one=shares, two=shares)
def test_values_stay_inside_and_keep_the_order(space: Space, one: float, two: float) -> None:
    low, high = sorted((space.at(one), space.at(two)))
    assert space.low <= low <= high <= space.high
    assert (space.at(one) <= space.at(two)) or one >= two
    assert space.at(0) == pytest.approx(space.low)
    assert space.at(1) == pytest.approx(space.high)


def test_middles() -> None:
    assert Linear(0, 4).at(0.5) == 2
    assert Log(0.01, 1).at(0.5) == pytest.approx(0.1)
    assert LogToOne(0.9, 0.999).at(0.5) == pytest.approx(0.99)
    assert str(Log(0.01, 10)) == "0.01 to 10, log"


def test_a_space_without_inside_is_refused() -> None:
    for low, high in ((1.0, 1.0), (2.0, 1.0), (math.nan, 1.0)):
        with pytest.raises(ValueError, match="low < high"):
            Linear(low, high)


def test_every_method_with_a_value_has_a_space_and_the_others_none() -> None:
    without = {name for name in methods.names() if not methods.get(name).Hyper.spaces()}
    assert without == {"baseline", "bbn"}


def test_the_contract_finds_values_out_of_place() -> None:
    @dataclass(frozen=True)
    class Outside(Hyper):
        pass

    baseline = methods.get("baseline")
    for value in (
        sourced(5.0, "x", low=0, search=Log(0.1, 1)),
        sourced(0.5, "x", low=0.2, search=Log(0.1, 1)),
        sourced(2.0, "x", low=0, high=1),
        sourced(True, "x", search=Linear(0, 1)),
    ):
        made = dataclasses.make_dataclass(
            "Made", [("value", float, value)], bases=(Outside,), frozen=True
        )
        method = type("Wrong", (baseline,), {"Hyper": made})
        assert failure(check_values_lie_within, method) is not None
