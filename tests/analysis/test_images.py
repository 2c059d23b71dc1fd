"""Numbers of the test images that are no copies of training images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from figure_reading import svg_texts
from made_records import FERPLUS, TEST_COUNTS, made_record

from benchmark.analysis.answers import Answers
from benchmark.analysis.measurements import Measurements
from benchmark.cli import cli
from benchmark.data.marks import Mark, Marked, Marks
from benchmark.errors import InputError
from benchmark.stats.accuracy import mean_accuracy, overall_accuracy
from benchmark.store.bundle import export_cells, import_cells
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.logits_file import pack, read_arrays
from benchmark.store.record import Cell, Record
from benchmark.store.store import Store

SIZES = TEST_COUNTS["ferplus"]
STORED = Path(__file__).resolve().parents[2] / "results" / "ferplus-compact"


def marks(labels: np.ndarray, found: np.ndarray) -> Marks:
    names = np.array([f"image {i}" for i in range(len(labels))], dtype=np.str_)
    none = Marked(names[:0], labels[:0], found[:0])
    return Marks(Marked(names, labels, found), none)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two methods; every rare image is a copy, every third of the others a mirrored one."""
    made = Store(tmp_path / "runs")
    for method in ("cb", "mek"):
        for seed in (0, 1):
            made.add(*made_record(method, 150.0, seed))
    labels = np.repeat(np.arange(7), SIZES)
    found = np.zeros(len(labels), dtype=np.uint8)
    found[labels == 5] = Mark.EXACT
    found[(labels < 5) & (np.arange(len(labels)) % 3 == 0)] = Mark.MIRRORED
    found[np.flatnonzero(labels == 5)[:20]] = 0  # so that no class is empty
    fingerprint = made.records()[0].cell.fingerprint
    KeptMarks(made.root).put(fingerprint, pack(marks(labels, found).arrays()))
    return made


def call(store: Store, *arguments: str) -> Result:
    wide = CliRunner(env={"COLUMNS": "300"})
    return wide.invoke(cli, [*arguments, "--results", str(store.root)])


def complaint(store: Store, *arguments: str) -> str:
    done = call(store, *arguments)
    assert isinstance(done.exception, InputError), (done.output, done.exception)
    assert "\n" not in str(done.exception)
    return str(done.exception)


@pytest.mark.parametrize("images", ["clean", "no-near-copies"])
def test_matrices_follow_from_the_logits(store: Store, images: str) -> None:
    kept_marks = KeptMarks(store.root)
    for record in store.records():
        test = kept_marks.get(record.cell.fingerprint).test  # type: ignore[union-attr]
        arrays = read_arrays(store.packed_logits(record))
        expected = [[0] * 7 for _ in range(7)]
        for mark, label, logits in zip(test.marks, arrays["label"], arrays["last"], strict=True):
            if mark == 0 or (images == "clean" and mark != Mark.EXACT):
                expected[label][max(range(7), key=lambda k: logits[k])] += 1
        assert Answers(store, "last", images).confusion(record) == expected  # type: ignore[arg-type]


def test_sets_of_the_same_labels_have_copies_of_their_own(store: Store) -> None:
    record, arrays = made_record("cb", 150.0, 0)
    body = record.model_dump()
    body["cell"]["fingerprint"] = "e" * 64
    body["id"] = Cell.model_validate(body["cell"]).id
    store.add(Record.model_validate(body), arrays)
    labels = np.repeat(np.arange(7), SIZES)
    found = np.where(labels == 0, np.uint8(Mark.EXACT), np.uint8(0))
    found[0] = 0
    KeptMarks(store.root).put("e" * 64, pack(marks(labels, found).arrays()))
    answers = Answers(store, "last", "clean")
    counted = {}
    for one in store.records():
        logits = answers.logits(one)
        assert logits is not None
        assert len(logits[0]) == len(logits[1])
        counted[one.cell.fingerprint] = np.bincount(logits[1]).tolist()
    first = store.records()[0].cell.fingerprint
    assert counted.pop("e" * 64) == [1, *SIZES[1:]]
    assert counted == {first: [*SIZES[:5], 20, SIZES[6]]}


def test_every_number_of_a_table_is_of_these_images(store: Store) -> None:
    measured = Measurements(store.records(), "last", store, images="clean")
    for entry in measured.groups[0].entries:
        matrices = measured.confusions(entry)
        assert {sum(map(sum, matrix)) for matrix in matrices} == {sum(SIZES) - 63}
        for name, score in (("overall", overall_accuracy), ("mean", mean_accuracy)):
            assert measured.values(entry, name) == [100 * score(m) for m in matrices]
        for found in measured.logits(entry):
            assert found is not None
            assert len(found[0]) == len(found[1]) == sum(SIZES) - 63
    assert measured.judge is not None
    a, b = measured.groups[0].entries
    apart = measured.judge(a, b, list(a.runs), "recall_fear")
    whole = Measurements(store.records(), "last", store).judge
    assert whole is not None
    assert apart != whole(a, b, list(a.runs), "recall_fear")


