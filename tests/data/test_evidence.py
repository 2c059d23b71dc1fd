"""Pictures and labels that do not belong together: three witnesses, each heard alone."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from dataset_makers import Row, grey, make_ferplus, make_folders, make_kaggle, votes_for
from hypothesis import given
from hypothesis import strategies as st
from processes import fer_bench

from benchmark.data import evidence
from benchmark.data.dataset import FaceDataset
from benchmark.data.evidence import Finding, Reading, Severity, cohen_kappa, picture_digest
from benchmark.data.ferplus import CLASS_OF_CODE, VOTE_COLUMNS
from benchmark.data.known import KNOWN
from benchmark.data.load import find_source, load_dataset
from benchmark.data.verify import verify_dataset
from benchmark.errors import InputError

EMOTIONS_OF_CODES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


def test_the_codes_of_fer2013() -> None:
    neutral_first = ("neutral", "happiness", "surprise", "sadness", "anger", "fear", "disgust")
    assert tuple(neutral_first[label] for label in CLASS_OF_CODE) == EMOTIONS_OF_CODES


def rows_of(usage: str, n: int, *, repeats: int = 0, seed: int = 0) -> list[Row]:
    """Labels at random; of the last images so many show the same as the first ones."""
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, 7, n)
    columns[n - repeats :] = columns[:repeats]
    pictures = [grey(seed * 10_000 + i) for i in range(n - repeats)]
    pictures += pictures[:repeats]
    return [
        Row(usage, f"fer{seed}{i:06d}.png", votes_for(int(c), 9), p)
        for i, (c, p) in enumerate(zip(columns, pictures, strict=True))
    ]


def kaggle(
    root: Path, *, repeats: int = 0, agree: float | None = None, shuffle: str = "", n: int = 150
) -> Path:
    """Write a fer2013.csv.

    Args:
        root: where.
        repeats: training pictures that stand twice.
        agree: share of images on which the column emotion agrees for certain; None: one value.
        shuffle: the columns that are shuffled among the training rows.
        n: training images.
    """
    rows = [*rows_of("Training", n, repeats=repeats), *rows_of("PublicTest", 40, seed=1),
            *rows_of("PrivateTest", 40, seed=2)]  # fmt: skip
    make_kaggle(root, rows)
    rng = np.random.default_rng(3)
    lines = list(csv.reader((root / "fer2013.csv").open()))
    for line, row in zip(lines[1:], rows, strict=True):
        code = EMOTIONS_OF_CODES.index(VOTE_COLUMNS[int(np.argmax(row.votes))])
        if agree is not None:
            line[0] = str(code if rng.random() < agree else rng.integers(0, 7))
    order = rng.permutation(n)
    for place, column in enumerate(("emotion", "pixels")):
        if column in shuffle:
            shuffled = [lines[1 + i][place] for i in order]
            for line, text in zip(lines[1:], shuffled, strict=False):
                line[place] = text
    with (root / "fer2013.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return root


def load(root: Path, cache: Path, name: str = "ferplus") -> FaceDataset:
    return load_dataset(name, root, cache_dir=cache)


def judged(root: Path, *checks: str, name: str = "ferplus") -> list[Finding]:
    return [f for f in verify_dataset(name, root).findings if f.check in checks]


def test_contradictions_of_repeated_pictures(tmp_path: Path) -> None:
    good = kaggle(tmp_path / "good", repeats=30)
    assert {f.severity for f in judged(good, "duplicate")} == {Severity.INFO}
    load(good, tmp_path / "cache")
    bad = kaggle(tmp_path / "bad", repeats=30, shuffle="pixels")
    (error,) = (f for f in judged(bad, "duplicate") if f.severity == Severity.ERROR)
    assert error.subject == "train"
    assert "the labels are not those of these pictures" in error.message
    with pytest.raises(InputError, match=r"ferplus: train: 30 pictures stand more than once") as e:
        load(bad, tmp_path / "cache")
    assert "\n" not in str(e.value)
    assert "fer-bench data verify ferplus" in str(e.value)


@pytest.mark.parametrize("part", ["Training", "PrivateTest"])
def test_a_few_repeated_pictures_convict_labels_dealt_out_at_random(
    part: str, tmp_path: Path
) -> None:
    rows = [
        *rows_of("Training", 150, repeats=19 if part == "Training" else 0),
        *rows_of("PublicTest", 40, seed=1),
        *rows_of("PrivateTest", 40, repeats=8, seed=2),
    ]
    pictures = [row.pixels for row in rows if row.usage == part]
    order = iter(np.random.default_rng(5).permutation(len(pictures)))
    shuffled = [
        dataclasses.replace(r, pixels=pictures[next(order)]) if r.usage == part else r for r in rows
    ]
    load(make_kaggle(tmp_path / "good", rows), tmp_path / "cache")
    bad = make_kaggle(tmp_path / "bad", shuffled)
    with pytest.raises(InputError, match="the labels are not those of these pictures"):
        load(bad, tmp_path / "cache")


def test_one_repeated_picture_proves_nothing(tmp_path: Path) -> None:
    rows = rows_of("Training", 150, repeats=1)
    other = int(np.argmax(rows[0].votes) + 1) % 7
    rows[-1] = dataclasses.replace(rows[-1], votes=votes_for(other, 9))
    parts = [*rows_of("PublicTest", 40, seed=1), *rows_of("PrivateTest", 40, seed=2)]
    root = make_kaggle(tmp_path / "data", [*rows, *parts])
    found = judged(root, "duplicate")
    assert {f.severity for f in found} == {Severity.INFO, Severity.WARNING}
    assert any("the labels differ" in f.message for f in found)
    assert any("contradicting labels" in n for n in load(root, tmp_path / "cache").notes)


@pytest.mark.parametrize(
    ("repeated", "differ"), [(1, 2), (2, 2), (3, 2), (19, 3), (20, 4), (30, 4), (905, 91)]
)
def test_how_many_contradictions_are_no_chance(repeated: int, differ: int) -> None:
    """Against the sum of the binomial distribution, term by term."""

    def chance(least: int) -> float:
        terms = range(least, repeated + 1)
        return sum(math.comb(repeated, k) * 0.01**k * 0.99 ** (repeated - k) for k in terms)

    strange = [bool(evidence._strange("ferplus", repeated, k)) for k in range(repeated + 1)]
    assert strange == [10 * k > repeated and chance(k) < 0.001 for k in range(repeated + 1)]
    assert [*strange, True].index(True) == differ


@pytest.mark.parametrize(("differ", "strange"), [(3, False), (4, True)])
def test_single_exchanges_are_no_error(differ: int, strange: bool) -> None:
    assert bool(evidence._strange("ferplus", 30, differ)) == strange
    assert evidence._strange("folder", 30, differ) == ""


def test_the_column_emotion_speaks_for_itself(tmp_path: Path) -> None:
    good = kaggle(tmp_path / "good", agree=0.5)
    (info,) = judged(good, "labels")  # of 40 images nothing is said
    assert (info.severity, info.subject) == (Severity.INFO, "train")
    load(good, tmp_path / "cache")
    bad = kaggle(tmp_path / "bad", agree=0.5, shuffle="emotion pixels")
    (error,) = judged(bad, "labels")
    assert error.severity == Severity.ERROR
    with pytest.raises(InputError, match="near chance: the labels are not those of these pictures"):
        load(bad, tmp_path / "cache")


@pytest.mark.parametrize("text", [None, "", "9", "x", "4"])
def test_a_column_that_says_nothing(tmp_path: Path, text: str | None) -> None:
    root = kaggle(tmp_path / "data", agree=0.0)
    lines = list(csv.reader((root / "fer2013.csv").open()))
    changed = [line[1:] if text is None else [text, *line[1:]] for line in lines[1:]]
    header = lines[0][1:] if text is None else lines[0]
    with (root / "fer2013.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *changed])
    assert judged(root, "labels") == []
    load(root, tmp_path / "cache")


def known_as(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Have the pictures and labels of a made set known as the real FERPlus."""
    index, reading = find_source("ferplus", root).read_index(), Reading()
    for _ in reading.over(index.pixels):
        pass
    digest = picture_digest(index, reading.digests)
    real = dataclasses.replace(KNOWN["ferplus"], pictures=digest)
    monkeypatch.setitem(KNOWN, "ferplus", real)


