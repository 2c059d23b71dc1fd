"""The tables of the validation split, held against confusion matrices written by hand."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from made_records import FERPLUS, made_record
from table_readers import html_rows, latex_rows, markdown_rows
from validated import with_validation

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.protocols import load_protocol
from benchmark.report.forms import forms
from benchmark.report.tables.validation import differences
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.logits_file import pack
from benchmark.store.record import Cell
from benchmark.store.store import Store

Report = Callable[..., str]
SIZES = (40, 30, 20, 20, 10, 10, 5)
DETAIL = ("--detail", "validation")


def matrix(right: Sequence[int], sizes: Sequence[int] = SIZES) -> list[list[int]]:
    """A confusion matrix with so many of each class right and the rest taken for its neighbour."""
    counts = np.diag(right)
    for index, (good, size) in enumerate(zip(right, sizes, strict=True)):
        counts[index, (index + 1) % len(sizes)] += size - good
    return counts.tolist()


POOR = matrix((30, 20, 10, 10, 4, 2, 0))
GOOD = matrix((38, 27, 15, 13, 7, 3, 1))
FAIR = matrix((36, 25, 15, 12, 6, 5, 2))


def printed(of: list[list[int]]) -> list[str]:
    """Recalls, overall, mean and score of a matrix as a table has them."""
    recalls = [100 * row[i] / sum(row) for i, row in enumerate(of)]
    overall = 100 * sum(row[i] for i, row in enumerate(of)) / sum(map(sum, of))
    mean = sum(recalls) / len(recalls)
    return [f"{value:.2f}" for value in (*recalls, overall, mean, (overall + mean) / 2)]


PLAIN = [
    ["Baseline", "150", *printed(FAIR)],
    ["EAC (consistency=1)", "150", *printed(FAIR)],
    ["EAC (consistency=5)", "150", *printed(GOOD)],
]
MIXED = [
    ["Baseline", "150", "a", "training.epochs=2", *printed(FAIR)],
    ["Baseline", "150", "b", "training.epochs=9", *printed(POOR)],
    ["EAC (consistency=1)", "150", "a", "training.epochs=2", *printed(FAIR)],
    ["EAC (consistency=5)", "150", "a", "training.epochs=2", *printed(GOOD)],
]


@pytest.fixture(scope="module")
def tries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EAC with two values, the baseline also with more epochs, CB without a validation split."""
    store = Store(tmp_path_factory.mktemp("tries"))
    strong = {"consistency": 5.0, "erase": 1.0}
    weak = {"consistency": 1.0, "erase": 1.0}
    more = ["training.epochs=9"]
    store.add(*made_record("eac", hyper=strong, validation=[POOR, GOOD]))
    store.add(*made_record("eac", hyper=weak, validation=[GOOD, FAIR]))
    store.add(*made_record("baseline", validation=[POOR, FAIR]))
    store.add(*made_record("baseline", validation=[GOOD, POOR], overrides=more))
    store.add(*made_record("cb", validation=False))
    return store.root


def test_a_row_is_the_matrix_of_the_last_epoch(tries: Path, report: Report) -> None:
    text = report(*DETAIL, store=tries)
    assert list(markdown_rows(text)) == [*PLAIN, ["Baseline", "150", *printed(POOR)]]
    assert text.count("no test image was looked at") == 2, "each group has a table"
    counts = ", ".join(f"{name} {size}" for name, size in zip(FERPLUS, SIZES, strict=True))
    assert text.count(f"- Validation images: {counts}.") == 2
    assert text.count("Left out: 1 finished cell has no validation split.") == 2
    assert "135 validation images" in text
    assert "test images" not in text
    assert "CB" not in text


def test_the_epoch_is_the_one_that_the_rule_picks(tries: Path, report: Report) -> None:
    text = report(*DETAIL, "--mixed", "--select", "val-overall", store=tries)
    assert {tuple(row[4:]) for row in markdown_rows(text)} == {
        tuple(printed(FAIR)),
        tuple(printed(GOOD)),
    }
    assert "The epoch was picked on these same images" in text
    assert "picked on these same" not in report(*DETAIL, store=tries)


