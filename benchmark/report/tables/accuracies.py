"""Tables of accuracies: methods within each factor, recall of each class, overall, mean."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from benchmark.analysis.groups import Entry
from benchmark.report.beside import against_notes, beside, has_published
from benchmark.report.clean_note import clean_notes
from benchmark.report.evidence import Evidence
from benchmark.report.headers import headers
from benchmark.report.marks import Mark, Marks, plain_marks, tested_marks
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
    evidence: Evidence,
    *,
    number: int | None = None,
    against: bool = False,
    mixed: bool = False,
) -> list[Table]:
    """Return the tables of accuracies that the records give.

    Args:
        evidence: the records.
        number: Table 1, 2 or 3 of the paper; None for a table of each comparable group.
        against: put the published numbers beside the measured ones where there are such.
        mixed: put groups that cannot be compared into one table, marked row by row, none in bold.
    """
    return [
        _table(scope, evidence, against) for scope in scopes(evidence, number=number, mixed=mixed)
    ]


def _table(scope: Scope, evidence: Evidence, against: bool) -> Table:
    columns, labels = scope.layout.values, labels_of(scope)
    against = against and any(has_published(scope.dataset, f) for f in scope.layout.factors)
    marks, note = _marks(scope, evidence, columns)
    blocks = _blocks(scope, evidence, marks)
    if against:
        blocks = beside(blocks, scope, evidence)
    notes = [*context_notes(scope, evidence), *seed_notes(scope.blocks)]
    notes += [*backing_notes(scope.blocks, scope.frame), *note]
    notes += against_notes(scope.frame) if against else []
    return Table(
        title=title_of(scope, "recall of each class, overall and mean accuracy (%)"),
        labels=labels,
        columns=headers(columns, labels),
        keys=columns,
        blocks=blocks,
        notes=(*notes, *clean_notes(scope, evidence)),
        dagger=rules()[evidence.rule].by_test,
        against=against,
        name=name_of_table(scope),
        facts=facts_of(scope, evidence.rule),
    )


def _blocks(scope: Scope, evidence: Evidence, marks: Marks) -> tuple[tuple[Row, ...], ...]:
    columns = scope.layout.values
    places = {
        entry: (index, place)
        for index, block in enumerate(scope.blocks)
        for place, entry in enumerate(block)
    }

    def number(entry: Entry, column: str) -> Number:
        index, place = places[entry]
        return _number(entry, evidence, column, marks.of.get((index, column, place), Mark()))

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


def _marks(scope: Scope, evidence: Evidence, columns: Sequence[str]) -> tuple[Marks, list[str]]:
    """Return the marks and the note on how they were made."""
    if scope.mixed:
        return Marks({}, (0, 0), False), []  # what cannot be compared has no best
    several = any(len(entry.runs) > 1 for block in scope.blocks for entry in block)
    if several and evidence.judge is not None:
        tested = tested_marks(scope.blocks, columns, evidence.values, evidence.judge)
        if tested is not None:
            return tested, [marks_note(tested)]
    marks = plain_marks(scope.blocks, columns, evidence.values)
    return marks, [untested_note() if several else marks_note(marks)]


def _number(entry: Entry, evidence: Evidence, column: str, mark: Mark) -> Number:
    values = evidence.values(entry, column)
    if not values:
        return Number()
    spread = f"{stdev(values):.2f}" if len(values) > 1 else ""
    return Number(percent(fmean(values)), spread, best=mark.best, second=mark.second)
