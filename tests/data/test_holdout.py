"""A validation split drawn from the training images: the draw, its dataset, where it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from dataset_makers import make_ferplus, make_folders, make_raf, make_raf_folders
from figure_reading import svg_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import made_record
from processes import fer_bench

from benchmark.cli import cli
from benchmark.data.dataset import FaceDataset, Part, make_dataset
from benchmark.data.holdout import (
    counts_with,
    draw_holdout,
    held_count,
    held_out_name,
    held_out_note,
    parted,
)
from benchmark.data.imbalance import draw_split
from benchmark.data.known import KNOWN, dataset_title
from benchmark.data.load import load_dataset
from benchmark.data.marks import Mark, marks_of
from benchmark.data.rafdb import CLASSES
from benchmark.data.verify import count_findings, expected_counts
from benchmark.errors import InputError
from benchmark.report.tables import details
from benchmark.selection import rules
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.ledger import Ledger, Searched, Span, Try, keep_ledger
from benchmark.store.store import Store

FRACTIONS = st.integers(1, 5000).map(lambda n: n / 10000)
NOTE = "Validation: 25 % of the training images of each class, drawn by this program (seed 0)"
ROOTS = (("raf-db", "raf"), ("folder", "folders"))
TITLE = "RAF-DB with 25 % of training held out for validation"


@st.composite
def labelled(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Labels and parts in any order; each class has ten training images or more."""
    train = draw(st.lists(st.integers(10, 60), min_size=2, max_size=5))
    test = [draw(st.integers(0, 9)) for _ in train]
    labels = np.repeat(np.tile(np.arange(len(train)), 2), [*train, *test])
    parts = np.repeat(np.array([Part.TRAIN, Part.TEST], np.int8), [sum(train), sum(test)])
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(labels))
    return labels[order], parts[order], tuple(f"c{k}" for k in range(len(train)))


def rounded(fraction: float, images: int) -> int:
    return int((Decimal(str(fraction)) * images).quantize(Decimal(1), ROUND_HALF_UP))


@given(labelled(), FRACTIONS.filter(lambda f: f >= 0.05))
def test_each_class_gives_its_share_and_only_of_training(
    made: tuple[np.ndarray, np.ndarray, tuple[str, ...]], fraction: float
) -> None:
    labels, parts, classes = made
    held = draw_holdout(labels, parts, classes, fraction)
    assert (np.diff(held) > 0).all()
    assert (parts[held] == Part.TRAIN).all()
    for k in range(len(classes)):
        own = int(((parts == Part.TRAIN) & (labels == k)).sum())
        taken = int((labels[held] == k).sum())
        assert taken == held_count(own, fraction) == rounded(fraction, own)
        assert 1 <= taken < own


@given(labelled(), FRACTIONS.filter(lambda f: f >= 0.05), FRACTIONS.filter(lambda f: f >= 0.05))
def test_a_larger_share_contains_a_smaller_one(
    made: tuple[np.ndarray, np.ndarray, tuple[str, ...]], one: float, other: float
) -> None:
    small, large = (draw_holdout(*made, fraction) for fraction in sorted((one, other)))
    assert set(small.tolist()) <= set(large.tolist())


@given(labelled(), st.integers(0, 99))
def test_the_draw_of_a_class_depends_on_nothing_but_its_own_order(
    made: tuple[np.ndarray, np.ndarray, tuple[str, ...]], seed: int
) -> None:
    labels, parts, classes = made
    within = np.arange(len(labels))  # the same classes, put together in another way
    for k in range(len(classes)):
        within[np.flatnonzero(labels == k)] = np.arange((labels == k).sum())
    keys = np.random.default_rng(seed).permutation(len(classes))
    order = np.lexsort((within, keys[labels]))
    held = draw_holdout(labels, parts, classes, 0.2)
    again = draw_holdout(labels[order], parts[order], classes, 0.2)
    assert sorted(order[again].tolist()) == held.tolist()


def test_halves_are_rounded_up_as_they_are_written() -> None:
    assert [held_count(n, 0.1) for n in (5, 14, 15, 25, 281)] == [1, 1, 2, 3, 28]
    assert held_count(50, 0.29) == 15  # 0.29 * 50 is 14.499999999999998 in binary
    assert held_count(3, 0.5) == 2


