"""Records of older versions that stay on purpose: a list beside them, a note where they show."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from made_records import fill, made_record

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.store.bundle import export_cells, import_cells
from benchmark.store.outdated import FILE, Outdated, from_bytes, read_outdated, to_bytes
from benchmark.store.record import Cell
from benchmark.store.store import Store

LISTED = '[[outdated]]\nmethod = "cb"\nversion = 1\nreason = "weighed by images"\n'
NOTE = "Of older versions, not yet trained again: CB (version 1: weighed by images)."


def test_what_is_said_of_versions_travels_with_their_records(tmp_path: Path) -> None:
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    fill(here, ("cb", "mek"), (150.0,), 1)
    bytes_ = to_bytes([Outdated(method="mek", version=2, reason="of no record")])
    (here.root / FILE).write_bytes(LISTED.encode() + b"\n" + bytes_)
    export_cells(here, here.records(), tmp_path / "cells.zip")
    for _ in range(2):
        import_cells(there, tmp_path / "cells.zip")
        assert (there.root / FILE).read_text() == LISTED
    (there.root / FILE).write_text(LISTED.replace("weighed", "in words of its own, weighed"))
    import_cells(there, tmp_path / "cells.zip")
    assert "words of its own" in read_outdated(there.root)[0].reason
    gate = tmp_path / "stored"
    Store(gate).prepare()
    fill(Store(gate), ("eac",), (150.0,), 1)
    update = ("check", "--against", str(gate), "--update", "--reason", "why")
    done = CliRunner().invoke(cli, [*update, "--results", str(here.root)])
    assert done.exit_code == 0, done.output
    assert (gate / FILE).read_text() == LISTED


@pytest.mark.parametrize("reason", ['says "so"', "ends\\", "\x7f tab\t", "zwölf \U0001f600", "#"])
def test_any_reason_is_written_as_it_is(reason: str) -> None:
    said = (Outdated(method="cb", version=1, reason=reason),)
    assert from_bytes(to_bytes(said)) == said


def test_a_list_is_read_and_none_is_no_fault(tmp_path: Path) -> None:
    assert read_outdated(tmp_path) == ()
    (tmp_path / FILE).write_text(LISTED)
    assert read_outdated(tmp_path) == (
        Outdated(method="cb", version=1, reason="weighed by images"),
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[[outdated", "not valid TOML"),
        (b"\xff", "not valid TOML"),
        (LISTED.replace("= 1", "= 0").encode(), r"outdated\.0\.version: "),
        (LISTED.replace("reason", "why").encode(), r"outdated\.0\.reason: "),
        (b"", "outdated: Field required"),
        (None, "cannot be read"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / FILE
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_outdated(tmp_path)
    Store(tmp_path).add(*made_record("cb"))
    done = CliRunner().invoke(cli, ["report", "--results", str(tmp_path)])
    assert isinstance(done.exception, InputError)
    assert str(path) in str(done.exception)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    fill(Store(tmp_path), ["baseline", "cb"], [150.0], 1)
    (tmp_path / FILE).write_text(LISTED)
    return tmp_path


def test_tables_of_every_detail_say_which_rows_are_of_older_versions(store: Path) -> None:
    for options in (
        ["--table", "2"],
        ["--detail", "summary"],
        ["--detail", "validation"],
        ["--mixed"],
    ):
        done = CliRunner().invoke(cli, ["report", "--results", str(store), *options])
        assert NOTE in done.stdout, done.output


def test_figures_say_so_too(store: Path) -> None:
    out = store / "figure.svg"
    arguments = ["figure", "factor", "--results", str(store), "--out", str(out)]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert "not yet trained again" in out.read_text()


def test_nothing_is_said_of_rows_that_do_not_show(store: Path) -> None:
    record, arrays = made_record("cb", 150.0, 0)
    risen = Cell.model_validate({**record.cell.model_dump(), "method_version": 2})
    Store(store).add(record.model_copy(update={"cell": risen, "id": risen.id}), arrays)
    done = CliRunner().invoke(cli, ["report", "--results", str(store), "--table", "2"])
    assert "not yet trained again" not in done.stdout
    assert "Left out: 1 cell of cb v1" in done.stdout
