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
        own = entry.first.classes
        total = np.sum(measured.confusions(entry), axis=0)

        def number(true: str, predicted: str) -> Number:
            if predicted not in own:  # a class of another dataset in the same table
                return Number()
            return Number(str(int(total[own.index(true), own.index(predicted)])))

        names = _classes(scope)
        return [
            Row(
                (*labels_for(scope, entry), title),
                tuple(number(name, predicted) for predicted in names),
                (*name_of(scope, entry), name),
            )
            for name, title in zip(names, class_titles(names), strict=True)
            if name in own
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
    """Return the classes in the order of the table, those without images that count last."""
    columns = [c for c in scope.layout.values if c.startswith(RECALL_PREFIX)]
    shown = [column.removeprefix(RECALL_PREFIX) for column in columns]
    known = [name for group in scope.groups for name in group.classes]
    return list(dict.fromkeys((*shown, *known)))
