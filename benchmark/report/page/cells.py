"""What stands behind the rows of a page, as plain values for JSON: each cell, and each curve.

What many cells share (a recipe, a machine) is kept once, and cells name its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmark.analysis.claims import AnyClaim
from benchmark.analysis.clean import clean_numbers
from benchmark.analysis.groups import Entry, Run
from benchmark.analysis.measurements import Measurements
from benchmark.analysis.origin import code, machine, processes
from benchmark.analysis.verdicts import Verdict, wording
from benchmark.paper.published import RECALL_PREFIX
from benchmark.report.against_paper import limits_of
from benchmark.report.drawing.drawn import series_of
from benchmark.report.drawing.style import look
from benchmark.report.escape import plain_text
from benchmark.report.figures import curves
from benchmark.report.headers import class_titles
from benchmark.report.page.board import MEANINGS, Board, BoardRow, warnings
from benchmark.report.page.recipe import (
    hyper_values,
    protocol_values,
    repeating_command,
    why_another,
)
from benchmark.selection import rules
from benchmark.stats.adjustment import TAUS
from benchmark.store.record import Record
from benchmark.words import count

Plain = dict[str, Any]
_CURVES = {
    "Training loss": curves.training_loss,
    "Test overall accuracy (%)": curves.test_accuracy,
    "Validation overall accuracy (%)": curves.validation_accuracy,
}
_OF_A_CELL = ("finished", "process_peak_memory_bytes")
"""Facts of its provenance that no other cell shares."""
_NAMES = {
    "fer_bench": "version of fer-bench",
    "process_peak_memory_bytes": "peak memory of the process (bytes)",
}
_FACTS = ("seconds", *_OF_A_CELL, "SHA-256 of logits", "SHA-256 of final weights")


@dataclass
class Shared:
    """Values that several cells name by their place."""

    values: list[Any] = field(default_factory=list)
    _places: dict[Any, int] = field(default_factory=dict)

    def place(self, value: Any) -> int:
        """Return the place of a value, which may be a tuple of tuples."""
        if value not in self._places:
            self._places[value] = len(self.values)
            self.values.append(value)
        return self._places[value]


def embedded(
    boards: Sequence[Board],
    held: Sequence[tuple[AnyClaim, Sequence[Verdict]]],
    measured: Measurements,
) -> Plain:
    """Return all that a page's script reads.

    ``entries`` stand in the order of the rows of the boards; one without a cell is null.
    """
    shared = Shared()
    cells: list[Plain] = []
    entries: list[Plain | None] = []
    verdicts = [(claim, verdict) for claim, found in held for verdict in found]
    judged = _by_record(verdicts)
    for place, one in enumerate(boards):
        slots = _slots(one)
        for entry, row in ((row.entry, row) for block in one.blocks for row in block):
            slot = slots.get((entry.method, entry.hyper, entry.decoration), 0)
            own = [_cell(entry, run, measured, shared, judged) for run in entry.runs]
            numbers = range(len(cells), len(cells) + len(own))
            entries.append(_entry(row, place, slot, numbers) if own else None)
            cells += own
    found = {
        "taus": TAUS,
        "curves": list(_CURVES),
        "facts": list(map(_named, _FACTS)),
        "meanings": MEANINGS,
        "groups": [_group(one, measured) for one in boards],
        "entries": entries,
        "cells": cells,
        "shared": shared.values,
        "verdicts": [_verdict(*one) for one in verdicts],
    }
    return {key: _printable(value) for key, value in found.items()}


def _printable(value: Any) -> Any:
    """Return values whose texts hold nothing that a page would hide or obey."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, dict):
        return {key: _printable(inner) for key, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list | tuple) else value


def _slots(one: Board) -> dict[Any, int]:
    """Return which look each row's method has in figures."""
    return {
        (series.method, series.hyper, series.decoration): series.slot
        for group in one.scope.groups
        for series in series_of(group)
    }


def _group(one: Board, measured: Measurements) -> Plain:
    group = one.scope.groups[0]
    return {
        "title": one.title,
        "classes": class_titles(group.classes),
        "warnings": [*warnings(measured), *one.warnings],
    }


def _entry(row: BoardRow, group: int, slot: int, numbers: Iterable[int]) -> Plain:
    found: Plain = {
        "group": group,
        "label": row.entry.label,
        "factor": row.factor,
        "marks": row.all_marks,
        "look": [look(slot).color, look(slot).marker, _dashes(look(slot).dashes)],
        "cells": list(numbers),
    }
    if row.curves is not None:
        found["tau"] = [_rounded(values.mean(axis=0)) for values in row.curves]
    return found


