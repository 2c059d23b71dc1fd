"""Metrics, selection, frame and tables: by hand, by properties, read back by real parsers."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from markdown_it import MarkdownIt
from test_store import make_record

from benchmark.metrics import confusion_matrix, mean_accuracy, overall_accuracy, recalls
from benchmark.record import Epoch, Record
from benchmark.report.escape import latex_text, markdown_text
from benchmark.report.frame import tidy
from benchmark.report.render import render_frame, render_tables
from benchmark.report.table import build_tables
from benchmark.selection import RULES

pairs = st.integers(2, 8).flatmap(
    lambda k: st.tuples(
        st.just(k),
        st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=60),
    )
)


@given(pairs)
def test_metrics_count_as_a_person_would(case: tuple[int, list[tuple[int, int]]]) -> None:
    k, answers = case
    labels, predictions = (np.array(column) for column in zip(*answers, strict=True))
    matrix = confusion_matrix(labels, predictions, k)
    assert matrix.sum() == len(answers)
    for true in range(k):
        for predicted in range(k):
            assert matrix[true, predicted] == answers.count((true, predicted))
    right = sum(t == p for t, p in answers)
    assert overall_accuracy(matrix) == pytest.approx(right / len(answers))
    of_class = [[t == p for t, p in answers if t == c] for c in range(k)]
    for c, hits in enumerate(of_class):
        expected = np.mean(hits) if hits else np.nan
        np.testing.assert_allclose(recalls(matrix)[c], expected)
    if all(of_class):
        assert mean_accuracy(matrix) == pytest.approx(np.mean([np.mean(h) for h in of_class]))


@given(hnp.arrays(np.int64, (7, 7), elements=st.integers(0, 50)))
def test_accuracies_lie_within_the_recalls(matrix: np.ndarray) -> None:
    matrix = matrix + np.eye(7, dtype=np.int64)
    for accuracy in (overall_accuracy(matrix), mean_accuracy(matrix)):
        assert recalls(matrix).min() - 1e-12 <= accuracy <= recalls(matrix).max() + 1e-12


def test_confusion_refuses_what_is_no_class() -> None:
    with pytest.raises(ValueError, match=r"0\.\.2"):
        confusion_matrix(np.array([0, 3]), np.array([0, 0]), 3)


def history(test: list[int], validation: list[int] | None) -> list[Epoch]:
    """Epochs with so many of ten images right."""
    rows = []
    for number, right in enumerate(test):
        val = None if validation is None else [[validation[number], 10 - validation[number]]]
        rows.append(
            Epoch(
                epoch=number + 1,
                loss={},
                lr=1,
                seconds=1,
                images=1,
                test=[[right, 10 - right], [0, 0]],
                validation=None if val is None else [*val, [0, 0]],
            )
        )
    return rows


def test_selection_rules() -> None:
    epochs = history([5, 9, 9, 4], [1, 2, 8, 8])
    assert {name: rule(epochs) for name, rule in RULES.items()} == {
        "last": 3,
        "val": 2,
        "oracle": 1,
    }
    assert RULES["val"](history([5, 9], None)) is None


def published_like() -> list[Record]:
    return [
        make_record(seed=seed, method=method, factor=factor)
        for method in ("mek", "baseline", "cb")
        for factor in (150.0, 50.0, None)
        for seed in (0, 1)
    ]


def test_frame_has_a_row_for_each_cell_and_rule() -> None:
    frame = tidy(published_like())
    assert len(frame) == 18 * 2, "val has no row without a validation split"
    assert set(frame["rule"]) == {"last", "oracle"}
    row = frame.iloc[0]
    matrix = np.array(published_like()[0].history[-1].test)
    assert row["overall"] == pytest.approx(100 * np.trace(matrix) / matrix.sum())
    assert row["mean"] == pytest.approx(100 * np.mean(np.diag(matrix) / matrix.sum(axis=1)))
    assert row["recall_fear"] == pytest.approx(100 * matrix[5, 5] / matrix[5].sum())


def test_table_stands_in_the_order_of_the_paper_with_the_best_in_bold() -> None:
    (table,) = build_tables(tidy(published_like()), "last")
    assert table.columns[-2:] == ("Overall", "Mean")
    assert [block.factor for block in table.blocks] == ["50", "150", "full"]
    assert [row.title for row in table.blocks[0].rows] == ["BASELINE", "CB", "MEK"]
    for block in table.blocks:
        for column in zip(*(row.numbers for row in block.rows), strict=True):
            top = max(float(n.text) for n in column)
            assert [n.best for n in column] == [float(n.text) == top for n in column]
    number = table.blocks[0].rows[2].numbers[-1]
    values = [r for r in published_like() if r.cell.method == "mek" and r.cell.factor == 50]
    means = [100 * mean_accuracy(r.history[-1].test) for r in values]
    assert number.text == f"{np.mean(means):.2f}"
    assert number.spread == f"{np.std(means, ddof=1):.2f}"


def test_cells_that_cannot_be_compared_share_no_table() -> None:
    record = make_record()
    protocol = record.cell.protocol | {"overrides": ["training.epochs=2"]}
    others = [
        make_record(method="cb", protocol=protocol),
        make_record(method="cb", precision="bf16"),
        make_record(method="cb", fingerprint="another"),
        make_record(method="cb", weights="f" * 64),
    ]
    assert len(build_tables(tidy([record, *others]), "last")) == 5
    text = render_tables(build_tables(tidy([others[0]]), "last"), "markdown")
    assert "Changed from the protocol: training.epochs=2" in text


def test_variants_of_a_method_and_missing_seeds_are_told_apart() -> None:
    records = [
        make_record(method="cb", hyper={"beta": 0.9}),
        make_record(method="cb", hyper={"beta": 0.99}),
        make_record(method="cb", hyper={"beta": 0.99}, seed=1),
    ]
    (table,) = build_tables(tidy(records), "last")
    assert [row.title for row in table.blocks[0].rows] == ["CB (beta=0.9)", "CB (beta=0.99)"]
    records = [make_record(), make_record(seed=1), make_record(method="cb")]
    (table,) = build_tables(tidy(records), "last")
    assert any("CB at 10 (1 of 2)" in note for note in table.notes)


def test_markdown_is_a_table_to_a_real_parser() -> None:
    text = render_tables(build_tables(tidy(published_like()), "last"), "markdown")
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.count("<tr>") == 1 + 9
    assert html.count("<th ") == 11
    assert html.count("<td") == 9 * 11
    assert html.count("<strong>") >= 3 * 9


def test_latex_has_every_row_and_balanced_braces() -> None:
    text = render_tables(build_tables(tidy(published_like()), "oracle"), "latex")
    assert text.count(r"\\") == 1 + 9
    assert all(line.count("&") == 10 for line in text.splitlines() if line.endswith(r"\\"))
    assert r"\begin{table*}" in text
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")
    assert r"$\pm$" in text
    assert "dagger" in text


def test_formats_agree_on_the_digits() -> None:
    records = [make_record(method=m) for m in ("baseline", "cb")]
    tables = build_tables(tidy(records), "last")
    digits = [re.findall(r"\d+\.\d\d", render_tables(tables, f)) for f in ("markdown", "latex")]
    assert digits[0] == digits[1]
    frame = tidy(records, ["last"])
    rows = list(csv.DictReader(io.StringIO(render_frame(frame, "csv"))))
    assert [f"{float(row['mean']):.2f}" for row in rows] == digits[0][8::9]
    assert [row["id"] for row in json.loads(render_frame(frame, "json"))] == [r.id for r in records]


@given(st.text(max_size=40))
def test_names_come_out_escaped(name: str) -> None:
    html = (
        MarkdownIt("commonmark").enable("table").render(f"| a |\n|---|\n| {markdown_text(name)} |")
    )
    assert html.count("<td>") == 1
    assert not re.search(r"<(em|strong|code|a|script|img)\b", html)
    latex = latex_text(name)
    unescaped = re.sub(r"\\text[a-z]+\{\}", "", latex)
    unescaped = unescaped.replace(r"$\pm$", "").replace(r"$\dagger$", "")
    assert not re.search(r"(?<!\\)[&%$#_{}~^]", unescaped)
    assert "\n" not in latex


def test_hostile_names_in_a_whole_table(tmp_path: Path) -> None:
    record = make_record().model_copy(
        update={
            "method_title": r"<b>|x|</b> \input{/etc/passwd} & 50% _a_ $",
            "classes": ("a|b", "c&d", "<i>", "e_f", "g#h", "i\\j", "k{l}"),
        }
    )
    tables = build_tables(tidy([record]), "last")
    html = MarkdownIt("commonmark").enable("table").render(render_tables(tables, "markdown"))
    assert html.count("<td") == 11
    assert "<b>" not in html
    latex = render_tables(tables, "latex")
    assert r"\input" not in latex
    assert all(
        len(re.findall(r"(?<!\\)&", line)) == 10
        for line in latex.splitlines()
        if line.endswith(r"\\")
    )
