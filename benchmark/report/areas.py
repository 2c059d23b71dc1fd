"""Areas under ROC curves as a table: each class against the rest, and their mean."""

from __future__ import annotations

from benchmark.analysis.groups import Entry
from benchmark.analysis.measurements import Measurements
from benchmark.paper.published import RECALL_PREFIX
from benchmark.report.rows import table_of
from benchmark.report.scope import Scope, labels_for, name_of
from benchmark.report.sheet import MISSING, Number, Row, Table, percent
from benchmark.stats.auc import RocArea, class_roc_areas

NOTES = (
    "Area under the ROC curve of each class against the rest, from the softmax, and their mean: "
    "how well a class is ranked, wherever its threshold lies. In brackets: 95 % intervals "
    "(DeLong's variance, Wilson's limits; with several seeds the variance over them is added).",
)
_MEAN = "mean"


def area_table(scope: Scope, measured: Measurements) -> Table:
    """Return the areas of each entry whose logits are kept."""
    classes = [c for c in scope.layout.values if c.startswith(RECALL_PREFIX)]

    def rows(scope: Scope, entry: Entry) -> list[Row]:
        numbers = _numbers(entry, measured)
        of = tuple(numbers.get(key, Number()) for key in (*classes, _MEAN))
        return [Row(labels_for(scope, entry), of, name_of(scope, entry))]

    what = "area under the ROC curve (%)"
    return table_of(scope, measured, what, (*classes, _MEAN), rows, NOTES)


def _numbers(entry: Entry, measured: Measurements) -> dict[str, Number]:
    found = measured.logits(entry)
    answers = [answer for answer in found if answer is not None]
    if not answers or len(answers) < len(found):
        return {}
    areas = class_roc_areas([logits for logits, _ in answers], answers[0][1])
    named = zip(entry.first.classes, areas.classes, strict=True)
    numbers = {f"{RECALL_PREFIX}{name}": _number(area) for name, area in named}
    return {**numbers, _MEAN: _number(areas.mean)}


def _number(area: RocArea) -> Number:
    value, low, high = (percent(100 * x) for x in (area.value, area.low, area.high))
    return Number() if value == MISSING else Number(value, low=low, high=high)