def test_known_pictures_are_known_in_every_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders, rows = make_ferplus(tmp_path / "a"), make_kaggle(tmp_path / "b")
    (unknown,) = judged(folders, "pictures")
    assert unknown.severity == Severity.WARNING
    assert any("not those of the real FERPlus" in n for n in load(folders, tmp_path / "c").notes)
    known_as(monkeypatch, folders)
    assert [f.severity for root in (folders, rows) for f in judged(root, "pictures")] == [
        "info"
    ] * 2
    assert not any("real FERPlus" in note for note in load(rows, tmp_path / "c").notes)


def test_a_name_on_two_rows_settles_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_as(monkeypatch, make_ferplus(tmp_path / "a"))
    root = make_kaggle(tmp_path / "b")
    lines = (root / "fer2013.csv").read_text().splitlines()
    double = [n for n in (1, 40) if lines[n] == lines[1]]
    assert len(double) == 2
    lines[40] = lines[40].replace(",", ",255 ", 1).rsplit(" ", 1)[0] + ",Training"
    (root / "fer2013.csv").write_text("\n".join(lines) + "\n")
    assert [f.severity for f in judged(root, "pictures")] == [Severity.INFO]
    lines[2] = lines[2].replace(",", ",255 ", 1).rsplit(" ", 1)[0] + ",Training"
    (root / "fer2013.csv").write_text("\n".join(lines) + "\n")
    assert [f.severity for f in judged(root, "pictures")] == [Severity.WARNING]


