"""How far methods lie apart when each may be corrected after training: the area between curves."""

from __future__ import annotations

import math
from statistics import fmean

from benchmark.analysis.corrected import corrected_answers
from benchmark.analysis.groups import Entry
from benchmark.analysis.measurements import Measurements
from benchmark.report.rows import table_of
from benchmark.report.scope import Scope, labels_for, name_of, reference_of, scopes
from benchmark.report.sheet import Number, Row, Table, percent
from benchmark.stats.accuracy import accuracies
from benchmark.stats.adjustment import TAUS
from benchmark.stats.tradeoff import area_between

HELP = "accuracies with logits adjusted by tau 1, and how far the trade-off curves lie apart"
PLACE = 6
PLAIN = "it has columns of adjusted logits itself"

COLUMNS = {
    "overall": "Overall",
    "mean": "Mean",
    "overall_tau1": "Overall, tau 1",
    "mean_tau1": "Mean, tau 1",
    "area_between": "Area over baseline",
}
NOTES = (
    "Tau 1: logits less the logarithm of the training set's class shares (Menon et al., ICLR "
    "2021), nothing trained again and nothing chosen. Methods that smooth, mix or re-weight have "
    "other logits, and tau 1 may correct them too much.",
    "Area over baseline: as tau goes from 0 to 1.5, the area below a method's curve of mean "
    "against overall accuracy, of the points that no other of it is better than, less that below "
    "the baseline's; in percentage points of the unit square, on the same runs, with its 95 % "
    "interval. It is the difference in the share of demands (an overall and a mean accuracy) that "
    "some tau meets. From one common seed the interval knows the test images alone and speaks of "
    "these two networks, not of the methods.",
)


def build(measured: Measurements, *, number: int | None, mixed: bool) -> list[Table]:
    """Return a table for each scope."""

    def rows(scope: Scope, entry: Entry) -> list[Row]:
        numbers = _numbers(entry, reference_of(scope, entry), measured)
        return [Row(labels_for(scope, entry), numbers, name_of(scope, entry))]

    return [
        table_of(scope, measured, "trade-off (%)", tuple(COLUMNS), rows, NOTES, titles=COLUMNS)
        for scope in scopes(measured, number=number, mixed=mixed, plain=True)
    ]


def _numbers(entry: Entry, reference: Entry | None, measured: Measurements) -> tuple[Number, ...]:
    nothing = tuple(Number() for _ in COLUMNS)
    if not entry.runs or measured.answers is None:
        return nothing
    own = corrected_answers(entry, measured.answers)
    if own is None:
        return nothing
    runs, labels, right = own
    at = [TAUS.index(0.0), TAUS.index(1.0)]
    overall, mean = accuracies(labels, right[:, at], len(entry.first.classes))
    values = [overall[:, 0], mean[:, 0], overall[:, 1], mean[:, 1]]
    area = Number()
    other = None if reference is None else corrected_answers(reference, measured.answers)
    if other is not None:
        shared = [run for run in runs if run in other[0]]
        if shared:
            found = area_between(
                labels,
                right[[runs.index(run) for run in shared]],
                other[2][[other[0].index(run) for run in shared]],
            )
            value, low, high = (f"{100 * x:+.2f}" for x in (found.estimate, found.low, found.high))
            area = Number(value, low=low, high=high)
    printed = [fmean(map(float, of)) for of in values]
    return (*(Number(percent(100 * v)) if not math.isnan(v) else Number() for v in printed), area)
