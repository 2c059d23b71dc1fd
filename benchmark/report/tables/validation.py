"""Accuracies on the validation split, to choose values by without a look at the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.analysis.groups import Entry
from benchmark.analysis.measurements import Measurements
from benchmark.protocols import shown_value
from benchmark.report.headers import headers
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
from benchmark.report.sheet import Number, Row, Table, mean_number
from benchmark.selection import lacking, rules
from benchmark.store.record import Record
from benchmark.words import count, short

HELP = (
    "recalls and accuracies on the validation split, to choose hyper-parameters by (with --mixed "
    "cells of changed protocols in one table, row by row)"
)
SPLIT = "validation"
PLAIN = "it is of validation images"
PLACE = 5

SCORE = "score"
SPLIT_NOTE = (
    "All numbers are of the VALIDATION split: values are chosen by them, and no test image was "
    "looked at. Score: the plain average of overall and mean accuracy."
)
PICKED_NOTE = "The epoch was picked on these same images, which flatters every row."
DIFFERENCE_NOTE = (
    "Differs in: the values, other than a method's own, that are not the same in all rows."
)


def build(measured: Measurements, *, number: int | None, mixed: bool) -> list[Table]:
    """Return recalls, accuracies and their average on the validation split.

    Args:
        measured: of the validation split, with a rule that does not look at the test split.
        number: Table 1, 2 or 3 of the paper; None for tables of whatever the records hold.
        mixed: one table of all cells of a dataset; a row says in what its cells differ from others.
    """
    found = scopes(measured, number=number, mixed=mixed, plain=True)
    return [_table(scope, measured) for scope in found]


def _table(scope: Scope, measured: Measurements) -> Table:
    keys = (*scope.layout.values, SCORE)
    several = scope.mixed
    changes = differences([measured.records[i] for i in scope.frame["id"]]) if several else {}
    blocks = tuple(
        tuple(
            Row(
                (*labels_for(scope, entry), *([_changes_of(entry, changes)] if several else [])),
                tuple(_number(entry, measured, key) for key in keys),
                name_of(scope, entry),
            )
            for entry in part
        )
        for part in scope.parts
    )
    labels = (*labels_of(scope), *(["Differs in"] if several else []))
    return Table(
        title=title_of(scope, "VALIDATION split, recall of each class, accuracies and score (%)"),
        labels=labels,
        columns=headers(keys, labels),
        keys=keys,
        blocks=blocks,
        notes=(
            SPLIT_NOTE,
            *_images_notes(scope, measured),
            *_left_out_notes(measured),
            *context_notes(scope, measured),
            *([DIFFERENCE_NOTE] if several else []),
            *([PICKED_NOTE] if rules()[measured.rule].by_validation else []),
            *seed_notes(scope),
            *_backing_notes(scope, measured),
        ),
        name=f"{name_of_table(scope)} validation",
        facts={**facts_of(scope, measured.rule), "split": measured.split},
    )


def _backing_notes(scope: Scope, measured: Measurements) -> list[str]:
    """Return which rows rest on epochs whose validation logits were not kept."""
    entries = [entry for block in scope.blocks for entry in block]
    if any(row["backed"] for entry in entries for row in measured.rows(entry)):
        return backing_notes(scope, measured)
    return ["Not backed by stored logits: none of the validation split are kept."]


def differences(records: Sequence[Record]) -> dict[str, str]:
    """Return by id in which of the values that no table mixes a record differs from the others.

    A value that was set over the protocol's in one record is named in each: ``training.epochs=4``
    beside ``training.epochs=6``. Of files that disagree under one name, the hashes are given.
    """
    changed = sorted({text.partition("=")[0] for r in records for text in _overrides(r)})
    values = {record.id: _values(record, changed) for record in records}
    if _disagree(records):
        for record in records:
            values[record.id]["values"] = record.cell.protocol.values_hash
    keys = dict.fromkeys(key for of in values.values() for key in of)
    apart = [key for key in keys if len({of[key] for of in values.values()}) > 1]
    return {
        identity: " ".join(f"{key}={of[key]}" for key in apart) for identity, of in values.items()
    }


def _disagree(records: Sequence[Record]) -> bool:
    """Whether protocols of one name and version differ in more than what was set over them."""
    specs = [record.cell.protocol for record in records]
    heads = {(s.name, s.version, s.recipe, s.overrides, s.values_hash) for s in specs}
    return len(heads) > len({head[:-1] for head in heads})


def _overrides(record: Record) -> Sequence[str]:
    return record.cell.protocol.overrides


def _values(record: Record, changed: Sequence[str]) -> dict[str, str]:
    """Return what tells comparable groups apart, and the values that any record changed."""
    cell = record.cell
    protocol = cell.protocol
    named = {
        "data": short(cell.fingerprint),
        "protocol": f"{protocol.name}-v{protocol.version}",
        "recipe": protocol.recipe,
        "backbone.name": protocol.backbone.name,
        "weights": short(cell.weights),
        "precision": cell.precision,
    }
    return named | {key: shown_value(protocol.identity, key) for key in changed}


def _changes_of(entry: Entry, changes: Mapping[str, str]) -> str:
    return changes[next(iter(entry.ids.values()))] if entry.runs else ""


def _number(entry: Entry, measured: Measurements, key: str) -> Number:
    if key != SCORE:
        return mean_number(measured.values(entry, key))
    both = (measured.values(entry, "overall"), measured.values(entry, "mean"))
    return mean_number([sum(pair) / 2 for pair in zip(*both, strict=False)])


def _images_notes(scope: Scope, measured: Measurements) -> list[str]:
    """Return how many images of each class the split has, for each group where they differ."""
    letters: dict[str, set[str]] = {}
    for entry in (entry for block in scope.blocks for entry in block):
        for matrix in measured.confusions(entry):
            sizes = [sum(row) for row in matrix]
            named = zip(entry.first.classes, sizes, strict=True)
            text = ", ".join(f"{name} {size}" for name, size in named)
            if 0 in sizes:
                text += "; without images of every class there is no mean"
            letters.setdefault(text, set()).add(scope.letter(entry))
    if len(letters) == 1:
        return [f"Validation images: {text}." for text in letters]
    return [
        f"Validation images of {', '.join(sorted(of))}: {text}." for text, of in letters.items()
    ]


def _left_out_notes(measured: Measurements) -> list[str]:
    if not measured.left_out:
        return []
    cells = count(measured.left_out, "finished cell has", "finished cells have")
    return [f"Left out: {cells} {lacking(measured.rule)}."]
