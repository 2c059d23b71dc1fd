"""Selection, frame and tables: by hand, by properties, read back by real parsers."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from plain_record import make_record

from benchmark.analysis.frame import frame_text, tidy
from benchmark.analysis.groups import Entry, Run, shared_of
from benchmark.analysis.measurements import Measurements
from benchmark.report import emphasis as deciding
from benchmark.report.emphasis import Emphasis, Values, plain_emphasis
from benchmark.report.escape import latex_text, markdown_text, plain_text
from benchmark.report.sheet import MISSING, Table
from benchmark.report.tables.accuracies import build as build_tables
from benchmark.selection import rules
from benchmark.stats.accuracy import mean_accuracy
from benchmark.store.record import Confusion, Epoch, Record


def history(
    test: list[int], validation: list[int] | None, clean: list[Confusion] | None = None
) -> list[Epoch]:
    """Epochs with so many of ten images right, and matrices of clean validation images."""
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
                clean_validation=None if clean is None else clean[number],
            )
        )
    return rows


def test_selection_rules() -> None:
    # Overall accuracy is best where mean accuracy is not; a class without images counts nothing.
    clean = [[[9, 0, 0], [2, 0, 0], [0] * 3], [[8, 1, 0], [0, 2, 0], [0] * 3]]
    epochs = history([5, 9, 9, 4], [1, 2, 8, 8], [clean[0], clean[1], clean[1], clean[0]])
    assert {name: rule.choose(epochs) for name, rule in rules().items()} == {
        "last": 3,
        "val": 1,
        "val-overall": 2,
        "oracle": 1,
    }
    assert rules()["val-overall"].choose(history([5, 9], None)) is None
    assert rules()["val"].choose(history([5, 9], [5, 9])) is None


def published_like() -> list[Record]:
    return [
        make_record(seed=seed, method=method, factor=factor)
        for method in ("mek", "baseline", "cb")
        for factor in (150.0, 50.0, None)
        for seed in (0, 1)
    ]


def test_frame_has_a_row_for_each_cell_and_rule() -> None:
    frame = tidy(published_like())
    assert len(frame) == 18 * 2, "val-overall has no row without a validation split"
    assert set(frame["rule"]) == {"last", "oracle"}
    row = frame.iloc[0]
    matrix = np.array(published_like()[0].history[-1].test)
    assert row["overall"] == pytest.approx(100 * np.trace(matrix) / matrix.sum())
    assert row["mean"] == pytest.approx(100 * np.mean(np.diag(matrix) / matrix.sum(axis=1)))
    assert row["recall_fear"] == pytest.approx(100 * matrix[5, 5] / matrix[5].sum())


def one_table(records: Sequence[Record], rule: str = "last") -> Table:
    (table,) = build_tables(Measurements(records, rule))
    return table


def test_rows_stand_in_the_order_of_the_registry_with_the_best_in_bold() -> None:
    table = one_table([r for r in published_like() if r.cell.seed == 0])
    assert table.columns[-2:] == ("Overall", "Mean")
    assert [[row.labels for row in block] for block in table.blocks] == [
        [(method, factor) for method in ("BASELINE", "CB", "MEK")]
        for factor in ("50", "150", "full")
    ]
    for block in table.blocks:
        for column in zip(*(row.numbers for row in block), strict=True):
            ranks = sorted({float(n.text) for n in column}, reverse=True)
            assert [n.best for n in column] == [float(n.text) == ranks[0] for n in column]
            assert [n.second for n in column] == [float(n.text) == ranks[1] for n in column]


def test_several_seeds_are_a_mean_and_a_sample_deviation() -> None:
    table = one_table(published_like())
    row = table.blocks[0][2]
    assert row.labels == ("MEK", "50", "2")
    values = [r for r in published_like() if r.cell.method == "mek" and r.cell.factor == 50]
    means = [100 * mean_accuracy(r.history[-1].test) for r in values]
    assert row.numbers[-1].text == f"{np.mean(means):.2f}"
    assert row.numbers[-1].spread == f"{np.std(means, ddof=1):.2f}"
    assert any("Not tested" in note for note in table.notes), "there are no logits at hand"


def test_cells_that_cannot_be_compared_share_no_table_unless_asked() -> None:
    record = make_record()
    protocol = record.cell.protocol.identity | {"overrides": ["training.epochs=2"]}
    training = record.cell.protocol.identity["training"] | {"lr": 0.0123}
    others = [
        make_record(method="cb", protocol=protocol),
        make_record(protocol=record.cell.protocol.identity | {"training": training}),
        make_record(method="cb", precision="bf16"),
        make_record(method="cb", fingerprint="another"),
        make_record(method="cb", weights="f" * 64),
    ]
    measured = Measurements([record, *others], "last")
    assert len(build_tables(measured)) == 6, "an edited protocol is another one by any name"
    assert "Changed from the protocol: training.epochs=2." in one_table([others[0]]).notes
    (mixed,) = build_tables(measured, mixed=True)
    letters = [row.labels[2] for row in mixed.rows]
    assert sorted(letters) == ["a", "b", "c", "d", "e", "f"]
    assert not any(n.best or n.second for row in mixed.rows for n in row.numbers)
    assert mixed.notes[0].startswith("MIXED")
    for letter in letters:
        assert sum(note.startswith(f"{letter}: Protocol") for note in mixed.notes) == 1


def test_with_the_authors_recipe_each_method_may_train_in_its_own_way() -> None:
    own = make_record().cell.protocol.identity | {"recipe": "authors"}
    other = own | {"training": own["training"] | {"lr": 0.1}}
    records = [make_record(protocol=own), make_record(method="cb", protocol=other)]
    assert len(one_table(records).rows) == 2
    smaller = own | {"image": own["image"] | {"size": 20}}
    measured = Measurements([*records, make_record(method="cb", protocol=smaller)], "last")
    assert len(build_tables(measured)) == 2


@pytest.mark.parametrize("packages", [7, None, "torch", ["torch"]])
def test_provenance_of_any_form_is_no_obstacle(packages: object) -> None:
    record = make_record().model_copy(update={"provenance": {"packages": packages}})
    assert list(tidy([record])["machine"]) == ["hardware without a name, torch unknown"] * len(
        tidy([record])
    )


def test_cells_of_other_processors_are_told_of() -> None:
    def made_on(name: str, method: str) -> Record:
        facts = {"device": "cpu", "cpu": name, "packages": {"torch": "2.14.1"}}
        return make_record(method=method).model_copy(update={"provenance": facts})

    own, other = made_on("Xeon", "baseline"), made_on("EPYC", "cb")
    told = "Rows come from different machines: EPYC, torch 2.14.1; Xeon, torch 2.14.1."
    assert told in one_table([own, other]).notes
    assert not any("machines" in note for note in one_table([own, made_on("Xeon", "cb")]).notes)


def test_every_process_that_trained_a_cell_is_told_of() -> None:
    first = {"fer_bench": "0.2.0", "revision": "a" * 40, "device": "cpu", "cpu": "EPYC"}
    second = first | {"revision": "b" * 40, "cpu": "Xeon"}
    sessions = [{**first, "after_epochs": 0}, {**second, "after_epochs": 4}]
    told = {"provenance": second, "sessions": sessions}
    records = [make_record(method=m).model_copy(update=told) for m in ("baseline", "cb")]
    assert set(tidy(records)["code"]) == {f"0.2.0 {'a' * 10}, then 0.2.0 {'b' * 10}"}
    notes = " ".join(one_table(records).notes)
    assert f"different revisions of the code: 0.2.0 {'a' * 10}; 0.2.0 {'b' * 10}." in notes
    assert "different machines: EPYC, torch unknown; Xeon, torch unknown." in notes
    again = [{**first, "after_epochs": 0}, {**first, "after_epochs": 4}]
    same = records[0].model_copy(update={"provenance": first, "sessions": again})
    assert not any("different" in note for note in one_table([same]).notes)


def test_mixed_tables_hold_each_group_against_itself() -> None:
    protocol = make_record().cell.protocol.identity
    other = protocol | {"version": protocol["version"] + 1}
    old = make_record()
    new = [make_record(seed, protocol=other) for seed in (0, 1)]
    lone = make_record(method="cb", protocol=other)
    (table,) = build_tables(Measurements([old, *new, lone], "last"), mixed=True)
    short = [note for note in table.notes if note.startswith("Fewer seeds")]
    assert len(short) == 1
    assert re.fullmatch(r"Fewer seeds than the rest: CB at \S+ \(cells b\) \(1 of 2\)\.", short[0])
    assert {row.labels[-1] for row in table.rows} == {"1", "2", "1 of 2"}


def test_groups_of_one_protocol_share_no_macro() -> None:
    protocol = make_record().cell.protocol.identity
    other = protocol | {"version": protocol["version"] + 1}
    tables = build_tables(Measurements([make_record(), make_record(protocol=other)], "last"))
    names = [table.name for table in tables]
    assert len(set(names)) == 2
    assert [name.split()[-1] for name in names] == [
        f"v{protocol['version']}",
        f"v{other['version']}",
    ]


def test_variants_of_a_method_and_missing_cells_are_told_apart() -> None:
    records = [
        make_record(method="cb", hyper={"beta": 0.9}),
        make_record(method="cb", hyper={"beta": 0.99}),
        make_record(method="cb", hyper={"beta": 0.99}, seed=1),
    ]
    rows = one_table(records).rows
    assert [row.labels for row in rows] == [
        ("CB (beta=0.9)", "10", "1 of 2"),
        ("CB (beta=0.99)", "10", "2"),
    ]
    table = one_table([make_record(), make_record(factor=150.0), make_record(method="cb")])
    missing = table.blocks[1][1]
    assert missing.labels == ("CB", "150")
    assert {n.text for n in missing.numbers} == {MISSING}
    assert "–: no finished cell." in table.notes


def test_the_same_factor_reached_by_two_sets_is_two_rows() -> None:
    counts = (50, 40, 30, 20, 15, 10, 5)
    table = one_table([make_record(), make_record(class_counts=counts)])
    assert len(table.rows) == 2
    assert any("170 training images" in row.labels[0] for row in table.rows)


def entry(method: str, seeds: int = 1) -> Entry:
    record = make_record()
    runs = {Run(n, 0): record.model_copy(update={"id": f"{method}{n}"}) for n in range(seeds)}
    return Entry(shared_of(record), method, method, "-", 50.0, "", 9, runs)


def constant(values: Mapping[Entry, float]) -> Values:
    return lambda place, column: [values[place]] * len(place.runs)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=8))
def test_plain_marks_follow_the_printed_digits(hundredths: list[int]) -> None:
    block = [entry(str(i)) for i in range(len(hundredths))]
    values = {place: h / 400 for place, h in zip(block, hundredths, strict=True)}
    marks = plain_emphasis([block], ["mean"], constant(values))
    printed = [f"{h / 400:.2f}" for h in hundredths]
    ranks = sorted({float(p) for p in printed}, reverse=True)
    for place, text in enumerate(printed):
        mark = marks.of.get((0, "mean", place), Emphasis())
        assert mark.best == (len(ranks) > 1 and float(text) == ranks[0])
        assert mark.second == (len(ranks) > 1 and float(text) == ranks[1])


@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
    st.permutations([10.0, 20.0, 30.0, 40.0]),
)
def test_bold_is_what_holm_does_not_reject(p_values: list[float], means: list[float]) -> None:
    block = [entry(str(i), seeds=2) for i in range(len(means))]
    values = constant(dict(zip(block, means, strict=True)))
    top = means.index(40.0)
    others = [i for i in range(4) if i != top]

    def judge(a: Entry, b: Entry, runs: Sequence[Run], column: str) -> float:
        assert (a.method, len(runs), column) == (str(top), 2, "mean")
        return p_values[others.index(int(b.method))]

    marks = deciding.tested_emphasis([block], ["mean"], values, judge)
    assert marks is not None
    assert marks.tested == (3, 0)
    # Holm by its own words: go through the p-values in order until one is not small enough.
    rejected: set[int] = set()
    for step, index in enumerate(sorted(range(3), key=lambda i: p_values[i])):
        if p_values[index] * (3 - step) >= 0.05:
            break
        rejected.add(others[index])
    for place in range(4):
        mark = marks.of.get((0, "mean", place), Emphasis())
        assert mark.best == (place not in rejected)
        assert mark.second == (means[place] == 30.0)


def test_a_row_of_one_seed_takes_no_part_in_the_test() -> None:
    block = [entry("a", 2), entry("b", 2), entry("c", 1)]
    values = constant(dict(zip(block, (10, 20, 99), strict=True)))
    marks = deciding.tested_emphasis([block], ["mean"], values, lambda *_: 0.001)
    assert marks is not None
    assert marks.left_out
    assert [marks.of.get((0, "mean", i), Emphasis()).best for i in range(3)] == [False, True, False]
    few = [entry("a"), entry("b")]
    values = constant(dict.fromkeys(few, 1.0))
    assert deciding.tested_emphasis([few], ["mean"], values, lambda *_: 1.0) is None


@given(st.text(max_size=40))
def test_names_come_out_escaped(name: str) -> None:
    html = (
        MarkdownIt("commonmark").enable("table").render(f"| a |\n|---|\n| {markdown_text(name)} |")
    )
    assert html.count("<td>") == 1
    assert not re.search(r"<(em|strong|code|a|script|img)\b", html)
    latex = latex_text(name)
    unescaped = re.sub(r"\\(text[a-z]+|[lr]brack)\{\}", "", latex)
    for known in (r"$\pm$", r"$\dagger$", r"$\times$", r"$\tau$"):
        unescaped = unescaped.replace(known, "")
    unescaped = re.sub(r"([-,'])\{\}(?=\1)", r"\1", unescaped)
    assert not re.search(r"(?<!\\)[&%$#_{}~^\[\]*`]", unescaped)
    assert not re.search(r"--|,,|''", latex)
    assert "\n" not in latex
    assert not any(unicodedata.category(c).startswith("C") for c in plain_text(name))


def test_the_frame_keeps_its_digits() -> None:
    records = [make_record(method=m) for m in ("baseline", "cb")]
    frame = tidy(records, ["last"])
    rows = list(csv.DictReader(io.StringIO(frame_text(frame, "csv"))))
    printed = [row.numbers[-1].text for row in one_table(records).rows]
    assert [f"{float(row['mean']):.2f}" for row in rows] == printed
    assert [row["id"] for row in json.loads(frame_text(frame, "json"))] == [r.id for r in records]
