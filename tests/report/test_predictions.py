"""What networks said of each image, through the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made_records import FERPLUS, TEST_COUNTS, made_record

from benchmark.cli import cli
from benchmark.data.marks import Mark, Marked, Marks
from benchmark.errors import InputError
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.logits_file import pack, read_arrays
from benchmark.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "runs")
    made.add(*made_record("mek", 150.0, 0))
    made.add(*made_record("cb", 150.0, 0))
    return made


def export(store: Store, folder: Path, *arguments: str) -> Result:
    words = ["predictions", "export", str(folder), "--results", str(store.root), *arguments]
    return CliRunner().invoke(cli, words)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(encoding="utf-8")))


def test_a_row_an_image(store: Store, tmp_path: Path) -> None:
    done = export(store, tmp_path / "csv")
    assert done.exit_code == 0, done.output
    assert "wrote 2 files" in done.stderr
    assert "2 files without names and subsets" in done.stderr
    for record in store.records():
        arrays = read_arrays(store.packed_logits(record))
        found = rows(tmp_path / "csv" / f"{record.cell.slug}.csv")
        assert len(found) == len(arrays["label"])
        for row, label, logits in zip(found, arrays["label"], arrays["last"], strict=True):
            assert row["label"] == FERPLUS[label]
            assert row["prediction"] == FERPLUS[int(np.argmax(logits))]
            shares = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum()
            printed = [float(row[f"probability_{name}"]) for name in FERPLUS]
            np.testing.assert_allclose(printed, shares, atol=1e-6)
        right = sum(row["label"] == row["prediction"] for row in found)
        assert right == sum(record.history[-1].test[k][k] for k in range(7))


def test_names_and_subsets_where_the_store_knows_them(store: Store, tmp_path: Path) -> None:
    labels = np.repeat(np.arange(7), TEST_COUNTS["ferplus"])
    names = np.array([f"test/{i}.png" for i in range(len(labels))], dtype=np.str_)
    found = np.zeros(len(labels), dtype=np.uint8)
    found[:3] = [Mark.EXACT | Mark.NEAR, Mark.MIRRORED, Mark.NEAR]
    marks = Marks(Marked(names, labels, found), Marked(names[:0], labels[:0], found[:0]))
    fingerprint = store.records()[0].cell.fingerprint
    KeptMarks(store.root).put(fingerprint, pack(marks.arrays()))
    assert export(store, tmp_path / "csv", "--only", "mek-*").exit_code == 0
    (file,) = (tmp_path / "csv").iterdir()
    told = [(row["image"], row["subset"]) for row in rows(file)]
    subsets = ["exact copy", "mirrored copy", "near copy", "clean"]
    assert told[:4] == [(f"test/{i}.png", subset) for i, subset in enumerate(subsets)]


def test_what_cannot_be_written_is_said(store: Store, tmp_path: Path) -> None:
    assert isinstance(export(Store(tmp_path / "none"), tmp_path / "a").exception, InputError)
    done = export(store, tmp_path / "a", "--only", "nothing-*")
    assert "fits none of" in str(done.exception)
