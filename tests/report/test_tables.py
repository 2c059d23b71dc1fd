"""The numbers of the paper's tables from made records, held against frame, logits and paper."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from made_records import FERPLUS, made_record
from table_readers import html_rows, latex_rows, markdown_rows

from benchmark.analysis.frame import tidy
from benchmark.analysis.measurements import Measurements
from benchmark.paper.published import results
from benchmark.protocols import load_protocol
from benchmark.report.against_paper import against_notes
from benchmark.report.counts import counts_table
from benchmark.report.forms import forms
from benchmark.report.sheet import MISSING
from benchmark.report.tables import confusion
from benchmark.stats.accuracy import confusion_matrix
from benchmark.stats.paired import paired_difference
from benchmark.stats.significance import holm
from benchmark.store.record import Cell, Record
from benchmark.store.store import Store

Report = Callable[..., str]


def test_every_form_prints_the_numbers_of_the_frame(stored: Path, report: Report) -> None:
    store = Store(stored)
    frame = tidy(store.records(), ["last"])
    frame = frame[(frame["dataset"] == "ferplus") & frame["factor"].notna()]
    columns = [f"recall_{name}" for name in FERPLUS] + ["overall", "mean"]
    of = frame.groupby(["title", "factor"])[columns]
    means, spreads, sizes = of.mean(), of.std(ddof=1), of.size()

    expected = []
    for factor in ("50", "100", "150"):
        for title in ("SOFT", "SCN", "CB", "RUL", "MEK", "Baseline"):
            key = (title, float(factor))
            if key not in means.index:
                expected.append([title, factor, "0 of 2"] + [MISSING] * 9)
                continue
            n = int(sizes[key])
            cells = [
                f"{mean:.2f} ± {spread:.2f}" if n > 1 else f"{mean:.2f}"
                for mean, spread in zip(means.loc[key], spreads.loc[key], strict=True)
            ]
            expected.append([title, factor, "2" if n == 2 else "1 of 2", *cells])

    assert list(markdown_rows(report("--table", "2"))) == expected
    assert list(html_rows(report("--table", "2", "--format", "html"))) == expected

    latex = [
        [*row[:3], *(f"{v} {s}".strip() for v, s in zip(row[3::2], row[4::2], strict=True))]
        for row in latex_rows(report("--table", "2", "--format", "latex"))
    ]
    assert latex == expected

    terminal = click.unstyle(report("--table", "2", "--format", "terminal"))
    digits = re.findall(r"\d+\.\d\d", " ".join(cell for row in expected for cell in row))
    assert re.findall(r"\d+\.\d\d", terminal.split("- Protocol")[0]) == digits

    for row, cells in zip(
        csv.DictReader(io.StringIO(report("--table", "2", "--format", "csv"))),
        expected,
        strict=True,
    ):
        assert [row["method"], row["factor"], row["seeds"]] == cells[:3]
        printed = [
            " ± ".join(part for part in (row[c], row[f"{c}_sd"]) if part) or MISSING
            for c in columns
        ]
        assert printed == cells[3:]

    (table,) = json.loads(report("--table", "2", "--format", "json"))
    for row, cells in zip(table["rows"], expected, strict=True):
        for column, cell in zip(columns, cells[3:], strict=True):
            value = row["values"][column]["value"]
            assert (MISSING if value is None else f"{value:.2f}") == cell.split(" ")[0]


def test_bold_is_what_the_raw_logits_do_not_tell_apart(stored: Path, report: Report) -> None:
    """One table, decided again from the arrays alone."""
    store = Store(stored)
    right: dict[tuple[str, float], dict[int, np.ndarray]] = {}
    for record in store.records():
        if record.cell.dataset == "ferplus" and record.cell.factor is not None:
            arrays = store.logits(record)
            labels = arrays["label"]
            key = record.method_title, record.cell.factor
            right.setdefault(key, {})[record.cell.seed] = arrays["last"].argmax(1) == labels
    families: dict[bool, list[tuple[tuple[str, float, str], float]]] = {True: [], False: []}
    bold = set()
    for factor in (50.0, 150.0):
        for column in [*FERPLUS, "overall", "mean"]:
            used = labels == FERPLUS.index(column) if column in FERPLUS else labels >= 0
            metric = "mean" if column == "mean" else "overall"

            def accuracy(hits: np.ndarray, used=used, metric=metric) -> float:
                of = [hits[used & (labels == c)].mean() for c in np.unique(labels[used])]
                return float(np.mean(of)) if metric == "mean" else float(hits[used].mean())

            several = {t: r for (t, f), r in right.items() if f == factor and len(r) == 2}
            means = {t: np.mean([accuracy(h) for h in r.values()]) for t, r in several.items()}
            best = max(means, key=lambda t: means[t])
            bold.add((best, factor, column))
            for title in means.keys() - {best}:
                pair = [np.stack([several[t][s][used] for s in (0, 1)]) for t in (best, title)]
                p = paired_difference(labels[used], *pair, metric).p
                families[column in FERPLUS].append(((title, factor, column), p))
    for family in families.values():
        adjusted = holm([p for _, p in family])
        bold |= {key for (key, _), p in zip(family, adjusted, strict=True) if p >= 0.05}
    (table,) = json.loads(report("--table", "2", "--format", "json"))
    printed = {
        (row["method"], float(row["factor"]), column.removeprefix("recall_"))
        for row in table["rows"]
        for column, number in row["values"].items()
        if number.get("best")
    }
    assert printed == bold
    sizes = len(families[False]), len(families[True])
    assert any(f"the {sizes[0]} comparisons" in note for note in table["notes"])
    assert any(f"over the {sizes[1]} of recalls" in note for note in table["notes"])
    assert any("Rows of one seed are not tested" in note for note in table["notes"])


@pytest.mark.parametrize("form", ["markdown", "latex", "html"])
def test_marks_come_out_in_each_form(report: Report, form: str) -> None:
    text = report("--table", "1", "--format", form)
    (table,) = json.loads(report("--table", "1", "--format", "json"))
    numbers = [n for row in table["rows"] for n in row["values"].values()]
    best, second = (sum(bool(n.get(key)) for n in numbers) for key in ("best", "second"))
    assert best >= 8
    assert second >= 1
    signs = {
        "markdown": ("| **", "<ins>"),
        "latex": (r"\bfseries", r"\underline"),
        "html": ("<b>", "<u>"),
    }
    assert [text.count(sign) for sign in signs[form]] == [best, second]
    assert "one seed does not show how much seeds differ" in text


def test_published_stands_beside_measured_and_apart_from_it(report: Report) -> None:
    arguments = ("--table", "1", "--against", "paper")
    paper = results(1).set_index(["method", "factor"])
    rows = list(csv.DictReader(io.StringIO(report(*arguments, "--format", "csv"))))
    plain = list(csv.DictReader(io.StringIO(report("--table", "1", "--format", "csv"))))
    assert len(rows) == 15
    names = {"MEK": "mek"}
    for row, alone in zip(rows, plain, strict=True):
        published = paper.loc[
            (names.get(row["method"], row["method"].lower()), float(row["factor"]))
        ]
        for column in ("overall", "mean", "recall_fear"):
            assert row[column] == alone[column]
            assert row[f"{column}_published"] == f"{published[column]:.2f}"
            if not row[column]:
                assert row[f"{column}_difference"] == row[f"{column}_low"] == ""
                continue
            difference = float(row[column]) - published[column]
            assert row[f"{column}_difference"] == f"{difference:+.2f}"
            low, high = float(row[f"{column}_low"]), float(row[f"{column}_high"])
            assert low < float(row[f"{column}_difference"]) < high
    text = report(*arguments)
    assert "give no uncertainty" in text
    assert "Both are of the same 3068 test images" in text
    assert "The protocol is not the paper's" in text
    kinds = [row[2] for row in markdown_rows(text)]
    assert kinds.count("measured") == kinds.count("published") == 15
    assert kinds.count("difference") == kinds.count("95 % interval") == 2


def test_the_paper_protocol_is_named_as_what_it_is(tmp_path: Path, report: Report) -> None:
    store = Store(tmp_path)
    whole = load_protocol("paper").training.epochs
    store.add(*made_record("mek", 50.0, protocol="paper", epochs=whole))
    text = report("--table", "2", "--against", "paper", store=tmp_path)
    assert "follows the paper's ResNet-18 rows" in text
    assert "is not the paper's" not in text


def test_other_test_images_than_the_papers_are_told(stored: Path) -> None:
    frame = tidy(Store(stored).records(), ["last"])
    frame = frame[frame["dataset"] == "ferplus"]
    assert "same 3137 test images" in against_notes(frame)[0]
    text = against_notes(frame.assign(test_images=2880))[0]
    assert "Published numbers are of 3137 test images, measured ones of 2880." in text
    assert "same" not in text


def test_table_3_has_the_conferences(report: Report) -> None:
    rows = list(markdown_rows(report("--table", "3")))
    assert [row[0] for row in rows] == [
        "Baseline", "CB", "SCN", "BBN", "RUL", "SOFT", "EAC", "MEK",
    ]  # fmt: skip
    assert [row[1] for row in rows][1:5] == ["CVPR'19", "CVPR'20", "CVPR'20", "NeurIPS'21"]
    assert rows[2][2:] == ["0 of 2"] + [MISSING] * 9


def test_counts_are_the_published_ones_beside_the_stored_ones(report: Report) -> None:
    rows = list(markdown_rows(report("--table", "5")))
    stored = [row for row in rows if row[1].startswith("stored")]
    assert [row[0] for row in stored] == ["full", "50", "150"]
    assert [row[1] for row in stored] == [
        "stored (7 cells)",
        "stored (8 cells)",
        "stored (7 cells)",
    ]
    assert stored[2][2:] == ["8740", "6465", "2482", "2109", "1305", "293", "58", "21452"]
    text = report("--table", "5")
    assert "at factor 100, 23280, is not the sum of its row, 23298" in text
    assert "No stored cell at: 100" in text
    record, _ = made_record("cb", 150.0)
    cell = record.cell.model_copy(update={"class_counts": (8740, 6469, 2482, 2109, 1305, 293, 58)})
    other = counts_table([record.model_copy(update={"cell": cell})], 5)
    assert "Stored cells differ at factor 150: happiness 6469, not 6465." in other.notes
    assert "published counts alone" in counts_table([], 4).notes[-1]


@pytest.mark.parametrize("form", sorted(forms()))
def test_the_oracle_is_marked_in_every_form(report: Report, form: str) -> None:
    text = report("--table", "1", "--format", form, "--select", "oracle")
    signs = {
        "csv": "oracle",
        "json": '"rule": "oracle"',
        "latex": r"$^\dagger$",
        "macros": "(dagger)",
    }
    assert signs.get(form, "†") in text
    if form not in ("csv", "macros"):
        assert "too optimistic" in " ".join(text.split())


def test_matrices_of_two_sets_with_other_classes_stand_in_one_table(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for fingerprint, classes in (("a" * 64, ("ant", "bee")), ("b" * 64, ("bee", "cow"))):
        record, arrays = made_record("cb", test_counts=[9] * 7, epochs=1)
        body = record.model_dump()
        two = (arrays["label"] < 2).nonzero()[0]
        kept = {name: array[two] for name, array in arrays.items()}
        kept |= {name: of[:, :2] for name, of in kept.items() if name != "label"}
        body["cell"] |= {"dataset": "folder", "fingerprint": fingerprint, "class_counts": (9, 9)}
        body |= {"classes": classes, "id": Cell.model_validate(body["cell"]).id}
        matrix = confusion_matrix(kept["label"], kept["last"].argmax(1), 2).tolist()
        body["history"][0] |= {"test": matrix, "validation": None}
        body["logits"] = {"last": 0}
        kept = {name: kept[name] for name in ("label", "last")}
        store.add(Record.model_validate(body), kept)
    measured = Measurements(store.records(), "last", store, older=True)
    (table,) = confusion.build(measured, number=None, mixed=True)
    (block,) = table.blocks
    shown = {row.name[-2:]: [number.text for number in row.numbers] for row in block}
    assert sorted(column.casefold() for column in table.columns) == ["ant", "bee", "cow"]
    assert sorted(name for _, name in shown) == ["ant", "bee", "bee", "cow"]
    assert all(texts.count(MISSING) == 1 for texts in shown.values())


def test_details_follow_the_confusion_matrices_and_logits(stored: Path, report: Report) -> None:
    store = Store(stored)
    (record,) = (
        r for r in store.records() if r.cell.dataset == "raf-db" and r.cell.method == "mek"
    )
    matrix = np.array(record.history[-1].test)
    recall = np.diag(matrix) / matrix.sum(axis=1)
    details = {
        name: json.loads(report("--table", "1", "--detail", name, "--format", "json"))[0]["rows"]
        for name in ("intervals", "summary", "confusion")
    }

    def row(name: str) -> dict[str, dict[str, object]]:
        (found,) = (
            r["values"] for r in details[name] if (r["method"], r["factor"]) == ("MEK", "150")
        )
        return found

    fear = row("intervals")["recall_fear"]
    assert fear["value"] == pytest.approx(100 * recall[6], abs=0.006)
    assert fear["low"] < fear["value"] < fear["high"]
    summary = row("summary")
    worst = int(recall.argmin())
    assert summary["worst_class"]["remark"] == record.classes[worst]
    assert summary["worst_class"]["value"] == pytest.approx(100 * recall[worst], abs=0.006)
    order = np.argsort(record.cell.class_counts)[::-1]
    assert summary["head"]["value"] == pytest.approx(100 * recall[order[:2]].mean(), abs=0.006)
    assert summary["tail"]["value"] == pytest.approx(100 * recall[order[-2:]].mean(), abs=0.006)
    f1 = 2 * np.diag(matrix) / (matrix.sum(0) + matrix.sum(1))
    assert summary["macro_f1"]["value"] == pytest.approx(100 * f1.mean(), abs=0.006)
    arrays = store.logits(record)
    scores = np.exp(arrays["last"].astype(float))
    scores /= scores.sum(1, keepdims=True)
    right = scores.argmax(1) == arrays["label"]
    error = sum(
        abs((right[inside] - scores.max(1)[inside]).sum())
        for low in range(15)
        for inside in [(scores.max(1) > low / 15) & (scores.max(1) <= (low + 1) / 15)]
    )
    assert summary["ece"]["value"] == pytest.approx(100 * error / len(right), abs=0.006)
    counts = [
        [int(n["value"]) for n in r["values"].values()]
        for r in details["confusion"]
        if r["method"] == "MEK"
    ]
    assert counts == matrix.tolist()


def test_of_a_methods_versions_the_newest_counts(tmp_path: Path, report: Report) -> None:
    store = Store(tmp_path)
    record, arrays = made_record("cb", 150.0, 0)
    store.add(record, arrays)
    risen = Cell.model_validate({**record.cell.model_dump(), "method_version": 2, "seed": 1})
    store.add(record.model_copy(update={"cell": risen, "id": risen.id}), arrays)
    text = report("--table", "2", store=tmp_path)
    assert "| CB | 150 |" in text
    assert "version=" not in text.split("Hyper-parameters")[0]
    assert "Left out: 1 cell of cb v1, which a newer version of the method replaces" in text
    text = report("--table", "2", "--mixed", store=tmp_path)
    assert "| CB | 150 |" in text
    assert "| CB (version=2) | 150 |" in text
    assert "Left out" not in text


def test_methods_that_a_table_of_the_paper_lacks_stand_below_a_rule(
    tmp_path: Path, report: Report
) -> None:
    store = Store(tmp_path)
    for method, skill in (("vs", 0.95), ("cb", 0.9), ("baseline", 0.5)):
        store.add(*made_record(method, 50.0, 0, skill=(skill,) * 7))
    lines = report("--table", "2", "--format", "latex", store=tmp_path).splitlines()
    shown = [line.split("&")[0].strip() for line in lines if "&" in line or "rule" in line]
    printed, more = ["SOFT", "SCN", "CB", "RUL", "MEK"], ["Baseline", "VS"]
    factor = ["\\midrule", *printed, "\\midrule", *more]
    assert shown[2:] == [*factor * 3, "\\bottomrule"]
    # The best of a factor is that of both parts: CB is the second.
    marked = [line for line in lines if line.startswith(("CB & 5", "CB &  & 9", "VS &  & \\bf"))]
    assert ["underline" in marked[0], "bfseries" in marked[0]] == [True, False]
    assert "bfseries" in marked[1]
    html = [report(*of, "--format", "html", store=tmp_path) for of in (("--table", "2"), ())]
    assert [text.count("<tbody") for text in html] == [6, 1], "one table of whatever there is"
