"""The store: whole records or none, and damage is named."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import forged, made_record
from plain_record import make_record
from sweeps import run, small_sweep

from benchmark.cli import cli
from benchmark.errors import InputError, StorageError
from benchmark.speed.made import answering
from benchmark.stats.accuracy import confusion_matrix
from benchmark.store.record import Record
from benchmark.store.record_file import parse_record, to_json, unsealed
from benchmark.store.store import Store


def logits(record: Record) -> dict[str, np.ndarray]:
    """Labels and logits that the record answers for."""
    return answering(record.history[-1].test)


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    store, record = Store(tmp_path), make_record()
    store.add(record, logits(record))
    assert store.has(record.cell)
    (stored,) = store.records()
    assert stored.logits_sha256
    assert stored.model_copy(update={"logits_sha256": None}) == record
    assert store.logits(stored).keys() == {"label", "last"}
    assert parse_record(to_json(record).encode()) == record


def test_adding_twice_keeps_the_first(tmp_path: Path) -> None:
    store, record = Store(tmp_path), make_record()
    store.add(record, logits(record))
    later = record.model_copy(update={"seconds": {"train": 99.0}})
    store.add(later, logits(record))
    assert [kept.seconds for kept in store.records()] == [record.seconds]
    assert len(list(store.cells.iterdir())) == 1, "no draft is left"


def test_a_crash_while_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, record = Store(tmp_path), make_record()

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device; all finished cells are kept"):
        store.add(record, logits(record))
    monkeypatch.undo()
    assert store.records() == []
    assert not store.has(record.cell)
    store.add(record, logits(record))
    assert [kept.id for kept in store.records()] == [record.id]


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "{}", "null", '{"id": 3}'],
)
def test_a_damaged_record_is_named(tmp_path: Path, damage: str) -> None:
    store, record = Store(tmp_path), make_record()
    store.add(record, logits(record))
    store.add(make_record(seed=1), logits(make_record(seed=1)))
    path = store.cells / record.cell.slug / "record.json"
    path.write_text(damage)
    for use in (store.records, lambda: store.has(record.cell)):
        with pytest.raises(InputError, match=r"damaged record .*record\.json"):
            use()


def test_a_record_whose_content_was_changed_is_named(tmp_path: Path) -> None:
    store, record = Store(tmp_path), make_record()
    store.add(record, logits(record))
    path = store.cells / record.cell.slug / "record.json"
    content = json.loads(path.read_text())
    content["cell"]["seed"] = 5
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="its body_sha256 does not fit its content"):
        store.records()


@given(st.text(max_size=50), st.integers(0, 2000))
@settings(max_examples=50)
def test_no_damage_ends_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, junk: str, at: int
) -> None:
    root = tmp_path_factory.mktemp("store")
    store, record = Store(root), make_record()
    store.add(record, logits(record))
    path = store.cells / record.cell.slug / "record.json"
    text = path.read_text()
    path.write_text(text[:at] + junk + text[at + len(junk) :], encoding="utf-8")
    try:
        store.records()
    except InputError:
        return


def test_a_store_that_is_not_there_or_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results in"):
        Store(tmp_path / "none").records()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another with --results"):
        Store(tmp_path / "file").prepare()


def test_a_store_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cells").mkdir()

    def refused(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(InputError, match=r"cells: cannot be read \(Permission denied\)"):
        Store(tmp_path).records()


def test_a_protocol_of_another_version_is_named(tmp_path: Path) -> None:
    """Its id and its hash fit, so it is as it was written; this version just cannot read it."""
    store, record = Store(tmp_path), make_record()
    store.add(record, logits(record))
    body = json.loads(unsealed(record))
    body["cell"]["protocol"]["later"] = 1
    path = store.cells / record.cell.slug / "record.json"
    path.write_text(forged(body))
    with pytest.raises(InputError, match=r"damaged record .*later: Extra inputs"):
        store.records()
    assert [entry.folder.name for entry in store.survey()[1]] == [record.cell.slug]


def test_names_never_lead_outside(tmp_path: Path) -> None:
    record = make_record(method="../../x: y")
    Store(tmp_path).add(record, logits(record))
    (folder,) = Store(tmp_path).cells.iterdir()
    assert folder.parent == tmp_path / "cells"
    assert "/" not in folder.name


def test_failures_are_kept_until_the_cell_succeeds(tmp_path: Path) -> None:
    store, record = Store(tmp_path), make_record()
    store.begun.fail(record.cell, "Traceback\nValueError: no")
    assert [p.read_text() for p in store.begun.failures()] == ["Traceback\nValueError: no"]
    held = store.begun.take(record.cell)
    assert held is not None
    (store.begun.folder(record.cell) / "checkpoint.pt").touch()
    assert store.begun.slugs() == {record.cell.slug: True}, "it is tried again"
    held.release()
    assert store.begun.slugs() == {}, "failed, and not begun"
    store.add(record, logits(record))
    assert store.begun.failures() == []


def test_a_run_writes_what_the_store_reads(tmp_path: Path) -> None:
    sweep = small_sweep()
    run(sweep, tmp_path)
    assert Store(tmp_path).has(sweep.cells[0])


@pytest.mark.parametrize(
    ("logits", "kept"),
    [
        ([[1.0, 2.0, 3.0], [0.25, -7.0, 0.1]], np.float16),
        ([[1.0, 1.00001, 0.0]], np.float32),  # equal in float16, so the first would win
        ([[1e6, 2.0, 0.0]], np.float32),
    ],
)
def test_logits_take_half_the_room_where_no_answer_changes(
    tmp_path: Path, logits: list[list[float]], kept: type
) -> None:
    array = np.full((len(logits), 7), -9, dtype=np.float32)
    array[:, :3] = logits
    labels = np.zeros(len(array), np.int64)
    record, _ = made_record("cb", epochs=1, validation=False)
    matrix = confusion_matrix(labels, array.argmax(axis=1), 7).tolist()
    history = [record.history[0].model_copy(update={"test": matrix})]
    store = Store(tmp_path)
    store.add(
        record.model_copy(update={"history": history, "logits": {"last": 0}}),
        {"label": labels, "last": array},
    )
    (stored,) = store.records()
    back = store.logits(stored)["last"]
    assert back.dtype == kept
    assert np.array_equal(back.argmax(axis=1), array.argmax(axis=1))
    np.testing.assert_allclose(back, array, rtol=1e-3)


@pytest.mark.parametrize("classes", [("\udcff", *"abcdef"), ("a", "a", *"bcdef")])
def test_what_cannot_be_read_back_takes_no_place(tmp_path: Path, classes: tuple[str, ...]) -> None:
    """JSON carries any text, but not every text comes back from it."""
    store, record = Store(tmp_path), make_record()
    checkpoint = store.begun.folder(record.cell) / "checkpoint.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")
    with pytest.raises(StorageError, match=r"cannot be kept: .*; nothing was put") as caught:
        store.add(record.model_copy(update={"classes": classes}), logits(record))
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert list(store.cells.iterdir()) == []
    assert list(checkpoint.parent.iterdir()) == [checkpoint], "no draft is left"
    store.add(record, logits(record))
    assert not checkpoint.exists()
    assert store.has(record.cell)


def test_logits_that_give_other_numbers_take_no_place(tmp_path: Path) -> None:
    store, record = Store(tmp_path), make_record()
    wrong = logits(record)
    wrong["last"] = -wrong["last"]
    with pytest.raises(StorageError, match="another confusion matrix"):
        store.add(record, wrong)
    assert store.records() == []


def test_what_a_kill_left_of_a_finished_cell_is_settled(tmp_path: Path) -> None:
    """A kill after the rename and before the clean-up leaves checkpoint and dead lease."""
    store, record, other = Store(tmp_path), make_record(), make_record(seed=1)
    store.add(record, logits(record))
    for cell in (record.cell, other.cell):
        store.begun.folder(cell).mkdir(parents=True)
        (store.begun.folder(cell) / "checkpoint.pt").write_bytes(b"weights")
    store.begun.fail(record.cell, "an older failure")
    arguments = ["status", "--results", str(tmp_path)]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0
    assert "1 finished, 0 running, 1 begun, 0 failed" in done.output
    assert not store.begun.folder(record.cell).exists()
    assert store.begun.folder(other.cell).exists(), "it is not finished"


def test_what_a_process_holds_is_left_to_it(tmp_path: Path) -> None:
    store, record = Store(tmp_path), make_record()
    store.add(record, logits(record))
    lease = store.begun.take(record.cell)
    assert lease is not None
    with lease:
        store.begun.settle([record.cell])
        lease.check()
    store.begun.settle([record.cell])
    assert not store.begun.folder(record.cell).exists()


def test_a_pipe_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    store, record = Store(tmp_path), make_record()
    for name in ("record.json", "logits.npz"):
        folder = store.add(record, logits(record))
        (folder / name).unlink()
        os.mkfifo(folder / name)
        with pytest.raises(InputError, match=rf"{name}: not a regular file"):
            store.records()
        (folder / name).unlink()
        shutil.rmtree(folder)


def test_a_record_larger_than_any_is_refused_unread(tmp_path: Path) -> None:
    store, record = Store(tmp_path), make_record()
    path = store.add(record, logits(record)) / "record.json"
    with path.open("r+b") as file:
        file.truncate(1 << 30)
    with pytest.raises(InputError, match=r"record.json: larger than 64 MiB"):
        store.records()
