"""What copied images do to a table: the line below it that says what is left without them."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from benchmark.analysis.clean import WORTH_SAYING, Floats, clean_numbers
from benchmark.analysis.groups import Entry
from benchmark.analysis.measurements import Measurements
from benchmark.report.scope import Scope
from benchmark.report.sheet import percent


def clean_notes(scope: Scope, measured: Measurements) -> list[str]:
    """Return a line with the rows whose accuracies are others on clean images, if there are any.

    Rows whose marks or logits are not kept stand apart, as of them that is not known.
    """
    answers = measured.answers
    if measured.images != "all" or answers is None:
        return []
    entries = [entry for block in scope.blocks for entry in block if entry.runs]
    clean = [(entry, clean_numbers(entry, answers)) for entry in entries]
    told = (_row(scope, entry, of, measured) for entry, of in clean if of is not None)
    rows = [text for text in told if text]
    if not rows:
        return []
    unknown = [scope.named(entry) for entry, of in clean if of is None]
    counts = {}
    for group in scope.groups:
        marked = answers.marks(group.entries[0].first)
        if marked is not None:
            kept = marked.kept("clean")
            counts[group.shared.fingerprint] = f"{(~kept).sum()} of {len(kept)}"
    others = ""
    if len(rows) < len(entries) - len(unknown):
        others += f" The others differ by at most {WORTH_SAYING} points."
    if unknown:
        others += f" Not known of {'; '.join(unknown)}: logits or marks of copies are not kept."
    return [
        f"Without the {' or '.join(counts.values())} test images whose pixels stand in the "
        "unmodified training set (--images clean), overall / mean accuracy: "
        f"{'; '.join(rows)}.{others}"
    ]


def _row(scope: Scope, entry: Entry, clean: Mapping[str, Floats], measured: Measurements) -> str:
    """Return an entry with its accuracies on clean images, nothing where they hardly differ."""
    found = {name: float(clean[name].mean()) for name in ("overall", "mean")}
    before = {name: fmean(measured.values(entry, name)) for name in found}
    if all(abs(found[name] - before[name]) <= WORTH_SAYING for name in found):
        return ""
    return f"{scope.named(entry)} {' / '.join(map(percent, found.values()))}"
