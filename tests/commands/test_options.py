"""Lists on the command line mean the same in every command."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.commands.kinds import FactorList, MethodList, SeedList
from benchmark.commands.sweep import SweepChoice
from benchmark.commands.sweep_options import sweep_options
from benchmark.errors import InputError


@pytest.mark.parametrize(
    ("kind", "text", "values"),
    [
        (SeedList(), "0-4", (0, 1, 2, 3, 4)),
        (SeedList(), "0,2-4, 3 ,7,", (0, 2, 3, 4, 7)),
        (SeedList(), "5-5", (5,)),
        (FactorList(), "50,", (50.0,)),
        (FactorList(), ",full, 50,50.0,FULL", (None, 50.0)),
        (MethodList(), "MEK,All,x:Y,", ("MEK", "all", "x:Y")),
    ],
)
def test_what_lists_mean(kind: click.ParamType, text: str, values: tuple[object, ...]) -> None:
    assert kind.convert(text, None, None) == values
    assert kind.convert(values, None, None) == values


@pytest.mark.parametrize("text", ["", ",", " , "])
@pytest.mark.parametrize("kind", [SeedList(), FactorList(), MethodList()])
def test_an_empty_list_is_refused(kind: click.ParamType, text: str) -> None:
    with pytest.raises(InputError, match=r"is empty; give at least one value"):
        kind.convert(text, None, None)


@pytest.mark.parametrize("text", ["4-0", "-1", "1-", "0-10000", "1.5", "0-9999999999", "٣", "1--2"])
def test_what_is_no_seed_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="seeds"):
        SeedList().convert(text, None, None)


@given(
    factors=st.lists(
        st.one_of(st.none(), st.floats(1, 1e9)),
        min_size=1,
        unique_by=lambda f: -1 if f is None else f,
    ),
    seeds=st.lists(st.integers(0, 999_999_999), min_size=1, unique=True),
)
def test_a_sweep_is_handed_on_as_it_is(factors: list[float | None], seeds: list[int]) -> None:
    """A job is told its sweep by the same options."""
    found: list[SweepChoice] = []

    @click.command()
    @sweep_options()
    def command(**options: object) -> None:
        found.append(SweepChoice(**options))  # type: ignore[arg-type]

    choice = SweepChoice(
        methods=("cb", "mek"),
        factors=tuple(factors),
        seeds=tuple(seeds),
        dataset="folder",
        classes=None,
        data_root=Path("x"),
        holdout=None,
        resize=32,
        cache_dir=None,
        protocol_name=None,
        recipe="shared",
        weights=None,
        overrides=("a=1",),
        device="cpu",
        precision=None,
        cut_head=True,
        compile_backbone=True,
        tries=(("a=2", "b=[1, 2]"), ()),
    )
    command.main(choice.arguments("folder"), standalone_mode=False)
    assert found == [choice]
