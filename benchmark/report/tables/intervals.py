"""Accuracies with the 95 % interval of each number."""

from __future__ import annotations

import math
from statistics import fmean

from benchmark.analysis.groups import Entry
from benchmark.analysis.measurements import Measurements
from benchmark.report.against_paper import limits_of
from benchmark.report.rows import table_of
from benchmark.report.scope import Scope, labels_for, name_of, scopes
from benchmark.report.sheet import Number, Row, Table, percent

HELP = "95 % intervals"
PLACE = 2

_WHAT = "95 % intervals of recall and accuracy (%)"
_NOTES = (
    "In brackets: 95 % intervals. Of a recall: Wilson's score interval on the test images of its "
    "class; of an accuracy: the recalls' intervals put together (Zou and Donner 2008). With "
    "several seeds the variance over them is added; the images count once, as all seeds share "
    "them.",
)


def build(measured: Measurements, *, number: int | None, mixed: bool) -> list[Table]:
    """Return a table for each scope."""

    def rows(scope: Scope, entry: Entry) -> list[Row]:
        limits = limits_of(entry, measured)
        numbers = []
        for column in scope.layout.values:
            values = measured.values(entry, column)
            low, high = limits.get(column, (math.nan, math.nan))
            numbers.append(
                Number(percent(fmean(values)), low=percent(low), high=percent(high))
                if values
                else Number()
            )
        return [Row(labels_for(scope, entry), tuple(numbers), name_of(scope, entry))]

    return [
        table_of(scope, measured, _WHAT, scope.layout.values, rows, _NOTES)
        for scope in scopes(measured, number=number, mixed=mixed)
    ]
