"""One definition of comparable cells and of a row, for everything that reads records."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from made_records import made_record

from benchmark.analysis.answers import Answers
from benchmark.analysis.compare import compare
from benchmark.analysis.groups import Group, Run, Shared, group_records
from benchmark.analysis.margins import Measured, Missing, Term
from benchmark.analysis.measurements import Measurements
from benchmark.cli import cli
from benchmark.gate.check import Reference, check
from benchmark.report.drawing.drawn import drawn_groups
from benchmark.report.scope import scopes, title_of
from benchmark.store.record import Cell, Record
from benchmark.store.store import Store

METHODS = ("baseline", "cb", "mek")
VARIANTS: list[dict[str, Any]] = [
    {},
    {"seed": 1},
    {"split_seed": 1, "split_hash": "b" * 64},
    {"method_version": 2},
    {"method_version": 2, "seed": 1},
    {"hyper": {"beta": 0.99}},
    {"precision": "fp32"},
    {"weights": "scratch"},
    {"fingerprint": "c" * 64},
    {"class_counts": (50, 40, 30, 20, 15, 10, 5)},
]


def changed(made: tuple[Record, Any], values: dict[str, Any]) -> tuple[Record, Any]:
    record, arrays = made
    cell = Cell.model_validate({**record.cell.model_dump(), **values})
    return record.model_copy(update={"cell": cell, "id": cell.id}), arrays


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Protocols, recipes, versions, hyper-parameters, split seeds, precisions, contents."""
    store = Store(tmp_path_factory.mktemp("mixed"))
    for method in METHODS:
        for values in VARIANTS:
            store.add(*changed(made_record(method, 150.0), values))
        plain = made_record(method, 150.0)
        protocol = plain[0].cell.protocol.model_dump(mode="json", exclude_unset=True)
        store.add(*changed(plain, {"protocol": {**protocol, "recipe": "authors"}}))
        store.add(*made_record(method, 150.0, protocol="smoke"))
        store.add(*made_record(method, 150.0, overrides=["training.epochs=3"]))
        store.add(*made_record(method, None))
    return store


def rows_of(groups: Sequence[Group]) -> set[frozenset[str]]:
    return {frozenset(entry.ids.values()) for group in groups for entry in group.entries}


def test_report_figure_compare_claims_and_check_agree_on_what_a_row_is(mixed: Store) -> None:
    records = mixed.records()
    groups = group_records(records)
    rows = rows_of(groups)
    assert len(groups) > 5
    assert sum(map(len, rows)) > len(rows) > len(groups)

    tables = scopes(Measurements(records, "last", mixed))
    assert len(tables) == len(groups)
    assert {
        frozenset(entry.ids.values())
        for scope in tables
        for block in scope.blocks
        for entry in block
        if entry.runs
    } == rows

    figures = drawn_groups(records, "last")
    assert len(figures) == len(groups)
    drawn = [
        frozenset(record.id for record in figure.runs(series, factor))
        for figure in figures
        for series in figure.series
        for factor in figure.factors
    ]
    assert sorted(filter(None, drawn), key=sorted) == sorted(rows, key=sorted)

    answers = Answers(mixed, "last")
    for pair in permutations(METHODS, 2):
        for row in compare(groups, answers, pair, "mean").rows:
            for side in (row.a, row.b):
                (of,) = [ids for ids in rows if ids >= set(side.records)]
                assert len(of) == len(side.records) + len(side.left_out)

    for group in groups:
        for one, other in permutations(METHODS, 2):
            terms = [Term(method, group.factors[0], "mean") for method in (one, other)]
            measured, factor = Measured(group, answers), group.factors[0]
            if max(len(group.at(factor, method)) for method in (one, other)) > 1:
                with pytest.raises(Missing, match="variants of"):
                    measured.margin("ferplus", *terms)
            elif group.at(factor, one) and group.at(factor, other):
                used = set(measured.margin("ferplus", *terms).records)
                assert used <= {i for e in group.at(factor) for i in e.ids.values()}
                assert used == set().union(*(used & ids for ids in rows))

    checked = check(records, answers, [Reference("stored", records, answers)], 1.0)
    assert len(checked.rows) == len(rows)
    assert not checked.missing


