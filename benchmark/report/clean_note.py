"""What copied images do to a table: the line below it that says what is left without them."""

from __future__ import annotations

from statistics import fmean

from benchmark.analysis.answers import Answers
from benchmark.analysis.clean import WORTH_SAYING, clean_numbers
from benchmark.analysis.groups import Entry
from benchmark.analysis.measurements import Measurements
from benchmark.data.imbalance import factor_label
from benchmark.report.scope import Scope


def clean_notes(scope: Scope, measured: Measurements) -> list[str]:
    """Return a line with the rows whose accuracies are others on clean images, if there are any.

    Rows whose marks or logits are not kept are passed over.
    """
    answers = measured.answers
    if measured.images != "all" or answers is None:
        return []
    entries = [entry for block in scope.blocks for entry in block if entry.runs]
    rows = [text for entry in entries if (text := _row(entry, measured, answers))]
    if not rows:
        return []
    counts = {}
    for group in scope.groups:
        marked = answers.marks(group.entries[0].first)
        if marked is not None:
            kept = marked.kept("clean")
            counts[group.shared.fingerprint] = f"{(~kept).sum()} of {len(kept)}"
    others = ""
    if len(rows) < len(entries):
        others = f" The others differ by at most {WORTH_SAYING} points."
    return [
        f"Without the {' or '.join(counts.values())} test images whose pixels stand in the "
        f"training set (--images clean), overall / mean accuracy: {'; '.join(rows)}.{others}"
    ]


def _row(entry: Entry, measured: Measurements, answers: Answers) -> str:
    """Return an entry with its accuracies on clean images, nothing where they hardly differ."""
    clean = clean_numbers(entry, answers)
    if clean is None:
        return ""
    overall, mean = (float(clean[name].mean()) for name in ("overall", "mean"))
    before = [fmean(measured.values(entry, name)) for name in ("overall", "mean")]
    if max(abs(overall - before[0]), abs(mean - before[1])) <= WORTH_SAYING:
        return ""
    return f"{entry.label} at {factor_label(entry.factor)} {overall:.2f} / {mean:.2f}"
