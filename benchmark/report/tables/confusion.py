"""A confusion matrix for each row of the tables of accuracies."""

from __future__ import annotations

import numpy as np

from benchmark.analysis.groups import Entry
from benchmark.report.evidence import Evidence
from benchmark.report.frame import RECALL_PREFIX
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


def build(evidence: Evidence, *, number: int | None, mixed: bool) -> list[Table]:
    """Return a table for each scope."""

    def rows(scope: Scope, entry: Entry) -> list[Row]:
        if not entry.runs:
            return []
        ids = list(entry.ids.values())
        classes = evidence.records[ids[0]].classes
        names = _classes(scope)
        order = [classes.index(name) for name in names]
        total = np.sum([evidence.confusion(identity) for identity in ids], axis=0)
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
            evidence,
            "confusion matrices",
            [f"{PREDICTED}{name}" for name in _classes(scope)],
            rows,
            _NOTES,
            more_labels=("True class",),
        )
        for scope in scopes(evidence, number=number, mixed=mixed)
    ]


def _classes(scope: Scope) -> list[str]:
    columns = [c for c in scope.layout.values if c.startswith(RECALL_PREFIX)]
    return [column.removeprefix(RECALL_PREFIX) for column in columns]
