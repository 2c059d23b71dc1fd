"""What stands below a table or figure of rows that read the records in another way as well."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.analysis.answers import Answers
from benchmark.analysis.decoration import CHOSEN, Decoration, shown_tau
from benchmark.analysis.groups import Entry
from benchmark.data.imbalance import factor_label
from benchmark.selection import rules
from benchmark.stats.accuracy import mean_accuracy
from benchmark.stats.adjustment import TAUS

SOURCE = "Menon et al., ICLR 2021"
CAUTION = (
    "It takes logits for log posteriors; those of methods that smooth labels, mix, balance or "
    "re-weight are others, often of a smaller range than the correction, which may be too much "
    "for them."
)


def decoration_notes(entries: Sequence[Entry], answers: Answers | None) -> list[str]:
    """Return what decorated entries are and are worth; nothing where there are none.

    Args:
        entries: of a table or figure, plain ones among them.
        answers: of their store.
    """
    found = list(dict.fromkeys(entry.decoration for entry in entries))
    notes = []
    for decoration in found:
        if decoration is None or answers is None:
            continue
        own = [entry for entry in entries if entry.decoration == decoration]
        if decoration.rule is not None:
            notes.append(_rule_note(decoration.rule))
        if decoration.tau is not None:
            notes += adjustment_notes(own, answers, decoration)
            notes += _left_out(entries, own)
    return notes


def adjustment_notes(
    entries: Sequence[Entry], answers: Answers, decoration: Decoration
) -> list[str]:
    """Return what adjusted rows are, from which source, and where a correction did harm.

    Args:
        entries: those with the decoration.
        answers: of their store.
        decoration: an adjustment.
    """
    reading = answers.read(decoration)
    notes = [
        "+ LA: the same networks, their logits adjusted after training (post-hoc logit "
        f"adjustment, {SOURCE}): less τ times the logarithm of the training set's class shares. "
        f"Nothing is trained again, and no τ is chosen on test images. {CAUTION}"
    ]
    if decoration.tau == CHOSEN:
        notes.append(
            "τ of each cell, chosen on its clean validation images by mean accuracy from 0 to "
            f"{shown_tau(TAUS[-1])} by {shown_tau(TAUS[1])}, the smallest of equals: "
            f"{'; '.join(f'{_named(entry)} {_taus(entry, reading)}' for entry in entries)}."
        )
    lower = [_named(entry) for entry in entries if _gain(entry, answers) < 0]
    if lower:
        notes.append(
            "A lower mean accuracy with the correction than without, which says that these are no "
            f"log posteriors: {'; '.join(lower)}."
        )
    return notes


def _rule_note(rule: str) -> str:
    return f"{rules()[rule].note}; rows of it are never in bold."


def _left_out(entries: Sequence[Entry], own: Sequence[Entry]) -> list[str]:
    have = {_place(entry) for entry in own}
    without = [
        _named(entry) for entry in entries if entry.decoration is None and _place(entry) not in have
    ]
    if not without:
        return []
    return [
        "Not adjusted, as no logits of the epoch that counts are kept or a class has no training "
        f"images: {'; '.join(without)}."
    ]


def _place(entry: Entry) -> tuple[str, ...]:
    return tuple(entry.ids.values())


def _named(entry: Entry) -> str:
    name = f"{entry.title} ({entry.apart})" if entry.apart else entry.title
    return f"{name} at {factor_label(entry.factor)}"


def _taus(entry: Entry, reading: Answers) -> str:
    found = [(run, reading.tau(record)) for run, record in entry.runs.items()]
    texts = [
        f"{shown_tau(tau)} (seed {run.shown})" if len(found) > 1 else shown_tau(tau)
        for run, tau in found
        if tau is not None
    ]
    return ", ".join(texts)


def _gain(entry: Entry, answers: Answers) -> float:
    """Return by how much the mean accuracy, a mean over seeds, is higher with the correction."""
    reading = answers.read(entry.decoration)
    return sum(
        mean_accuracy(reading.confusion(record)) - mean_accuracy(answers.confusion(record))
        for record in entry.runs.values()
    )
