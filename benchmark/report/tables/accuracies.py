"""Tables of accuracies: methods within each factor, recall of each class, overall, mean."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from benchmark.analysis.groups import Entry
from benchmark.analysis.measurements import Measurements
from benchmark.report.against_paper import against_notes, against_paper, has_published
from benchmark.report.clean_note import clean_notes
from benchmark.report.emphasis import Emphasis, TableEmphasis, plain_emphasis, tested_emphasis
from benchmark.report.headers import headers
from benchmark.report.notes import backing_notes, marks_note, seed_notes, untested_note
from benchmark.report.scope import (
    Scope,
    context_notes,
    facts_of,
    labels_for,
    labels_of,
    name_of,
    name_of_table,
    scopes,
    title_of,
)
from benchmark.report.sheet import Number, Row, Table, percent
from benchmark.selection import rules

HELP = "recall of each class, overall and mean accuracy"
PLACE = 1


def build(
    measured: Measurements,
    *,
    number: int | None = None,
    against: bool = False,
    mixed: bool = False,
) -> list[Table]:
    """Return the tables of accuracies that the records give.

    Args:
        measured: the records.
        number: Table 1, 2 or 3 of the paper; None for a table of each comparable group.
        against: put the published numbers beside the measured ones where there are such.
        mixed: put groups that cannot be compared into one table, marked row by row, none in bold.
    """
    return [
        table_of_scope(scope, measured, against)
        for scope in scopes(measured, number=number, mixed=mixed)
    ]


def table_of_scope(scope: Scope, measured: Measurements, against: bool) -> Table:
    """Return one of these tables; its blocks are those of ``scope.parts``."""
    columns, labels = scope.layout.values, labels_of(scope)
    against = against and any(has_published(scope.dataset, f) for f in scope.layout.factors)
    marks, note = _marks(scope, measured, columns)
    blocks = _blocks(scope, measured, marks)
    if against:
        blocks = against_paper(blocks, scope, measured)
    notes = [*context_notes(scope, measured), *seed_notes(scope)]
    notes += [*backing_notes(scope, measured), *note]
    notes += against_notes(scope.frame) if against else []
    return Table(
        title=title_of(scope, "recall of each class, overall and mean accuracy (%)"),
        labels=labels,
        columns=headers(columns, labels),
        keys=columns,
        blocks=blocks,
        notes=(*notes, *clean_notes(scope, measured)),
        dagger=rules()[measured.rule].by_test,
        against=against,
        name=name_of_table(scope),
        facts=facts_of(scope, measured.rule),
    )


def _blocks(
    scope: Scope, measured: Measurements, marks: TableEmphasis
) -> tuple[tuple[Row, ...], ...]:
    columns = scope.layout.values
    places = {
        entry: (index, place)
        for index, block in enumerate(scope.blocks)
        for place, entry in enumerate(block)
    }

    def number(entry: Entry, column: str) -> Number:
        index, place = places[entry]
        return _number(entry, measured, column, marks.of.get((index, column, place), Emphasis()))

    return tuple(
        tuple(
            Row(
                labels_for(scope, entry),
                tuple(number(entry, column) for column in columns),
                name_of(scope, entry),
            )
            for entry in part
        )
        for part in scope.parts
    )


def _marks(
    scope: Scope, measured: Measurements, columns: Sequence[str]
) -> tuple[TableEmphasis, list[str]]:
    """Return the marks and the note on how they were made."""
    if scope.mixed:
        return TableEmphasis({}, (0, 0), False), []  # what cannot be compared has no best

    def values(entry: Entry, column: str) -> list[float]:
        contests = entry.decoration is None or entry.decoration.contests
        return measured.values(entry, column) if contests else []

    several = any(len(entry.runs) > 1 for block in scope.blocks for entry in block)
    if several and measured.judge is not None:
        tested = tested_emphasis(scope.blocks, columns, values, measured.judge)
        if tested is not None:
            return tested, [marks_note(tested)]
    marks = plain_emphasis(scope.blocks, columns, values)
    return marks, [untested_note() if several else marks_note(marks)]


def _number(entry: Entry, measured: Measurements, column: str, mark: Emphasis) -> Number:
    values = measured.values(entry, column)
    if not values:
        return Number()
    spread = f"{stdev(values):.2f}" if len(values) > 1 else ""
    return Number(percent(fmean(values)), spread, best=mark.best, second=mark.second)
