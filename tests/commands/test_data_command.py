"""``fer-bench data``: the tables, the ways to name a dataset, and the exit codes."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from click import unstyle
from click.testing import CliRunner, Result
from dataset_makers import make_ferplus, make_folders

from benchmark.commands.data import command, counts_table
from benchmark.data.dataset import EMOTIONS, FaceDataset, Part
from benchmark.data.imbalance import imbalanced_counts
from benchmark.data.rafdb import CLASSES
from benchmark.data.verify import expected_counts
from benchmark.errors import InputError
from benchmark.report.forms import by_name
from benchmark.report.sheet import text_table
from benchmark.store.kept_marks import KeptMarks


def published(name: str, classes: tuple[str, ...]) -> FaceDataset:
    """A dataset with the published counts and no pixels to speak of."""
    labels, parts = [], []
    for part in Part:
        for label, n in enumerate((expected_counts(name, part) or {}).values()):
            labels += [label] * n
            parts += [part] * n
    images = np.zeros((len(labels), 1, 1), dtype=np.uint8)
    return FaceDataset(name, images, np.array(labels), np.array(parts), classes, "")


def run(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], env={"COLUMNS": "200"})


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return make_folders(tmp_path / "data", classes=("happy", "sad"), images=2)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("name", "classes", "below"),
    [
        ("ferplus", EMOTIONS, {"validation": "3186", "test": "3137"}),
        ("raf-db", CLASSES, {"test": "3068"}),
    ],
)
def test_the_published_tables(name: str, classes: tuple[str, ...], below: dict[str, str]) -> None:
    table = counts_table(published(name, classes), [None, 50, 100, 150])
    assert (*table.header, *table.columns) == ("factor", *classes, "total")
    numbers = {row.labels[0]: [number.text for number in row.numbers] for row in table.rows}
    assert list(numbers) == ["-", "50", "100", "150", *below]
    for factor in (50, 100, 150):
        counts = imbalanced_counts(name, factor)
        assert numbers[str(factor)][:-1] == [str(counts[c]) for c in classes]
    for *counted, total in numbers.values():
        assert int(total) == sum(map(int, counted))
    assert {part: numbers[part][-1] for part in below} == below
    assert table.notes == ()


def test_a_factor_out_of_reach_is_shown_with_its_reason() -> None:
    table = counts_table(published("ferplus", EMOTIONS), [None, 60])
    assert {number.text for number in table.rows[1].numbers[:-1]} == {"refused"}
    assert "below 73.4" in table.notes[0]


def test_argument_and_option_say_the_same(folders: Path, cache: Path) -> None:
    rest = ("--data-root", folders, "--cache-dir", cache, "--factors", "full,2")
    one, two = run("counts", "folder", *rest), run("counts", "--dataset", "folder", *rest)
    assert one.exit_code == 0
    assert one.stdout == two.stdout
    assert one.stdout.splitlines() == [
        "factor  happy  sad  total",
        "─────────────────────────",
        "     -      2    2      4",
        "     2      2    1      3",
        "  test      2    2      4",
    ]


def test_argument_and_option_that_differ_are_refused() -> None:
    result = run("counts", "folder", "--dataset", "raf-db")
    assert result.exit_code == 2
    assert "keep one" in result.output


def test_the_argument_wins_over_the_environment(folders: Path, cache: Path) -> None:
    words = ["counts", "folder", "--data-root", str(folders), "--cache-dir", str(cache)]
    result = CliRunner().invoke(command, words, env={"FER_BENCH_DATASET": "raf-db"})
    assert result.exit_code == 0


def test_synthetic_faces_are_the_default_and_told() -> None:
    result = run("counts")
    assert result.exit_code == 0
    assert "synthetic" in result.stderr
    assert "validation" in result.stdout


def test_a_root_without_a_dataset_is_refused(folders: Path) -> None:
    assert isinstance(run("verify", "--data-root", folders).exception, InputError)


def test_formats_and_file(folders: Path, cache: Path, tmp_path: Path) -> None:
    rest = ("folder", "--data-root", folders, "--cache-dir", cache, "--factors", "full,1000")
    out = tmp_path / "counts.csv"
    result = run("counts", *rest, "--format", "csv", "--out", out)
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert rows[0] == {"factor": "-", "happy": "2", "sad": "2", "total": "4"}
    assert "1000: " in result.stderr
    markdown = run("counts", *rest, "--format", "markdown").stdout
    assert "| - | 2 | 2 | 4 |" in markdown
    assert "1000: " in markdown


@pytest.mark.parametrize("factors", ["x", "0", "", ",", "nan"])
def test_bad_factors_are_refused(factors: str) -> None:
    assert isinstance(run("counts", "--factors", factors).exception, InputError)


def test_verify_passes_with_warnings(folders: Path) -> None:
    (folders / "test/sad/0.png").write_bytes((folders / "train/sad/0.png").read_bytes())
    result = run("verify", "folder", "--data-root", folders)
    assert result.exit_code == 0
    assert "train/sad/0.png (sad) and test/sad/0.png (sad) are the same image" in result.stdout
    assert "folder: 8 images, 0 errors, 1 warning" in result.stdout


def test_verify_keeps_which_images_are_copies(folders: Path, tmp_path: Path) -> None:
    (folders / "test/sad/0.png").write_bytes((folders / "train/sad/0.png").read_bytes())
    names, store = tmp_path / "copies.csv", tmp_path / "runs"
    kept = ("--copies", names, "--results", store, "--cache-dir", tmp_path / "cache")
    result = run("verify", "folder", "--data-root", folders, *kept)
    assert result.exit_code == 0, result.output
    rows = [row for row in csv.DictReader(names.open()) if row["kind"] == "exact"]
    pairs = {(row["image"], row["other image"]) for row in rows}
    assert ("test/sad/0.png", "train/sad/0.png") in pairs
    assert "clean: 3 of 4 test images" in result.stderr
    (file,) = (store / "datasets").glob("*.npz")
    marks = KeptMarks(store).get(file.stem)
    assert marks is not None
    assert [str(n) for n in marks.test.names[~marks.test.kept("clean")]] == ["test/sad/0.png"]


def test_verify_fails_on_errors(tmp_path: Path) -> None:
    root = make_ferplus(tmp_path)
    (root / "FER2013Train/fer0000010.png").unlink()
    result = run("verify", "--dataset", "ferplus", "--data-root", root)
    assert result.exit_code == 1
    assert "fer0000010.png" in result.stdout
    assert "published are 8740" in result.stdout


def test_many_warnings_are_cut_short_unless_asked_for(tmp_path: Path) -> None:
    root = make_folders(tmp_path, classes=("a", "b"), images=15)
    for path in (root / "train").rglob("*.png"):
        (root / "test" / path.relative_to(root / "train")).write_bytes(path.read_bytes())
    words = ("verify", "folder", "--data-root", root)
    short = run(*words).stdout
    assert short.count("are the same image") == 20
    assert "and 10 more; --all shows them" in short
    assert run(*words, "--all").stdout.count("are the same image") == 30
    assert run(*words, "--format", "csv").stdout.count("are the same image") == 30


def test_table_forms() -> None:
    table = text_table("", ("a", "b|c"), [("1", "x,y"), ("20", "")], ["why"])
    text = unstyle(by_name("text").write([table]))
    expected = [" a  b|c", "───────", " 1  x,y", "20", "", "- why"]
    assert [line.rstrip() for line in text.splitlines()] == expected
    assert by_name("csv").write([table]) == 'a,b|c\n1,"x,y"\n20,\n'
    markdown = "| a | b\\|c |\n|---:|:---|\n| 1 | x,y |\n| 20 |  |\n\n- why\n"
    assert by_name("markdown").write([table]) == markdown


def test_signed_and_bounded_numbers_stand_to_the_right() -> None:
    rows = [("a", "+1.28", "0.002", "-"), ("b", "-", "<0.001", "-")]
    table = text_table("", ("why", "margin", "p", "none"), rows)
    assert by_name("markdown").write([table]).splitlines()[1] == "|:---|---:|---:|:---|"
