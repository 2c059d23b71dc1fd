"""What copied images do to a table: the line below it that says what is left without them."""

from __future__ import annotations

from statistics import fmean

from benchmark.analysis.answers import Answers, kept_as
from benchmark.analysis.groups import Entry
from benchmark.data.imbalance import factor_label
from benchmark.report.evidence import Evidence
from benchmark.report.scope import Scope
from benchmark.stats.accuracy import mean_accuracy, overall_accuracy

WORTH_SAYING = 0.5
"""Points that a number has to differ by on clean images to be given."""


def clean_notes(scope: Scope, evidence: Evidence) -> list[str]:
    """Return a line with the rows whose accuracies are others on clean images, if there are any.

    Rows whose marks or logits are not kept are passed over.
    """
    if evidence.images != "all" or evidence.clean is None:
        return []
    rows = [
        text
        for block in scope.blocks
        for entry in block
        if (text := _row(entry, evidence, evidence.clean))
    ]
    if not rows:
        return []
    records = [evidence.records[identity] for identity in scope.frame["id"]]
    counts = {}
    for record in records:
        marked = evidence.clean.marks(record)
        if marked is not None:
            kept = marked.kept("clean")
            counts[record.cell.fingerprint] = f"{(~kept).sum()} of {len(kept)}"
    entries = sum(bool(entry.runs) for block in scope.blocks for entry in block)
    others = f" The others differ by at most {WORTH_SAYING} points." if len(rows) < entries else ""
    return [
        f"Without the {' or '.join(counts.values())} test images whose pixels stand in the "
        f"training set (--images clean), overall / mean accuracy: {'; '.join(rows)}.{others}"
    ]


def _row(entry: Entry, evidence: Evidence, clean: Answers) -> str:
    """Return an entry with its accuracies on clean images, nothing where they hardly differ."""
    records = list(entry.runs.values())
    known = [clean.marks(r) is not None and kept_as(r, evidence.rule) is not None for r in records]
    if not records or not all(known):
        return ""
    matrices = [clean.confusion(record) for record in records]
    overall = 100 * fmean(map(overall_accuracy, matrices))
    mean = 100 * fmean(map(mean_accuracy, matrices))
    before = [fmean(evidence.values(entry, name)) for name in ("overall", "mean")]
    if max(abs(overall - before[0]), abs(mean - before[1])) <= WORTH_SAYING:
        return ""
    return f"{entry.label} at {factor_label(entry.factor)} {overall:.2f} / {mean:.2f}"