def test_beside_known_pictures_the_column_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = kaggle(tmp_path / "data", agree=0.5, shuffle="emotion")
    known_as(monkeypatch, root)
    (warning,) = judged(root, "labels")
    assert warning.severity == Severity.WARNING
    assert "the column is not that of these pictures" in warning.message
    load(root, tmp_path / "cache")


def slow_kappa(pairs: list[tuple[int, int]]) -> float:
    n = len(pairs)
    same = sum(a == b for a, b in pairs) / n
    chance = sum(a == b for a, _ in pairs for _, b in pairs) / n**2
    return (same - chance) / (1 - chance)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40))
def test_kappa(pairs: list[tuple[int, int]]) -> None:
    pairs = [*pairs, (0, 0), (0, 1)]
    one, other = np.array(pairs).T
    assert cohen_kappa(one, other) == pytest.approx(slow_kappa(pairs))


def test_contradictions_in_a_folder_are_warnings(tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data", images=25)
    for i in range(25):
        shutil.copy(root / f"train/ant/{i}.png", root / f"train/bee/{i}.png")
    report = verify_dataset("folder", root)
    assert report.ok
    texts = [f.message for f in report.of(Severity.WARNING)]
    assert "25 pictures stand more than once (25 images too many), with contradicting" in texts[0]
    assert texts[1].startswith("train/ant/0.png (ant) and train/bee/0.png (bee) are the same image")
    assert len(texts) == 26
    (note,) = load(root, tmp_path / "cache", "folder").notes
    assert note == f"train: {texts[0]}"


def test_a_run_refuses_strangers_before_it_trains(tmp_path: Path) -> None:
    kaggle(tmp_path / "data", repeats=30, shuffle="pixels")
    words = ("--dataset", "ferplus", "--data-root", "data", "--cache-dir", "cache")
    code, text = fer_bench(tmp_path, "run", *words, "--protocol", "smoke", "--factors", "full")
    assert code == 2
    assert "the labels are not those of these pictures" in text
    assert text.count("\n") == 1
    assert not (tmp_path / "results").exists()


@pytest.fixture(scope="module")
def real_rows() -> tuple[list[str], list[list[str]]]:
    """The real set as fer2013.csv would hold it, with a made column that agrees for two in three.

    FER2013's own labels are not at hand.
    """
    from benchmark.data.decode import read_picture
    from benchmark.data.ferplus import FOLDERS, USAGES, majority_labels, parse_votes

    root = Path(os.environ["FER_BENCH_FERPLUS"])
    table = parse_votes((root / "fer2013new.csv").open(), "")
    rng = np.random.default_rng(0)
    codes = {label: code for code, label in enumerate(CLASS_OF_CODE)}
    rows = []
    for usage, name, label in zip(
        table.usages, table.names, majority_labels(table.votes).tolist(), strict=True
    ):
        file = root / FOLDERS[USAGES[usage]] / name
        pixels = np.asarray(read_picture(file, "L")[0]) if name else np.zeros(2304, int)
        code = codes.get(label, 0) if rng.random() < 0.6 else int(rng.integers(7))
        rows.append([str(code), " ".join(map(str, pixels.ravel())), usage])
    return ["emotion", "pixels", "Usage"], rows


def write_real(root: Path, header: list[str], rows: list[list[str]]) -> Path:
    root.mkdir()
    shutil.copy(Path(os.environ["FER_BENCH_FERPLUS"]) / "fer2013new.csv", root)
    with (root / "fer2013.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return root


@pytest.mark.exhaustive
@pytest.mark.ferplus
def test_the_real_set_as_rows_is_known(tmp_path: Path, real_rows) -> None:
    root = write_real(tmp_path / "data", *real_rows)
    report = verify_dataset("ferplus", root)
    assert report.ok
    assert [f.severity for f in report.findings if f.check == "pictures"] == [Severity.INFO]
    data = load(root, tmp_path / "cache")
    stored = Path(__file__).parents[2] / "results" / "ferplus-compact" / "cells"
    prints = {
        json.loads(path.read_text())["cell"]["fingerprint"] for path in stored.glob("*/record.json")
    }
    assert {data.fingerprint} == prints
    assert load(Path(os.environ["FER_BENCH_FERPLUS"]), tmp_path / "cache").fingerprint in prints


@pytest.mark.exhaustive
@pytest.mark.ferplus
def test_permuted_training_rows_of_the_real_set(tmp_path: Path, real_rows) -> None:
    header, rows = real_rows
    training = [i for i, row in enumerate(rows) if row[2] == "Training"]
    order = np.random.default_rng(1).permutation(training)
    moved = list(rows)
    for place, other in zip(training, order, strict=True):
        moved[place] = rows[other]
    report = verify_dataset("ferplus", write_real(tmp_path / "data", header, moved))
    errors = {(f.check, f.subject) for f in report.of(Severity.ERROR)}
    assert {("duplicate", "train"), ("labels", "train")} <= errors
    assert report.of(Severity.WARNING)[0].check == "pictures"
    assert not any(f.check == "count" for f in report.of(Severity.ERROR))