def test_no_two_tables_have_one_title(mixed: Store) -> None:
    found = scopes(Measurements(mixed.records(), "last", mixed))
    titles = [title_of(scope, "recall") for scope in found]
    assert len(set(titles)) == len(titles), titles
    (alone,) = scopes(Measurements([made_record("cb", 150.0)[0]], "last"))
    assert title_of(alone, "recall") == "FERPlus, protocol compact: recall"


def test_of_a_methods_versions_the_newest_counts(mixed: Store) -> None:
    for group in group_records(mixed.records()):
        for method in group.methods:
            versions = {
                record.cell.method_version
                for entry in group.entries
                if entry.method == method
                for record in entry.runs.values()
            }
            assert len(versions) == 1
        kept = {r.cell.method: r.cell.method_version for r in group.records.values()}
        assert all(r.cell.method_version < kept[r.cell.method] for r in group.older)


@given(st.randoms(use_true_random=False), st.booleans())
def test_every_record_has_one_place_whatever_the_order(
    mixed: Store, source: random.Random, older: bool
) -> None:
    records = mixed.records()
    groups = group_records(records, older=older)
    shuffled = list(records)
    source.shuffle(shuffled)
    again = group_records(shuffled, older=older)
    assert [g.shared for g in groups] == [g.shared for g in again]
    assert [[(e.label, e.ids) for e in g.entries] for g in groups] == [
        [(e.label, e.ids) for e in g.entries] for g in again
    ]
    placed = [i for g in groups for e in g.entries for i in e.ids.values()]
    behind = [record.id for group in groups for record in group.older]
    assert sorted(placed + behind) == sorted(record.id for record in records)
    assert not (older and behind)


def test_training_sets_of_several_seeds_are_runs_of_one_row() -> None:
    first, _ = made_record("cb", 150.0)
    drawn, _ = changed(made_record("cb", 150.0), {"split_seed": 1, "split_hash": "b" * 64})
    ((entry,),) = [group.entries for group in group_records([drawn, first])]
    assert list(entry.runs) == [Run(0, 0), Run(0, 1)]
    assert [run.shown for run in entry.runs] == [0, "0 (split seed 1)"]


def test_every_value_that_is_shared_splits_groups() -> None:
    """No field of a cell or protocol, whichever is added, may fall between the two keys."""
    record, _ = made_record("cb", 150.0)
    other = {
        "dataset": "raf-db", "fingerprint": "d" * 64, "protocol": None, "weights": "scratch",
        "precision": "fp32", "factor": 50.0, "method": "mek", "hyper": {"a": 1},
        "method_version": 2, "seed": 5, "split_seed": 5, "split_hash": "e" * 64,
        "class_counts": (1,) * 7,
        "stage": {"method": "baseline", "version": 1, "hyper": {}, "first": "f" * 64, "epochs": 2},
    }  # fmt: skip
    apart = {"factor", "method", "hyper", "method_version", "class_counts", "stage"}
    pooled = {"seed", "split_seed", "split_hash"}
    for name in Cell.model_fields:
        assert name in other, f"say whether cells that differ in {name} are compared, and pooled"
        if name == "protocol":
            twin, _ = made_record("cb", 150.0, overrides=["training.epochs=3"])
        else:
            twin, _ = changed((record, None), {name: other[name]})
        groups = group_records([record, twin], older=True)
        shape = [len(group.entries) for group in groups]
        assert shape == ([1] if name in pooled else [2] if name in apart else [1, 1]), name
    assert set(Shared._fields) & apart == set()


def test_replaced_cells_are_named_by_whatever_reads_groups(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    for method in ("cb", "mek"):
        store.add(*made_record(method, 150.0))
    store.add(*changed(made_record("mek", 150.0), {"method_version": 2}))
    told = "1 cell of mek v1, which a newer version of the method replaces"
    here = ("--results", str(store.root))
    for words in (
        ["report"],
        ["compare", "mek", "cb"],
        ["claims"],
        ["check", "--against", str(shutil.copytree(store.root, tmp_path / "stored"))],
        ["figure", "recall", "--out", str(tmp_path / "a.svg")],
    ):
        done = CliRunner(env={"COLUMNS": "300"}).invoke(cli, [*words, *here])
        assert done.exit_code == 0, (words, done.output, done.exception)
        said = done.output
        if words[0] == "figure":
            said = (tmp_path / "a.svg").read_text()
        elif words[0] == "check":
            told = told.replace("1 cell", "2 cells")
        assert told in " ".join(said.split()) or words[0] == "figure", words
        assert "replaces" in said
        told = told.replace("2 cells", "1 cell")
