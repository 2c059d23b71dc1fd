"""Stores of made records for the gate, and the gate called on two of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from click.testing import CliRunner, Result
from made_records import made_record

from benchmark.cli import cli
from benchmark.store.record import Cell
from benchmark.store.store import Store

USUAL = (0.9, 0.93, 0.88, 0.6, 0.75, 0.35, 0.2)
WORSE = (0.75, 0.8, 0.7, 0.4, 0.55, 0.15, 0.1)
SLIGHTLY_WORSE = (0.88, 0.91, 0.86, 0.58, 0.73, 0.33, 0.18)
ANY = ("--allow-missing", "*")


def store(
    root: Path,
    methods: Sequence[str] = ("cb", "mek"),
    seeds: Sequence[int] = (0,),
    skill: Sequence[float] = USUAL,
    factor: float | None = 150.0,
    **how: object,
) -> Path:
    """A store of made records; its name comes from the folder."""
    made = Store(root)
    for method in methods:
        for seed in seeds:
            made.add(*made_record(method, factor, seed, skill=skill, **how))  # type: ignore[arg-type]
    return root


def check(new: Path, stored: Path | None, *more: str) -> Result:
    done = refused(new, stored, *more)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def refused(new: Path, stored: Path | None, *more: str) -> Result:
    against = [] if stored is None else ["--against", str(stored)]
    return CliRunner().invoke(cli, ["check", "--results", str(new), *against, *more])


def of_other_cell(root: Path, skill: Sequence[float], **values: object) -> Path:
    """A store of one record of CB whose cell differs in some values from what is usual."""
    record, arrays = made_record("cb", skill=skill)
    cell = Cell.model_validate({**record.cell.model_dump(), **values})
    Store(root).add(record.model_copy(update={"cell": cell, "id": cell.id}), arrays)
    return root