def test_mixed_holds_all_tries_and_says_in_the_row_what_differs(
    tries: Path, report: Report
) -> None:
    arguments = (*DETAIL, "--mixed", "--format")
    assert list(markdown_rows(report(*arguments, "markdown", store=tries))) == MIXED
    assert list(html_rows(report(*arguments, "html", store=tries))) == MIXED
    header, *lines = latex_rows(report(*arguments, "latex", store=tries))
    assert header[:4] == ["Method", "Factor", "Cells", "Differs in"]
    assert lines == MIXED
    terminal = click.unstyle(report(*arguments, "terminal", store=tries))
    assert [re.split(r" {2,}", line.strip()) for line in terminal.splitlines()[3:7]] == MIXED

    keys = [*(f"recall_{name}" for name in FERPLUS), "overall", "mean", "score"]
    rows = list(csv.DictReader(io.StringIO(report(*arguments, "csv", store=tries))))
    labels = ["method", "factor", "cells", "differs_in"]
    assert [[row[key] for key in (*labels, *keys)] for row in rows] == MIXED
    assert {row["split"] for row in rows} == {"validation"}

    (table,) = json.loads(report(*arguments, "json", store=tries))
    assert table["split"] == "validation"
    assert [
        [*(row[key] for key in labels), *(f"{row['values'][key]['value']:.2f}" for key in keys)]
        for row in table["rows"]
    ] == MIXED

    macros = dict(
        re.findall(r"newcommand\{\\(\w+)\}\{(.+)\}", report(*arguments, "macros", store=tries))
    )
    assert list(macros.values()) == [number for row in MIXED for number in row[4:]]
    name = "ferMixedFerplusValidationEACConsistencyFiveOneFiveZeroAScore"
    assert macros[name] == printed(GOOD)[-1]


@pytest.mark.parametrize("form", sorted(forms()))
def test_every_form_says_that_it_is_the_validation_split(
    tries: Path, report: Report, form: str
) -> None:
    assert "validation" in report(*DETAIL, "--format", form, store=tries).lower()


def test_seeds_are_a_mean_of_scores_and_their_deviation(tmp_path: Path, report: Report) -> None:
    store = Store(tmp_path)
    for seed, last in ((0, GOOD), (1, FAIR)):
        store.add(*made_record("eac", seed=seed, validation=[POOR, last]))
    (row,) = markdown_rows(report(*DETAIL, store=tmp_path))
    scores = [float(printed(of)[-1]) for of in (GOOD, FAIR)]
    mean, spread = map(float, row[-1].split(" ± "))
    assert mean == pytest.approx(np.mean(scores), abs=0.011)
    assert spread == pytest.approx(np.std(scores, ddof=1), abs=0.011)
    assert row[:3] == ["EAC", "150", "2"]


def test_tries_that_are_close_are_told_apart(tmp_path: Path, report: Report) -> None:
    store = Store(tmp_path)
    for beta in (0.9999, 0.99999, 0.999995, 1 / 7):
        store.add(*made_record("cb", hyper={"beta": beta}, validation=[POOR, GOOD]))
    titles = [row[0] for row in markdown_rows(report(*DETAIL, store=tmp_path))]
    shown = ("0.1429", "0.9999", "0.99999", "0.999995")
    assert titles == [f"CB (beta={text})" for text in shown]


def test_whatever_tells_groups_apart_is_named() -> None:
    """Two that agree, and one record for each value that no table mixes."""
    base, _ = made_record("eac")
    same, _ = made_record("mek")
    cell = base.cell
    others = [
        Cell(**cell.model_dump() | values)
        for values in (
            {"weights": "scratch"},
            {"precision": "fp32"},
            {"fingerprint": "f" * 64},
            {"protocol": load_protocol("paper", ["training.epochs=2"]).identity},
            {"protocol": cell.protocol.identity | {"recipe": "authors"}},
        )
    ]
    records = [base, same, *(base.model_copy(update={"cell": c, "id": c.id}) for c in others)]
    found = differences(records)
    assert found[base.id] == found[same.id]
    assert len(set(found.values())) == 6
    own, *rest = (dict(word.split("=") for word in found[r.id].split(" ")) for r in records[1:])
    assert own == {
        "data": cell.fingerprint[:12],
        "protocol": f"compact-v{cell.protocol.version}",
        "recipe": "shared",
        "backbone.name": "dlib-face",
        "weights": "a" * 12,
        "precision": "bf16",
    }
    assert [{key for key in own if other[key] != own[key]} for other in rest] == [
        {"weights"}, {"precision"}, {"data"}, {"protocol", "backbone.name"}, {"recipe"},
    ]  # fmt: skip


def test_files_that_disagree_under_one_name_are_told_apart() -> None:
    base, _ = made_record("eac")
    edited = base.cell.protocol.identity | {
        "training": base.cell.protocol.identity["training"] | {"lr": 0.0123}
    }
    cell = Cell(**base.cell.model_dump() | {"protocol": edited})
    other = base.model_copy(update={"cell": cell, "id": cell.id})
    hashes = [r.cell.protocol.values_hash for r in (base, other)]
    assert hashes[0] != hashes[1]
    found = differences([base, other])
    assert [found[r.id] for r in (base, other)] == [f"values={text}" for text in hashes]


