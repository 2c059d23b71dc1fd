"""FERPlus with contempt as its eighth class: a dataset of its own, never in the paper's tables."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from dataset_makers import ferplus_rows, make_ferplus, make_kaggle, votes_for
from made_records import made_record
from processes import QUICK, fer_bench

from benchmark.cli import cli
from benchmark.data.dataset import EMOTIONS, Part
from benchmark.data.ferplus import EIGHT_EMOTIONS, majority_labels
from benchmark.data.imbalance import PUBLISHED, counts_for, imbalanced_counts
from benchmark.data.load import load_dataset, with_classes
from benchmark.data.verify import expected_counts, verify_dataset
from benchmark.errors import InputError
from benchmark.store.store import Store

SKILL = (0.9, 0.93, 0.88, 0.6, 0.75, 0.35, 0.2, 0.1)


def test_contempt_is_kept_last() -> None:
    votes = np.array([votes_for(column) for column in range(10)])
    assert majority_labels(votes, EIGHT_EMOTIONS).tolist() == [0, 1, 2, 3, 4, 6, 5, 7, -1, -1]
    assert majority_labels(votes).tolist() == [0, 1, 2, 3, 4, 6, 5, -1, -1, -1]
    assert (*EMOTIONS, "contempt") == EIGHT_EMOTIONS


def test_a_dataset_of_its_own(tmp_path: Path) -> None:
    root, cache = make_ferplus(tmp_path / "data"), tmp_path / "cache"
    eight = load_dataset("ferplus-8", root, cache_dir=cache)
    seven = load_dataset("ferplus", root, cache_dir=cache)
    assert (eight.name, seven.name) == ("ferplus-8", "ferplus")
    assert len(eight.labels) == len(seven.labels) + 3  # one in each part
    assert eight.counts(Part.TEST) == (*seven.counts(Part.TEST), 1)
    assert eight.fingerprint != seven.fingerprint
    rows = load_dataset("ferplus-8", make_kaggle(tmp_path / "rows"), cache_dir=cache)
    assert rows.fingerprint == eight.fingerprint


@pytest.mark.parametrize(
    ("name", "classes", "found"),
    [
        ("ferplus", None, "ferplus"),
        ("ferplus", 7, "ferplus"),
        ("ferplus", 8, "ferplus-8"),
        ("ferplus-8", 8, "ferplus-8"),
        ("folder", None, "folder"),
    ],
)
def test_the_number_of_classes_names_the_dataset(
    name: str, classes: int | None, found: str
) -> None:
    assert with_classes(name, classes) == found


@pytest.mark.parametrize(("name", "n"), [("ferplus", 9), ("ferplus-8", 7), ("raf-db", 7), ("x", 8)])
def test_other_numbers_are_refused(name: str, n: int) -> None:
    with pytest.raises(InputError, match=f"{name}: --classes {n} does not go with it"):
        with_classes(name, n)


def test_published_counts() -> None:
    totals = [sum((expected_counts("ferplus-8", part) or {}).values()) for part in Part]
    assert totals == [25060, 3199, 3153]
    seven, eight = (expected_counts(name, Part.TRAIN) for name in ("ferplus", "ferplus-8"))
    assert eight == {**(seven or {}), "contempt": 119}
    assert "ferplus-8" not in PUBLISHED  # the paper's own sets


@pytest.mark.parametrize("factor", [74, 100, 150])
def test_factors_follow_the_general_formula(factor: float) -> None:
    full = list((expected_counts("ferplus-8", Part.TRAIN) or {}).values())
    mu = (8740 / (factor * 119)) ** (1 / 7)
    expected = [int(n * mu**rank + 0.5) for rank, n in enumerate(full)]
    assert list(imbalanced_counts("ferplus-8", factor).values()) == expected
    labels = np.repeat(np.arange(8), full)
    parts = np.zeros(len(labels), np.int8)
    from benchmark.data.dataset import make_dataset

    data = make_dataset(
        "ferplus-8", np.zeros((len(labels), 1, 1), np.uint8), labels, parts, EIGHT_EMOTIONS
    )
    assert list(counts_for(data, factor)) == expected


def test_factor_50_is_refused_unless_the_head_is_cut() -> None:
    with pytest.raises(InputError, match=r"below 73\.4"):
        imbalanced_counts("ferplus-8", 50)
    assert list(imbalanced_counts("ferplus-8", 50, cut_head=True).values())[:2] == [5950, 5950]


@pytest.mark.exhaustive
def test_it_is_run_under_its_own_name(tmp_path: Path) -> None:
    make_ferplus(tmp_path / "data", [*ferplus_rows()])
    where = ("--data-root", "data", "--cache-dir", "cache", "--protocol", "smoke")
    words = (*where, "--methods", "baseline,mek", "--factors", "full", *QUICK, "--results", "runs")
    code, text = fer_bench(tmp_path, "run", "--dataset", "ferplus", "--classes", "8", *words,
                           "--jobs", "2", "--threads", "1")  # fmt: skip
    assert code == 0, text
    records = Store(tmp_path / "runs").records()
    assert {r.cell.dataset for r in records} == {"ferplus-8"}
    assert {r.classes for r in records} == {EIGHT_EMOTIONS}
    code, text = fer_bench(tmp_path, "status", "--dataset", "ferplus-8", *words)
    assert (code, text.count("done")) == (0, 3), text


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    filled = Store(tmp_path_factory.mktemp("eight"))
    for method in ("baseline", "mek"):
        for factor in (None, 150.0):
            filled.add(*made_record(method, factor, dataset="ferplus-8", skill=SKILL))
    return filled.root


def call(store: Path, *words: str) -> str:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(cli, [*words, "--results", str(store)])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def test_a_plain_report_shows_it(store: Path) -> None:
    text = call(store, "report", "--format", "markdown")
    assert "FERPlus with contempt, protocol compact" in text
    assert "Contempt" in text or "contempt" in text
    assert "published" not in text.lower()
    assert "contempt" in call(store, "report", "--format", "csv")


@pytest.mark.parametrize("table", ["2", "3"])
def test_no_table_of_the_paper_takes_it(store: Path, table: str) -> None:
    words = ["report", "--table", table, "--results", str(store), "--format", "csv"]
    done = CliRunner().invoke(cli, words)
    assert "contempt" not in done.output.lower()
    both = Store(store.parent / f"both{table}")
    for record in Store(store).records():
        both.add(record, dict(Store(store).logits(record)))
    both.add(*made_record("mek", None if table == "3" else 150.0))
    text = call(both.root, "report", "--table", table, "--format", "csv")
    assert "contempt" not in text
    assert "ferplus-8" not in text


def test_table_5_keeps_its_numbers(store: Path) -> None:
    text = call(store, "report", "--table", "5", "--format", "csv")
    assert "contempt" not in text
    assert "24941" in text
    assert "25060" not in text


def test_every_claim_is_open(store: Path) -> None:
    import csv
    import io

    from benchmark.analysis.claims import load_claims

    rows = list(csv.DictReader(io.StringIO(call(store, "claims", "--format", "csv"))))
    assert [row["claim"] for row in rows] == [claim.id for claim in load_claims()]
    assert {(row["dataset"], row["verdict"], row["open"]) for row in rows} == {
        ("ferplus-8", "undecided", "True")
    }
    text = call(store, "claims", "--brief", "--format", "markdown")
    assert "FERPlus with contempt\\*" in text or "FERPlus with contempt*" in text
    assert "the paper says nothing of FERPlus with contempt" in call(store, "claims")


@pytest.mark.ferplus
@pytest.mark.exhaustive
def test_the_real_set(tmp_path: Path) -> None:
    root = Path(os.environ["FER_BENCH_FERPLUS"])
    data = load_dataset("ferplus-8", root, cache_dir=tmp_path)
    assert data.counts(Part.TRAIN) == (8740, 7287, 3149, 3014, 2100, 532, 119, 119)
    assert sum(data.counts(Part.VALIDATION)) == 3199
    assert sum(data.counts(Part.TEST)) == 3153
    assert not any("not those" in note for note in data.notes)
    report = verify_dataset("ferplus-8", root)
    assert report.ok
    assert any("those of the real FERPlus with contempt" in f.message for f in report.findings)
