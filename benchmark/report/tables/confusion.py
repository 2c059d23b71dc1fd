"""A confusion matrix for each row of the tables of accuracies."""

from __future__ import annotations

import numpy as np

from benchmark.analysis.groups import Entry
from benchmark.analysis.measurements import Measurements
from benchmark.paper.published import RECALL_PREFIX
from benchmark.report.headers import PREDICTED, class_titles
from benchmark.report.rows import table_of
from benchmark.report.scope import Scope, labels_for, name_of, scopes
from benchmark.report.sheet import Number, Row, Table

HELP = "confusion matrices"
PLACE = 4

_NOTES = (
    "Test images by true class (rows) and predicted class (columns); with several seeds the sum "
    "over them.",
)


def build(measured: Measurements, *, number: int | None, mixed: bool) -> list[Table]:
    """Return a table for each scope."""

    def rows(scope: Scope, entry: Entry) -> list[Row]:
        if not entry.runs:
            return []
        names = _classes(scope)
        order = [entry.first.classes.index(name) for name in names]
        total = np.sum(measured.confusions(entry), axis=0)
        return [
            Row(
                (*labels_for(scope, entry), title),
                tuple(Number(str(int(count))) for count in counts),
                (*name_of(scope, entry), name),
            )
            for name, title, counts in zip(
                names, class_titles(names), total[np.ix_(order, order)], strict=True
            )
        ]

    return [
        table_of(
            scope,
            measured,
            "confusion matrices",
            [f"{PREDICTED}{name}" for name in _classes(scope)],
            rows,
            _NOTES,
            more_labels=("True class",),
        )
        for scope in scopes(measured, number=number, mixed=mixed)
    ]


def _classes(scope: Scope) -> list[str]:
    columns = [c for c in scope.layout.values if c.startswith(RECALL_PREFIX)]
    return [column.removeprefix(RECALL_PREFIX) for column in columns]
