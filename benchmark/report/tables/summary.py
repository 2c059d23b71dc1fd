"""More than accuracy: what ``benchmark/report/metrics`` holds, a column a file."""

from __future__ import annotations

from benchmark.analysis.groups import Entry
from benchmark.analysis.measurements import Measurements
from benchmark.report.areas import area_table
from benchmark.report.metrics import Seen, metrics
from benchmark.report.rows import table_of
from benchmark.report.scope import Scope, labels_for, name_of, scopes
from benchmark.report.sheet import Row, Table, mean_number

HELP = "macro F1, worst class, head, middle, tail, calibration and areas under ROC curves"
PLACE = 3


def build(measured: Measurements, *, number: int | None, mixed: bool) -> list[Table]:
    """Return a table for each scope."""
    columns = metrics()

    def rows(scope: Scope, entry: Entry) -> list[Row]:
        runs = _seen(measured, entry)
        numbers = tuple(
            mean_number([100 * value for value in metric.values(runs)], metric.remark(runs))
            for metric in columns.values()
        )
        return [Row(labels_for(scope, entry), numbers, name_of(scope, entry))]

    notes = tuple(metric.note for metric in columns.values() if metric.note)
    titles = {name: metric.title for name, metric in columns.items()}
    tables = []
    for scope in scopes(measured, number=number, mixed=mixed):
        what = "more than accuracy (%)"
        keys = tuple(columns)
        tables.append(table_of(scope, measured, what, keys, rows, notes, titles=titles))
        tables.append(area_table(scope, measured))
    return tables


def _seen(measured: Measurements, entry: Entry) -> list[Seen]:
    of_runs = zip(
        entry.runs.values(), measured.confusions(entry), measured.logits(entry), strict=True
    )
    return [
        Seen(record.classes, confusion, record.cell.class_counts, answers)
        for record, confusion, answers in of_runs
    ]