@given(st.sampled_from(["raf-db", "folder", "raf-db-holdout"]), FRACTIONS)
def test_names_say_the_share_and_are_read_back(base: str, fraction: float) -> None:
    name = held_out_name(base, fraction)
    assert parted(name) == (base, fraction)
    assert held_out_name(name, fraction) == name
    assert "e" not in name.removeprefix(base).removeprefix("-holdout")


def test_other_names_have_no_share() -> None:
    for name in ("raf-db", "raf-db-holdout", "-holdout0.1", "x-holdout0.1e5", "x-holdout1.5", ""):
        assert parted(name) == (name, None)
        assert held_out_note(name) == ""
    assert dataset_title("raf-db-holdout0.25") == TITLE
    assert dataset_title("folder-holdout0.07").startswith("folder with 7 % of training held out")


def test_the_published_numbers_less_what_is_held_out() -> None:
    """Tables 4 and 5 are of the whole training set; only the test set stays as it was."""
    train, validation, test = (expected_counts("raf-db-holdout0.1", part) for part in Part)
    assert list(validation.values()) == [477, 252, 198, 129, 72, 71, 28]  # type: ignore[union-attr]
    published = KNOWN["raf-db"]
    assert {c: train[c] + validation[c] for c in CLASSES} == published.of(Part.TRAIN)  # type: ignore[index]
    assert test == published.of(Part.TEST)
    labels = np.concatenate([
        np.repeat(np.arange(7), counts_with(published.counts, 0.1)[part]) for part in Part
    ])  # fmt: skip
    parts = np.repeat(np.array(list(Part), np.int8), [11044, 1227, 3068])
    found = count_findings("raf-db-holdout0.1", CLASSES, labels, parts)
    follows = "each class as follows from the published numbers"
    assert [f.message for f in found] == [
        f"11044 images, {follows}", f"1227 images, {follows}", f"3068 images, {follows}"
    ]  # fmt: skip
    found = count_findings("raf-db-holdout0.1", CLASSES, labels[1:], parts[1:])
    assert found[0].message == "4294 images, from the published numbers follow 4295"


def held_raf(root: Path, cache: Path, fraction: float) -> FaceDataset:
    return load_dataset(held_out_name("raf-db", fraction), root, cache_dir=cache)


def test_a_dataset_of_its_own_of_the_same_images(tmp_path: Path) -> None:
    root, cache = make_raf(tmp_path / "data", train=8), tmp_path / "cache"
    whole = load_dataset("raf-db", root, cache_dir=cache)
    some, more = (held_raf(root, cache, fraction) for fraction in (0.125, 0.25))
    assert [data.name for data in (whole, some, more)] == [
        "raf-db", "raf-db-holdout0.125", "raf-db-holdout0.25"
    ]  # fmt: skip
    assert len({data.fingerprint for data in (whole, some, more)}) == 3
    assert more.has_validation
    assert [more.counts(part) for part in Part] == [(6,) * 7, (2,) * 7, (1,) * 7]
    assert (more.labels == whole.labels).all()
    assert (more.parts[whole.parts == Part.TEST] == Part.TEST).all()
    assert set(some.indices(Part.VALIDATION)) < set(more.indices(Part.VALIDATION))
    assert more.notes == (f"{NOTE}: 14 of 56 images",)
    assert load_dataset("raf-db", root, cache_dir=cache).fingerprint == whole.fingerprint
    assert held_raf(root, cache, 0.25).fingerprint == more.fingerprint  # now from the cache


def test_neither_layout_nor_order_of_files_matters(tmp_path: Path) -> None:
    root = make_raf(tmp_path / "data", train=8)
    expected = held_raf(root, tmp_path / "cache", 0.25)
    held = {Path(expected.sources[i]).name for i in expected.indices(Part.VALIDATION)}
    listed = root / "EmoLabel" / "list_patition_label.txt"
    listed.write_text("\n".join(reversed(listed.read_text().split("\n"))))
    copy = make_raf_folders(tmp_path / "copy", train=8)
    for other in (root, copy):
        data = held_raf(other, tmp_path / "other", 0.25)
        assert data.fingerprint == expected.fingerprint
        assert {Path(data.sources[i]).name for i in data.indices(Part.VALIDATION)} == held