def test_values_apart_at_one_factor_are_named_at_all(tmp_path: Path, report: Report) -> None:
    store = Store(tmp_path)
    both = [POOR, GOOD]
    store.add(*made_record("eac", 50.0, hyper={"consistency": 5.0}, validation=both))
    store.add(*made_record("eac", 150.0, hyper={"consistency": 1.0}, validation=both))
    titles = [row[0] for row in markdown_rows(report(*DETAIL, store=tmp_path))]
    assert titles == ["EAC (consistency=5)", "EAC (consistency=1)"]


def test_sets_of_other_sizes_are_counted_apart(tmp_path: Path, report: Report) -> None:
    """A class that the split lacks has no recall, and there is no mean of the recalls."""
    store = Store(tmp_path)
    sizes = (*SIZES[:-1], 0)
    lacking = matrix((38, 27, 15, 13, 7, 3, 0), sizes)
    for last, overrides in ((GOOD, []), (lacking, ["training.lr=0.5"])):
        store.add(*made_record("eac", validation=[last, last], overrides=overrides))
    text = report(*DETAIL, "--mixed", store=tmp_path)
    own, other = markdown_rows(text)
    assert own[4:] == printed(GOOD)
    assert other[3] == "training.lr=0.5"
    assert other[10] == other[12] == other[13] == "–"
    assert other[11] == f"{100 * 103 / 130:.2f}"
    assert re.search(r"Validation images of a: neutral 40, .*disgust 5\.", text)
    assert re.search(r"Validation images of b: .*disgust 0; without images of every class", text)


def test_the_paper_s_rows_and_columns(tries: Path, report: Report) -> None:
    rows = list(markdown_rows(report(*DETAIL, "--table", "2", "--mixed", store=tries)))
    assert [row for row in rows if row[4] != "–"] == [
        row for title in ("Baseline", "EAC") for row in MIXED if row[0].startswith(title)
    ]
    assert {tuple(row[:4]) for row in rows} >= {("MEK", "50", "", ""), ("CB", "150", "", "")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--select", "oracle"], "must not look at it; use last or val"),
        (["--table", "1"], "of RAF-DB at factor 50, 100 or 150 with a validation split"),
        (["--against", "paper"], "--against stands beside accuracies"),
        (["--table", "4"], "--table 4 has no --detail"),
    ],
)
def test_wishes_that_make_no_sense_are_one_line(
    tries: Path, arguments: list[str], message: str
) -> None:
    done = CliRunner().invoke(cli, ["report", "--results", str(tries), *DETAIL, *arguments])
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


def test_a_store_without_a_validation_split_is_said(tmp_path: Path) -> None:
    Store(tmp_path).add(*made_record("cb", validation=False))
    done = CliRunner().invoke(cli, ["report", "--results", str(tmp_path), *DETAIL])
    assert isinstance(done.exception, InputError)
    assert "--detail validation has nothing to show" in str(done.exception)


@pytest.mark.exhaustive
def test_the_whole_report_has_it_unless_the_test_set_chose_the_epoch(
    tries: Path, report: Report, tmp_path: Path
) -> None:
    report("--all", "--mixed", "--out", str(tmp_path / "last"), store=tries)
    text = (tmp_path / "last/validation.md").read_text()
    assert text == report(*DETAIL, "--mixed", store=tries)
    report("--all", "--select", "oracle", "--out", str(tmp_path / "oracle"), store=tries)
    assert not list((tmp_path / "oracle").glob("validation*"))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_latex_compiles(tries: Path, report: Report, tmp_path: Path) -> None:
    from test_table_forms import compile_latex

    text = report(*DETAIL, "--mixed", "--format", "latex", store=tries)
    packages = text.splitlines()[0].removeprefix("% Needs ").replace(" and ", "")
    document = rf"\documentclass{{article}}{packages}\begin{{document}}{text}\end{{document}}"
    compile_latex(document, tmp_path)


def test_rows_whose_validation_logits_are_not_kept_are_named(
    tmp_path: Path, report: Callable[..., str]
) -> None:
    store = Store(tmp_path)
    store.add(*made_record("cb"))
    without = "none of the validation split are kept"
    assert without in report(*DETAIL, "--format", "markdown", store=tmp_path)
    record, arrays = made_record("baseline")
    record, validation, marks = with_validation(record, arrays["label"])
    store.add(record, arrays, validation=validation)
    KeptMarks(tmp_path).put(record.cell.fingerprint, pack(marks.arrays()))
    text = report(*DETAIL, "--format", "markdown", store=tmp_path)
    assert without not in text
    assert "Not backed by stored logits (runs): CB at 150 (1 of 1)." in text
