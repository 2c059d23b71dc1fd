"""Rows below rows: entries whose records are read in another way as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmark.analysis.answers import Answers
from benchmark.analysis.decoration import CHOSEN, Decoration
from benchmark.analysis.groups import Entry, Group
from benchmark.errors import InputError
from benchmark.words import count


def with_decorations(
    groups: Sequence[Group],
    decorations: Sequence[Decoration],
    answers: Answers | None,
    which: Callable[[Entry], bool] = lambda _: True,
) -> list[Group]:
    """Return groups with a further entry below each for each decoration that can read it.

    Args:
        groups: that can be compared.
        decorations: in the order of their rows.
        answers: of the groups' store; needed where there are decorations.
        which: entries get one.

    Raises:
        InputError: as for :func:`decorated`.
    """
    if not decorations or not groups or answers is None:
        return list(groups)
    entries = [entry for group in groups for entry in group.entries if which(entry)]
    below = [decorated(entries, one, answers) for one in decorations]

    def rows(entry: Entry) -> list[Entry]:
        return [entry, *(of[entry] for of in below if entry in of)]

    return [
        replace(group, entries=tuple(row for entry in group.entries for row in rows(entry)))
        for group in groups
    ]


def decorated(
    entries: Sequence[Entry], decoration: Decoration, answers: Answers
) -> dict[Entry, Entry]:
    """Return entries as a decoration reads them, by the plain ones, without those it cannot.

    An adjustment needs logits of the epoch that counts, and training images of every class.

    Raises:
        InputError: none can be read so, or a correction is to be chosen on validation images and
            records keep no logits of them.
    """
    can = {
        entry: replace(entry, decoration=decoration)
        for entry in entries
        if decoration.tau is None or _can_adjust(entry, answers.read(decoration))
    }
    if entries and not can:
        raise InputError(
            "--adjust: no logits of the epoch that counts are kept of these cells, and they are "
            "what is adjusted; use --select last"
        )
    if decoration.tau == CHOSEN:
        _check_chosen(list(can), answers.read(decoration))
    return can


def _can_adjust(entry: Entry, reading: Answers) -> bool:
    return all(
        reading.keeps(record) and 0 not in record.cell.class_counts
        for record in entry.runs.values()
    )


def _check_chosen(entries: Sequence[Entry], reading: Answers) -> None:
    records = {record.id: record for entry in entries for record in entry.runs.values()}
    lacking = sum(reading.tau(record) is None for record in records.values())
    if lacking:
        verb = "keeps" if lacking == 1 else "keep"
        raise InputError(
            f"--adjust tau=val: {lacking} of {count(len(records), 'record')} {verb} no logits of "
            "validation images to choose tau by; train these cells again with this version, on "
            "data with a validation split, or give a number, such as --adjust tau=1"
        )