@settings(max_examples=20)
@given(labelled(), st.integers(0, 3), st.sampled_from([None, 7.0, 8.0]))
def test_cut_sets_are_drawn_from_what_remains(
    made: tuple[np.ndarray, np.ndarray, tuple[str, ...]], seed: int, factor: float | None
) -> None:
    labels, parts, classes = made
    held = draw_holdout(labels, parts, classes, 0.3)
    parts = parts.copy()
    parts[held] = Part.VALIDATION
    images = np.zeros((len(labels), 1, 1), np.uint8)
    data = make_dataset("folder-holdout0.3", images, labels, parts, classes)
    cut = draw_split(data, factor, seed=seed)
    whole = draw_split(data, None, seed=seed)
    assert not set(cut.indices) & set(held)
    assert set(cut.indices) <= set(whole.indices) == set(data.indices(Part.TRAIN))
    harder = draw_split(data, 9.0, seed=seed)
    assert set(harder.indices) <= set(cut.indices)


def test_copies_are_marked_by_the_part_that_an_image_came_to(tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data", images=8)
    first = load_dataset("folder-holdout0.25", root, cache_dir=tmp_path / "a")
    held = [first.sources[i] for i in first.indices(Part.VALIDATION)]
    kept = [first.sources[i] for i in first.indices(Part.TRAIN)]
    for target, source in (
        ("test/cat/0.png", kept[0]),  # training saw it
        ("test/cat/1.png", held[0]),  # training did not; the choice of an epoch did
        (held[1], kept[1]),
    ):
        (root / target).write_bytes((root / source).read_bytes())
    data = load_dataset("folder-holdout0.25", root, cache_dir=tmp_path / "b")
    assert [data.sources[i] for i in data.indices(Part.VALIDATION)] == held
    marks = marks_of(data)
    copied = [
        {name for name, mark in zip(of.names, of.marks, strict=True) if mark & Mark.EXACT}
        for of in (marks.test, marks.validation)
    ]
    assert copied == [{"test/cat/0.png"}, {held[0], held[1]}]


@pytest.mark.parametrize("fraction", [0, -0.1, 0.51, 1, float("nan"), float("inf")])
def test_a_share_out_of_bounds_is_refused(fraction: float) -> None:
    with pytest.raises(InputError, match=r"--holdout .*: must be above 0 and at most 0\.5"):
        held_out_name("raf-db", fraction)


def refusal(*words: object) -> str:
    done = CliRunner().invoke(cli, ["data", "counts", *map(str, words)])
    assert isinstance(done.exception, InputError), (done.output, done.exception)
    assert "\n" not in str(done.exception)
    return str(done.exception)


def test_a_set_with_a_validation_split_is_refused(tmp_path: Path) -> None:
    make_ferplus(tmp_path / "ferplus")
    make_folders(tmp_path / "folder", parts=("train", "valid", "test"))
    own = "it has a validation split of its own; leave --holdout 0.1 out"
    for name, more in (("ferplus", ()), ("ferplus", ("--classes", 8)), ("folder", ())):
        root = ("--data-root", tmp_path / name, "--cache-dir", tmp_path / "cache")
        assert own in refusal(name, "--holdout", 0.1, *root, *more)
    assert own in refusal("synthetic", "--holdout", 0.1)
    assert own in refusal("--holdout", 0.1)
    assert own in refusal("synthetic-holdout0.10")
    (tmp_path / "empty" / "valid" / "cat").mkdir(parents=True)  # no image of it: no split
    make_folders(tmp_path / "empty", images=2)
    data = load_dataset("folder-holdout0.5", tmp_path / "empty", cache_dir=tmp_path / "cache")
    assert data.counts(Part.VALIDATION) == (1, 1, 1)


def test_classes_too_small_are_refused(tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data", images=6)
    words = ("folder", "--data-root", root, "--cache-dir", tmp_path / "cache", "--holdout")
    assert refusal(*words, 0.05) == (
        "folder: class 'ant' has 6 training images, of which --holdout 0.05 takes none, and "
        "validation needs one of each class; pass 0.09 or more"
    )
    enough = load_dataset("folder-holdout0.09", root, cache_dir=tmp_path / "cache")
    assert enough.counts(Part.VALIDATION) == (1, 1, 1)
    for number in range(1, 6):
        (root / "train" / "bee" / f"{number}.png").unlink()
    assert refusal(*words, 0.5) == (
        "folder: class 'bee' has 1 training image, and training and validation need one each; "
        "leave --holdout out"
    )
    assert "is not what the name says" in refusal("folder-holdout0.5", *words[1:], 0.25)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RAF-DB and a folder, each with a cell that was trained through the command line."""
    place = tmp_path_factory.mktemp("holdout")
    make_raf(place / "raf", train=8, test=3)
    make_folders(place / "folders", images=8, side=24)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for dataset, root in ROOTS:
            words = ["run", *sweep(dataset, root), "--results", "runs", "--jobs", "1"]
            done = CliRunner().invoke(cli, words)
            assert done.exit_code == 0, (done.output, done.exception)
            assert f"Dataset: {NOTE}: " in done.output
            assert f"on {dataset}-holdout0.25" in done.output
    return place


def sweep(dataset: str, root: str) -> tuple[str, ...]:
    return (
        "--dataset", dataset, "--holdout", "0.25", "--data-root", root, "--cache-dir", "cache",
        "--protocol", "smoke", "--methods", "baseline", "--factors", "full",
        "--set", "training.epochs=1", "--set", "image.size=24", "--set", "training.batch_size=16",
    )  # fmt: skip


@pytest.fixture
def call(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.chdir(place)

    def call(*words: str) -> str:
        done = CliRunner(env={"COLUMNS": "250"}).invoke(cli, list(words))
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    return call


def test_trained_and_chosen_by_what_was_held_out(place: Path, call: Callable[..., str]) -> None:
    store = Store(place / "runs")
    records = {record.cell.dataset: record for record in store.records()}
    assert set(records) == {"raf-db-holdout0.25", "folder-holdout0.25"}
    record = records["raf-db-holdout0.25"]
    assert record.cell.class_counts == (6,) * 7
    assert record.notes == (f"{NOTE}: 14 of 56 images",)
    assert np.sum(record.history[0].validation, axis=1).tolist() == [2] * 7
    marks = KeptMarks(store.root).get(record.cell.fingerprint)
    assert marks is not None
    assert len(marks.validation.labels) == 14
    for rule in (name for name, rule in rules().items() if not rule.by_test):
        text = call("report", "--results", "runs", "--select", rule, "--format", "markdown")
        assert f"**{TITLE}, protocol smoke: " in text
        assert "**folder with 25 % of training held out for validation, protocol smoke: " in text
        assert text.count(f"{NOTE}.") == 2


def test_status_knows_it_by_either_name(call: Callable[..., str]) -> None:
    for dataset, root in ROOTS:
        words = sweep(dataset, root)
        named = ("--dataset", f"{dataset}-holdout0.250", *words[4:])
        for options in (words, named):
            text = call("status", *options, "--results", "runs")
            assert "1 done" in text
            assert f"{dataset}-holdout0.25: {NOTE}." in " ".join(text.split())
    text = " ".join(call("status", "--results", "runs").split())
    assert f"- raf-db-holdout0.25: {NOTE}." in text
    assert f"- folder-holdout0.25: {NOTE}." in text


def test_data_commands_tell_it(call: Callable[..., str], place: Path) -> None:
    words = ("folder", "--holdout", "0.25", "--data-root", "folders", "--cache-dir", "cache")
    counts = call("data", "counts", *words, "--factors", "full")
    assert ["-", "6", "6", "6", "18"] in [line.split() for line in counts.splitlines()]
    assert ["validation", "2", "2", "2", "6"] in [line.split() for line in counts.splitlines()]
    assert f"{NOTE}." in counts
    found = call("data", "verify", *words)
    assert f"{NOTE}: 6 of 24 images" in found
    assert "validation" in found


def test_figures_tell_it(call: Callable[..., str], place: Path) -> None:
    words = ("--dataset", "raf-db-holdout0.25", "--results", "runs", "--out")
    call("figure", "distribution", *words, "d.svg")
    text = " ".join(svg_texts(place / "d.svg"))
    assert f"{TITLE}, by imbalance factor." in text
    assert f"{NOTE}." in text


@pytest.mark.exhaustive
def test_jobs_side_by_side_train_on_the_same_set(place: Path) -> None:
    words = (*sweep("raf-db", "raf"), "--seeds", "1,2", "--jobs", "2", "--threads", "1")
    code, text = fer_bench(place, "run", *words, "--results", "side")
    assert code == 0, text
    assert "2 trained, 0 failed" in text
    cells = [record.cell for name in ("runs", "side") for record in Store(place / name).records()]
    raf = [cell for cell in cells if cell.dataset == "raf-db-holdout0.25"]
    assert len(raf) == 3
    assert len({(cell.fingerprint, cell.split_hash) for cell in raf}) == 1


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paper's RAF-DB beside what its validation images were held out of."""
    filled = Store(tmp_path_factory.mktemp("both"))
    for dataset, skill in (("raf-db", 0.9), ("raf-db-holdout0.1", 0.5)):
        for method in ("baseline", "mek"):
            filled.add(*made_record(method, 150.0, dataset=dataset, skill=(skill,) * 7))
    keep_ledger(filled.root, _tuned("raf-db-holdout0.1"))
    return filled.root


def _tuned(dataset: str) -> Ledger:
    """Return what a store says of a tuning whose tries are still to be trained."""
    tried = Try(why="default", values={"mek.smoothing": 0.1}, departure=0, edge=0.1, cells=("a",))
    span = {"mek.smoothing": Span(low=0, high=1, words="0 to 1")}
    subject = Searched(name="mek", method="mek", spans=span, tries=(tried,))
    return Ledger(
        dataset=dataset, fingerprint="", protocol="paper", version=2, shared=(), factors=(150.0,),
        seeds=(1000,), budget=1, key="one", subjects=(subject,),
    )  # fmt: skip


def invoke(store: Path, *words: str) -> Result:
    return CliRunner(env={"COLUMNS": "250"}).invoke(cli, [*words, "--results", str(store)])


def test_the_papers_tables_are_of_its_own_training_set(both: Path, tmp_path: Path) -> None:
    alone = Store(tmp_path / "alone")
    for record in Store(both).records():
        if record.cell.dataset == "raf-db":
            alone.add(record, dict(Store(both).logits(record)))
    for words in (["1"], ["4"], ["1", "--against", "paper"]):
        table = ("report", "--format", "csv", "--table", *words)
        one, other = (invoke(store, *table).stdout for store in (both, alone.root))
        assert one == other != ""
    text = invoke(both, "report", "--against", "paper", "--format", "json").stdout
    tables = {table["dataset"]: json.dumps(table) for table in json.loads(text)}
    assert set(tables) == {"raf-db", "raf-db-holdout0.1"}
    assert "published" in tables["raf-db"]
    assert "published" not in tables["raf-db-holdout0.1"].lower()


# Attention maps need trained weights; what stands around them is `table_of`'s, as for the others.
MADE = [name for name, offer in details().items() if not offer.facts.get("MAPS")]


@pytest.mark.parametrize("detail", [None, *MADE])
def test_every_table_tells_it(both: Path, detail: str | None) -> None:
    words = [] if detail is None else ["--detail", detail]
    text = invoke(both, "report", "--format", "markdown", *words).stdout
    tables = [table for table in text.split("\n**") if "held out" in table]
    assert tables
    for table in tables:
        assert dataset_title("raf-db-holdout0.1") in table
        assert held_out_note("raf-db-holdout0.1") in table


def test_claims_leave_it_out_and_say_so(both: Path) -> None:
    done = invoke(both, "claims", "--format", "csv")
    assert done.exit_code == 0
    assert "held out" not in done.stdout
    assert (
        "left out: RAF-DB with 10 % of training held out for validation: the paper says nothing of "
        "it" in done.stderr
    )
