"""``training.compile``: other cells, the same names of weights, evaluation as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from made_records import fill, made_record
from processes import QUICK, outcome
from sweeps import CPU, Silent, kept, run, small_sweep
from torch import Tensor

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.networks.load import load_network
from benchmark.protocols import load_protocol
from benchmark.protocols.protocol import counted
from benchmark.store.store import Store

COMPILED = "training.compile=true"
Function = Callable[[Tensor], Tensor]


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """torch.compile gives back what it is given; the batch size of each call is kept."""
    sizes: list[int] = []

    def of(function: Function, **_: object) -> Function:
        def call(images: Tensor) -> Tensor:
            if images.ndim == 4:  # and no trial of the compiler
                sizes.append(len(images))
            return function(images)

        return call

    monkeypatch.setattr(torch, "compile", of)
    return sizes


@pytest.mark.parametrize("method", ["baseline", "soft", "bbn", "mek"])
def test_training_alone_is_compiled(method: str, compiled: list[int], tmp_path: Path) -> None:
    plain = kept(tmp_path / "plain", small_sweep([method]))
    assert not compiled
    store = kept(tmp_path / "compiled", small_sweep([method], overrides=[COMPILED]))
    (one,), (other,) = plain.records(), store.records()
    passes = 1 if method == "baseline" else 2  # two views, or a teacher's
    assert sum(compiled) == passes * sum(entry.images for entry in one.history), "and no other"
    assert one.id != other.id
    assert one.state_sha256 == other.state_sha256, "names and numbers, as nothing was compiled"
    assert load_network(store.cells / other.cell.slug, CPU).classes == one.classes


def test_cells_that_are_not_compiled_are_named_as_before() -> None:
    plain, changed = (load_protocol("compact", overrides) for overrides in ([], [COMPILED]))
    assert "compile" not in counted(plain)["training"]
    assert counted(changed)["training"]["compile"] is True
    assert plain.values_hash != changed.values_hash, "never in one table"
    assert changed.overrides == ("training.compile=True",)


def _run(folder: Path, *arguments: str) -> object:
    words = ["run", "--methods=baseline", "--factors=50", "--device=cpu", *QUICK]
    return CliRunner().invoke(cli, [*words, f"--results={folder}", *arguments]).exception


def _named(folder: Path, *arguments: str) -> list[str]:
    """Return the names of the cells that a run would train."""
    words = ["run", "--methods=baseline", "--factors=50", "--device=cpu", *QUICK, "--dry-run"]
    told = CliRunner().invoke(cli, [*words, f"--results={folder}", *arguments]).output
    return re.findall("baseline-synthetic-50-s0-[0-9a-f]+", told)


def test_a_missing_compiler_is_one_line_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> object:
        raise RuntimeError("no compiler\nwas found")

    results, share = tmp_path / "runs", tmp_path / "cells.json"
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    share.write_text(json.dumps({"precision": "fp32", "cells": _named(results, "--compile")}))
    monkeypatch.setattr(torch, "compile", fails)
    for more in ([], ["--dry-run"], [f"--cells={share}"]):
        error = _run(results, "--compile", *more)
        assert isinstance(error, InputError)
        assert "torch.compile does not work here (RuntimeError: no compiler); install" in str(error)
        assert "\n" not in str(error)
        assert not [*tmp_path.glob("runs/running/*")]


@pytest.mark.usefixtures("compiled")
def test_the_option_is_the_value(tmp_path: Path) -> None:
    plain, option, value = (
        _named(tmp_path / "runs", *more) for more in ([], ["--compile"], [f"--set={COMPILED}"])
    )
    assert plain
    assert plain != option == value


def test_tables_say_that_cells_were_compiled(tmp_path: Path, report: Callable[..., str]) -> None:
    both, alone = Store(tmp_path / "both"), Store(tmp_path / "alone")
    fill(both, ("baseline", "cb"), (50.0,), 1)
    assert "torch.compile" not in report(store=both.root)
    for store in (both, alone):
        store.add(*made_record("mek", 50.0, overrides=[COMPILED]))
    assert report("--mixed", store=both.root).count(", compiled, data ") == 1
    assert "Trained by kernels of torch.compile" in report(store=alone.root)


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", ["baseline", "soft"])
def test_real_kernels_train_and_resume_bit_for_bit(method: str, tmp_path: Path) -> None:
    if isinstance(error := _run(tmp_path / "tried", "--compile"), InputError):
        pytest.skip(str(error))
    sweep = small_sweep([method], overrides=[COMPILED, "training.epochs=3"])
    run(sweep, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(sweep, tmp_path / "cut", Silent(interrupt_after=1))
    run(sweep, tmp_path / "cut")
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")
    (record,) = Store(tmp_path / "cut").records()
    assert len(record.sessions) == 2