def test_the_line_below_a_table_gives_clean_numbers(store: Store) -> None:
    text = call(store, "report", "--format", "markdown").output
    assert (
        "Without the 63 of 3137 test images whose pixels stand in the unmodified training" in text
    )
    assert "CB at 150" in text.split("Without the")[1]
    clean = call(store, "report", "--format", "markdown", "--images", "clean").output
    assert "Without the" not in clean
    assert "Only test images count whose pixels do not stand in the unmodified training" in clean
    assert "3074 test images" in clean
    empty = np.zeros(sum(SIZES), dtype=np.uint8)
    same = marks(np.repeat(np.arange(7), SIZES), empty)
    KeptMarks(store.root).put(store.records()[0].cell.fingerprint, pack(same.arrays()))
    assert "Without the" not in call(store, "report", "--format", "markdown").output


def test_of_rows_without_logits_the_line_says_that_it_is_not_known(store: Store) -> None:
    record, arrays = made_record("eac", 150.0, 0, epochs=3)
    best = np.diag(np.sum(record.history[0].test, axis=1)).tolist()  # of which nothing is kept
    history = [record.history[0].model_copy(update={"test": best}), *record.history[1:]]
    record = record.model_copy(update={"history": history, "logits": {"last": 2}})
    store.add(record, {name: arrays[name] for name in ("label", "last")})
    sentence = "Not known of EAC"
    assert sentence not in call(store, "report", "--format", "markdown").output
    text = call(store, "report", "--format", "markdown", "--select", "oracle", "--mixed").output
    line = next(line for line in text.splitlines() if "Without the 63" in line)
    assert f"{sentence} at 150 (cells a): logits or marks of copies are not kept." in line
    assert "The others" not in line


def test_compare_claims_check_and_figures_count_the_same_images(store: Store) -> None:
    clean = ("--images", "clean")
    text = call(store, "compare", "mek", "cb", *clean).output
    assert "clean test images" in text
    assert text != call(store, "compare", "mek", "cb").output
    assert "clean test images" in call(store, "claims", *clean).output
    stored = shutil.copytree(store.root, store.root.parent / "stored")
    junit = ("--junit", str(store.root / "junit.xml"))
    held = call(store, "check", "--against", str(stored), *junit, *clean)
    assert held.exit_code == 0, held.output
    assert "3074 test images (clean)" in (store.root / "junit.xml").read_text()
    with_images = json.loads(call(store, "compare", "mek", "cb", *clean, "--format", "json").output)
    assert "3074" in json.dumps(with_images)
    out = str(store.root / "figure.svg")
    assert call(store, "figure", "recall", *clean, "--out", out).exit_code == 0
    drawn = Path(out).read_text()
    assert "3074 test images" in drawn
    assert "whose pixels do not stand in the unmodified training" in " ".join(svg_texts(Path(out)))


def test_where_nothing_tells_which_images_are_copies(store: Store) -> None:
    (store.root / "datasets").rename(store.root / "elsewhere")
    clean = ("--images", "clean")
    for arguments in (("report",), ("compare", "mek", "cb"), ("claims",), ("figure", "recall")):
        line = complaint(store, *arguments, *clean)
        assert "does not say which images of ferplus" in line
        assert "data verify ferplus --results" in line
    assert "Without the" not in call(store, "report", "--format", "markdown").output


def test_marks_of_other_images_are_refused(store: Store) -> None:
    labels = np.repeat(np.arange(7), SIZES)[::-1]
    other = marks(np.ascontiguousarray(labels), np.zeros(len(labels), dtype=np.uint8))
    KeptMarks(store.root).put(store.records()[0].cell.fingerprint, pack(other.arrays()))
    assert "are of other images" in complaint(store, "report", "--images", "clean")
    KeptMarks(store.root).put(store.records()[0].cell.fingerprint, b"nonsense")
    assert "damaged" in complaint(store, "report", "--images", "clean")


def test_what_is_of_all_images_says_so(store: Store) -> None:
    clean = ("--images", "clean")
    assert "published numbers" in complaint(store, "report", "--against", "paper", *clean)
    assert "training images" in complaint(store, "figure", "distribution", *clean)
    assert "every epoch" in complaint(store, "figure", "curves", *clean)
    assert "leave --images" in complaint(store, "report", "--detail", "validation", *clean)
    assert "leave --images" in complaint(store, "claims", "--source", "paper", *clean)


def test_marks_travel_with_the_cells(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "cells.zip"
    export_cells(store, store.records(), file)
    arrived = Store(tmp_path / "arrived")
    import_cells(arrived, file)
    clean = ("report", "--images", "clean", "--format", "csv")
    assert call(arrived, *clean).output == call(store, *clean).output


def test_the_marks_of_ferplus_are_kept(tmp_path: Path) -> None:
    store = Store(STORED)
    (fingerprint,) = {record.cell.fingerprint for record in store.records()}
    kept = KeptMarks(STORED).get(fingerprint)
    assert kept is not None
    out = ~kept.test.kept("clean")
    assert np.bincount(kept.test.labels[out]).tolist() == [39, 36, 109, 27, 30, 11, 5]
    assert kept.test.kept("no-near-copies").sum() == 2826
    assert kept.validation.kept("clean").sum() == 2913
    assert len(FERPLUS) == 7
    assert kept.digest == "b1b09e263ac5d97c7c20ed1f3e2d01d10b3adb20553379dda40771db16d6ec98"