def _dashes(dashes: Any) -> str:
    """Return Matplotlib's dashes as SVG has them, empty for a solid line."""
    return "" if dashes == "-" else " ".join(f"{1.4 * length:g}" for length in dashes[1])


def _cell(
    entry: Entry,
    run: Run,
    measured: Measurements,
    shared: Shared,
    judged: dict[str, list[int]],
) -> Plain:
    record = entry.runs[run]
    alone = replace(entry, runs={run: record})
    limits = limits_of(alone, measured)
    row = measured.rows(alone)[0]
    clean = _clean(alone, measured)
    index = rules()[measured.rule].choose(record.history)
    assert index is not None  # otherwise it would not be here
    begin, rest = repeating_command(record)
    return {
        "id": record.id,
        "seed": str(run.shown),
        "epoch": record.history[index].epoch,
        "recalls": [
            _rounded((row[key], *limits[key], *clean.get(key, ()))) for key in _columns(record)
        ],
        "confusion": measured.confusion_of(record, entry.decoration),
        "curves": [
            _rounded(map(value, record.history), 4 if "loss" in name else 2)
            for name, value in _CURVES.items()
        ],
        "hyper": shared.place(hyper_values(record.cell)),
        "protocol": shared.place(protocol_values(record.cell)),
        "made": shared.place(_facts(record)),
        "facts": [_text(fact) for fact in _of_a_cell(record).values()],
        "notes": shared.place(record.notes),
        "command": [shared.place(begin), rest],
        "another": shared.place(why_another(record)),
        # Sentences speak of methods as they were trained.
        "verdicts": judged.get(record.id, []) if entry.decoration is None else [],
    }


def _clean(alone: Entry, measured: Measurements) -> Mapping[str, Iterable[float]]:
    """Return a cell's number of each column without copies; nothing where no copies are counted."""
    if measured.images != "all" or measured.answers is None:
        return {}
    return clean_numbers(alone, measured.answers) or {}


def _of_a_cell(record: Record) -> Plain:
    """Return what no other cell shares, in the order of the names that stand for all of them."""
    own = [record.provenance.get(key, "") for key in _OF_A_CELL]
    found = (record.seconds, *own, record.logits_sha256 or "", record.state_sha256 or "")
    return dict(zip(_FACTS, found, strict=True))


def _columns(record: Record) -> list[str]:
    return [*(f"{RECALL_PREFIX}{name}" for name in record.classes), "overall", "mean"]


def _rounded(values: Iterable[Any], digits: int = 2) -> list[float | None]:
    return [None if math.isnan(v) else round(float(v), digits) for v in values]


def _facts(record: Record) -> tuple[tuple[str, str], ...]:
    """Return the facts of a record's provenance that other cells may share."""
    cell = record.cell
    known = {
        "dataset": f"{cell.dataset} ({cell.fingerprint})",
        "training images of each class": " ".join(map(str, cell.class_counts)),
        "training set": f"split seed {cell.split_seed} ({cell.split_hash})",
        "initial weights": cell.weights,
        "precision": cell.precision,
        "method's version": cell.method_version,
    }
    if len(processes(record)) > 1:
        known["trained in parts"] = "; ".join(map(_part, processes(record)))
    rest = {k: v for k, v in record.provenance.items() if k not in _OF_A_CELL}
    return tuple(_lines({**known, **rest}))


def _part(facts: Mapping[str, Any]) -> str:
    return f"after {count(facts.get('after_epochs', 0), 'epoch')} {code(facts)} on {machine(facts)}"


def _lines(facts: Plain) -> list[tuple[str, str]]:
    return [(_named(key), _text(value)) for key, value in facts.items()]


def _named(key: str) -> str:
    return _NAMES.get(key, key.replace("_", " "))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items())
    return " ".join(map(_text, value)) if isinstance(value, list | tuple) else str(value)


def _by_record(verdicts: Sequence[tuple[AnyClaim, Verdict]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, (_, verdict) in enumerate(verdicts):
        for identity in verdict.records:
            found.setdefault(identity, []).append(place)
    return found


def _verdict(claim: AnyClaim, verdict: Verdict) -> list[str]:
    of = f"{verdict.title} at factor {verdict.factor}" if verdict.title else verdict.factor
    return [wording(claim), of, verdict.shown, verdict.reason]
