"""More than accuracy: intervals, tail, worst class, calibration, confusion, validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np

from benchmark import choices
from benchmark.analysis.groups import Entry
from benchmark.record import Split
from benchmark.report.beside import limits_of
from benchmark.report.evidence import Evidence
from benchmark.report.frame import RECALL_PREFIX
from benchmark.report.headers import PREDICTED, class_titles, headers
from benchmark.report.notes import backing_notes, seed_notes
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
from benchmark.report.sheet import Number, Row, Table, mean_number, percent
from benchmark.report.validation import validation_tables
from benchmark.stats.accuracy import expected_calibration_error, macro_f1, rank_means, recalls

INTERVAL_NOTES = (
    "In brackets: 95 % intervals. Of a recall: Wilson's score interval on the test images of its "
    "class; of an accuracy: the recalls' intervals put together (Zou and Donner 2008). With "
    "several seeds the variance over them is added; the images count once, as all seeds share "
    "them.",
)
SUMMARY_NOTES = (
    "Worst class: the one with the lowest recall (mean over seeds), and that recall. Head "
    "and tail: mean recall of the third of the classes (rounded down) with the most and with the "
    "fewest training images; middle: of the others.",
    "Macro F1: mean over the classes of the harmonic mean of precision and recall. ECE: expected "
    "calibration error of the softmax's largest value, 15 bins of equal width; lower is better.",
)
CONFUSION_NOTES = (
    "Test images by true class (rows) and predicted class (columns); with several seeds the sum "
    "over them.",
)
SUMMARY = {
    "macro_f1": "Macro F1",
    "worst_class": "Worst class",
    "head": "Head",
    "middle": "Middle",
    "tail": "Tail",
    "ece": "ECE",
}


def interval_tables(evidence: Evidence, *, number: int | None, mixed: bool) -> list[Table]:
    """Return the tables of accuracies with the 95 % interval of each number."""

    def row(scope: Scope, entry: Entry) -> list[Row]:
        limits = limits_of(entry, evidence)
        numbers = []
        for column in scope.layout.values:
            values, (low, high) = (
                evidence.values(entry, column),
                limits.get(column, (math.nan, math.nan)),
            )
            numbers.append(
                Number(percent(fmean(values)), low=percent(low), high=percent(high))
                if values
                else Number()
            )
        return [Row(labels_for(scope, entry), tuple(numbers), name_of(scope, entry))]

    return [
        _table(
            scope,
            evidence,
            "95 % intervals of recall and accuracy (%)",
            scope.layout.values,
            row,
            INTERVAL_NOTES,
        )
        for scope in scopes(evidence, number=number, mixed=mixed)
    ]


def summary_tables(evidence: Evidence, *, number: int | None, mixed: bool) -> list[Table]:
    """Return macro F1, the worst class, head, middle and tail, and calibration."""

    def row(scope: Scope, entry: Entry) -> list[Row]:
        worst = _worst(entry, evidence)
        measured = [_summary(identity, evidence, worst) for identity in entry.ids.values()]
        numbers = tuple(
            mean_number(
                [values[name] for values in measured], worst if name == "worst_class" else ""
            )
            for name in SUMMARY
        )
        return [Row(labels_for(scope, entry), numbers, name_of(scope, entry))]

    return [
        _table(scope, evidence, "more than accuracy (%)", tuple(SUMMARY), row, SUMMARY_NOTES)
        for scope in scopes(evidence, number=number, mixed=mixed)
    ]


def confusion_tables(evidence: Evidence, *, number: int | None, mixed: bool) -> list[Table]:
    """Return a confusion matrix for each row of the tables of accuracies."""

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
        _table(
            scope,
            evidence,
            "confusion matrices",
            [f"{PREDICTED}{name}" for name in _classes(scope)],
            rows,
            CONFUSION_NOTES,
            true_class=True,
        )
        for scope in scopes(evidence, number=number, mixed=mixed)
    ]


DETAILS: dict[str, Callable[..., list[Table]]] = dict(
    zip(
        choices.DETAILS,
        (interval_tables, summary_tables, confusion_tables, validation_tables),
        strict=True,
    )
)


def split_of(detail: str | None) -> Split:
    """Return the split that a detail's evidence is of."""
    return "validation" if detail == "validation" else "test"


def _table(
    scope: Scope,
    evidence: Evidence,
    what: str,
    keys: Sequence[str],
    rows: Callable[[Scope, Entry], list[Row]],
    notes: Sequence[str],
    *,
    true_class: bool = False,
) -> Table:
    labels = (*labels_of(scope), *(["True class"] if true_class else []))
    blocks = tuple(
        tuple(row for entry in block for row in rows(scope, entry)) for block in scope.blocks
    )
    return Table(
        title=title_of(scope, what),
        labels=labels,
        columns=headers(keys, labels, SUMMARY),
        keys=tuple(keys),
        blocks=tuple(block for block in blocks if block),
        notes=(
            *context_notes(scope, evidence.rule),
            *seed_notes(scope.blocks),
            *backing_notes(scope.blocks, scope.frame),
            *notes,
        ),
        dagger=evidence.rule == "oracle",
        name=f"{name_of_table(scope)} {what.split(' (')[0]}",
        facts=facts_of(scope, evidence.rule),
    )


def _classes(scope: Scope) -> list[str]:
    columns = [c for c in scope.layout.values if c.startswith(RECALL_PREFIX)]
    return [column.removeprefix(RECALL_PREFIX) for column in columns]


def _summary(identity: str, evidence: Evidence, worst: str) -> dict[str, float]:
    """Return the values of :data:`SUMMARY` in percent, nan where one is not known."""
    record, confusion = evidence.records[identity], evidence.confusion(identity)
    of_class = recalls(confusion)
    ranks = rank_means(confusion, record.cell.class_counts) if len(of_class) > 2 else None
    means = (ranks.head, ranks.middle, ranks.tail) if ranks else (math.nan,) * 3
    found = evidence.logits(identity)
    error = math.nan if found is None else expected_calibration_error(*found)
    lowest = of_class[record.classes.index(worst)]
    values = (macro_f1(confusion), lowest, *means, error)
    return {name: 100 * float(value) for name, value in zip(SUMMARY, values, strict=True)}


def _worst(entry: Entry, evidence: Evidence) -> str:
    """Return the class with the lowest recall, the mean over seeds; ties by the classes' order."""
    ids = list(entry.ids.values())
    if not ids:
        return ""
    of_class = np.mean([recalls(evidence.confusion(identity)) for identity in ids], axis=0)
    return evidence.records[ids[0]].classes[int(np.nanargmin(of_class))]
