"""Logits of validation images beside those of the test images."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from made_records import made_record
from validated import with_validation

from benchmark.analysis.answers import Answers
from benchmark.analysis.predictions import predictions_csv
from benchmark.engine.outcome import Outcome
from benchmark.errors import InputError, StorageError
from benchmark.gate.refresh import refresh
from benchmark.selection import rules
from benchmark.store.bundle import export_cells, import_cells
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.logits_file import pack, read_arrays
from benchmark.store.record import Record
from benchmark.store.record_file import to_json
from benchmark.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    record, arrays = made_record(epochs=3)
    record, validation, marks = with_validation(record, arrays["label"])
    made = Store(tmp_path / "runs")
    made.add(record, arrays, validation=validation)
    KeptMarks(made.root).put(record.cell.fingerprint, pack(marks.arrays()))
    return made


def only(store: Store) -> Record:
    (record,) = store.records()
    return record


def test_they_come_back_and_the_id_stays(store: Store) -> None:
    record = only(store)
    assert record.id == made_record(epochs=3)[0].id
    content = store.packed_validation(record)
    assert content is not None
    arrays = read_arrays(content)
    assert arrays.keys() == {"label", *record.validation}
    assert all(arrays[name].dtype == np.float16 for name in record.validation)


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_damage_is_named(store: Store, damage: str) -> None:
    path = store.cells / only(store).cell.slug / "validation.npz"
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"validation\.npz"):
        Store(store.root).records()


def test_other_answers_than_the_matrix_counts_are_not_stored(store: Store, tmp_path: Path) -> None:
    record, other = only(store), Store(tmp_path / "other")
    arrays = dict(read_arrays(store.packed_validation(record) or b""))
    arrays["last"] = arrays["last"][::-1].copy()
    with pytest.raises(StorageError, match=r"validation\.npz: last gives another confusion"):
        other.add(record, store.logits(record), validation=arrays)


def test_clean_matrices_count_no_other_images(store: Store) -> None:
    record = only(store)
    body = json.loads(to_json(record))
    for entry in body["history"]:
        entry["clean_validation"][0][0] += 1000
    body.pop("body_sha256")
    with pytest.raises(ValueError, match="clean_validation counts images that validation does not"):
        Record.model_validate(body)


def test_they_travel(store: Store, tmp_path: Path) -> None:
    record = only(store)
    export_cells(store, [record], tmp_path / "cells.zip")
    there = Store(tmp_path / "there")
    there.prepare()
    import_cells(there, tmp_path / "cells.zip")
    assert there.packed_validation(only(there)) == store.packed_validation(record)
    stored = Store(tmp_path / "stored")
    assert len(refresh(store, stored, "first").added) == 1
    assert stored.packed_validation(only(stored)) == store.packed_validation(record)


def test_those_of_clean_images_at_the_chosen_epoch(store: Store) -> None:
    record = only(store)
    for rule in ("last", "val"):
        found = Answers(store, rule).validation_logits(record)
        index = rules()[rule].choose(record.history)
        assert index is not None
        if record.logits_name(index, "validation") is None:
            assert found is None
            continue
        assert found is not None
        logits, labels = found
        matrix = record.history[index].clean_validation
        assert matrix is not None
        assert len(labels) == sum(map(sum, matrix))
        assert np.bincount(labels, minlength=7).tolist() == list(map(sum, matrix))
        assert (logits.argmax(1) == labels).sum() == np.trace(matrix)
    KeptMarks(store.root).path(record.cell.fingerprint).unlink()
    with pytest.raises(InputError, match="are copies; 'fer-bench data verify"):
        Answers(store, "last").validation_logits(record)


def test_predictions_have_them_below_those_of_the_test_images(store: Store) -> None:
    record = only(store)
    text = predictions_csv(record, Answers(store, "last"))
    found = list(csv.DictReader(io.StringIO(text)))
    logits, labels = Answers(store, "last").validation_logits(record, "all") or ([], [])
    below = [row for row in found if row["split"] == "validation"]
    assert found[-len(below) :] == below
    assert [row["label"] for row in below] == [record.classes[k] for k in labels]
    assert [row["prediction"] for row in below] == [record.classes[k] for k in logits.argmax(1)]
    assert {row["subset"] for row in below[::3]} == {"exact copy"}
    assert {row["subset"] for row in below[1::3]} == {"clean"}


def test_older_records_have_none(tmp_path: Path) -> None:
    older = Store(tmp_path)
    older.add(*made_record())
    assert Answers(older, "last").validation_logits(only(older)) is None


def test_each_epoch_is_kept_once() -> None:
    record, _ = made_record(epochs=5)
    outcome = Outcome()
    for number, entry in enumerate(record.history):
        clean = entry.model_copy(update={"clean_validation": entry.validation})
        outcome.add(clean, np.full((2, 7), number, np.float32), np.full((3, 7), number, np.float32))
    epochs = outcome.once(outcome.epochs)
    assert len(set(epochs.values())) == len(epochs)
    assert set(epochs.values()) == {rule.choose(outcome.history) for rule in rules().values()}, (
        "every rule finds its epoch"
    )
    for name, logits in outcome.once(outcome.logits).items():
        assert (logits == epochs[name]).all()
    for name, logits in outcome.once(outcome.validation).items():
        assert (logits == epochs[name]).all()
