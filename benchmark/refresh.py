"""Refresh stored results with new ones, with a reason that is kept beside them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import environment
from benchmark.metrics import mean_accuracy, overall_accuracy
from benchmark.record import Record
from benchmark.store import Store

LOG = "updates.jsonl"
"""Beside the stored cells: a line a refresh, in the order of time."""


@dataclass(frozen=True)
class Refreshed:
    """What a refresh changed: slugs of cells that are new, that took another's place, the same."""

    added: tuple[str, ...]
    replaced: tuple[str, ...]
    kept: tuple[str, ...]


def refresh(source: Store, target: Store, reason: str) -> Refreshed:
    """Put every record of one store into another, where it takes the place of its square's.

    A square is method, dataset, factor, seed and protocol's name. A record whose final weights are
    those already stored stays as it is. The reason is written first, so that nothing is ever
    replaced without one.

    Args:
        source: the new results.
        target: the stored ones.
        reason: why, for who reads the log.

    Raises:
        InputError: a record or its logits are damaged; nothing was changed.
        StorageError: the target cannot be written to.
    """
    new = [(record, source.packed_logits(record)) for record in source.records()]
    target.prepare()
    before: dict[Any, list[Record]] = {}
    for record in target.records():
        before.setdefault(_square(record), []).append(record)
    changes = [
        (record, content, before.get(_square(record), []))
        for record, content in new
        if not any(_same(record, old) for old in before.get(_square(record), []))
    ]
    if changes:
        _log(target, reason, [(record, old) for record, _, old in changes])
    for record, content, old in changes:
        _replace(target, record, content, old)
    changed = {record.cell.slug for record, _, _ in changes}
    return Refreshed(
        added=tuple(record.cell.slug for record, _, old in changes if not old),
        replaced=tuple(record.cell.slug for record, _, old in changes if old),
        kept=tuple(r.cell.slug for r, _ in new if r.cell.slug not in changed),
    )


def _square(record: Record) -> tuple[Any, ...]:
    cell = record.cell
    return cell.dataset, cell.protocol["name"], cell.method, cell.factor, cell.seed


def _same(record: Record, old: Record) -> bool:
    return record.id == old.id and record.state_sha256 == old.state_sha256


def _replace(target: Store, record: Record, content: bytes, old: Sequence[Record]) -> None:
    """Move the old cells away, put the new one in place, then forget the old."""
    with target.writing():
        aside = Path(tempfile.mkdtemp(prefix=".replaced-", dir=target.root))
        for gone in old:
            (target.cells / gone.cell.slug).rename(aside / gone.cell.slug)
    target.put(record, content)
    shutil.rmtree(aside, ignore_errors=True)


def _log(target: Store, reason: str, changes: Sequence[tuple[Record, Sequence[Record]]]) -> None:
    entry = {
        "when": environment.now(),
        "reason": reason,
        "cells": [
            {"cell": record.cell.slug, "now": _facts(record), "before": [_facts(o) for o in old]}
            for record, old in changes
        ],
    }
    with target.writing(), (target.root / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def _facts(record: Record) -> Mapping[str, Any]:
    last = record.history[-1].test
    return {
        "id": record.id[:12],
        "overall": round(100 * overall_accuracy(last), 2),
        "mean": round(100 * mean_accuracy(last), 2),
        "code": record.provenance.get("revision", ""),
    }
