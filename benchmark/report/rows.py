"""What tables have in common that say one thing of each entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmark.analysis.groups import Entry
from benchmark.analysis.measurements import Measurements
from benchmark.report.headers import headers
from benchmark.report.notes import backing_notes, seed_notes
from benchmark.report.scope import (
    Scope,
    context_notes,
    facts_of,
    labels_of,
    name_of_table,
    title_of,
)
from benchmark.report.sheet import Row, Table
from benchmark.selection import rules


def table_of(
    scope: Scope,
    measured: Measurements,
    what: str,
    keys: Sequence[str],
    rows: Callable[[Scope, Entry], list[Row]],
    notes: Sequence[str],
    *,
    more_labels: Sequence[str] = (),
    titles: Mapping[str, str] | None = None,
) -> Table:
    """Return a table with the rows that each entry gives.

    Args:
        scope: its cells.
        measured: of them.
        what: it says.
        keys: of its columns.
        rows: of one entry.
        notes: below those that every table has.
        more_labels: headers of further text columns.
        titles: headers of columns that are not called as their key.
    """
    labels = (*labels_of(scope), *more_labels)
    blocks = tuple(
        tuple(row for entry in part for row in rows(scope, entry)) for part in scope.parts
    )
    return Table(
        title=title_of(scope, what),
        labels=labels,
        columns=headers(keys, labels, titles),
        keys=tuple(keys),
        blocks=tuple(block for block in blocks if block),
        notes=(
            *context_notes(scope, measured),
            *seed_notes(scope),
            *backing_notes(scope, measured),
            *notes,
        ),
        dagger=rules()[measured.rule].by_test,
        name=f"{name_of_table(scope)} {what.split(' (')[0]}",
        facts=facts_of(scope, measured.rule),
    )
