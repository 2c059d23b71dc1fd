"""Refresh stored results with new ones, with a reason that is kept beside them."""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import environment
from benchmark.errors import InputError
from benchmark.stats.accuracy import mean_accuracy, overall_accuracy
from benchmark.store.attention_file import KeptAttention
from benchmark.store.difference import differences
from benchmark.store.faults import attention_refusal, writing
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.ledger import without_tries
from benchmark.store.logits_file import pack
from benchmark.store.outdated import add_outdated, of_records
from benchmark.store.record import Record
from benchmark.store.store import Store
from benchmark.words import short

LOG = "updates.jsonl"
"""Beside the stored cells: a line for each cell that changed, in the order of time."""

_ASIDE = ".replaced-"
_GONE = ".gone-"


@dataclass(frozen=True)
class Refreshed:
    """What a refresh changed, as slugs of cells.

    Attributes:
        added: cells of which nothing was stored.
        replaced: cells in whose place something was stored.
        removed: what stood there, where it had another slug.
        kept: cells that were stored as they are.
        weightless: cells in whose place something with kept weights was stored, and that have none.
        differs: for cells in whose place another experiment was stored, what differs, in a line.
    """

    added: tuple[str, ...]
    replaced: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    weightless: tuple[str, ...]
    differs: tuple[str, ...]


def refresh(source: Store, target: Store, reason: str) -> Refreshed:
    """Put every record of one store into another, where it takes the place of its square's.

    A square is method, dataset, factor, seed, precision and the protocol's name. A record that is
    stored as it is stays. Each cell is changed whole or not at all, and logged when it is: the same
    call again goes on where one was interrupted. What its attention maps say comes along, and so do
    the marks of its dataset's images and why its method's version is an older one, where the target
    lacks them. Final weights come along where those of what stood there were kept.

    Args:
        source: the new results.
        target: the stored ones.
        reason: why, for who reads the log.

    Raises:
        InputError: a record or what lies beside it is damaged, or a square is filled twice, so that
            nobody can say which is meant; nothing was changed.
        StorageError: the target cannot be written to.
    """
    target.prepare()
    _bring_back(target)
    new = without_tries(source.records(), source.root)
    before = without_tries(target.records(), target.root)
    for store, records in ((source, new), (target, before)):
        for damaged in KeptAttention(store).damaged(records):
            raise attention_refusal(damaged)
        for fingerprint in {record.cell.fingerprint for record in records}:
            KeptMarks(store.root).get(fingerprint)
    stored = _squares(before)
    for square, records in _squares(new).items():
        others = [old for old in stored[square] if old.id not in {r.id for r in records}]
        if len(records) > 1 or len(others) > 1:
            where = source if len(records) > 1 else target
            raise InputError(
                f"{where.root} holds several results of {records[0].cell.slug.rpartition('-')[0]} "
                "(hyper-parameters, versions or protocols differ); leave one of them"
            )
    add_outdated(target.root, of_records(source.root, new))
    added: list[str] = []
    replaced: list[str] = []
    removed: list[str] = []
    kept: list[str] = []
    weightless: list[str] = []
    differs: list[str] = []
    for record in new:
        _bring_marks(source, target, record.cell.fingerprint)
        slug, old = record.cell.slug, stored[_square(record)]
        if len(old) == 1 and _same(record, old[0]):
            if record.weights_sha256 == old[0].weights_sha256:
                _bring_attention(source, target, record)
            kept.append(slug)
            continue
        weighty = any(target.has_weights(one) for one in old)
        if weighty and not source.has_weights(record):
            weightless.append(slug)
        with _swapped(source, target, record, old, weights=weighty):
            _log(target, reason, record, [one for one in old if not _same(record, one)])
        _bring_attention(source, target, record)
        (replaced if old else added).append(slug)
        differs += [
            f"{slug}: {'; '.join(found)}" for one in old if (found := _differs(record, one))
        ]
        removed += [o.cell.slug for o in old if o.cell.slug != slug]
    return Refreshed(
        tuple(added),
        tuple(replaced),
        tuple(removed),
        tuple(kept),
        tuple(weightless),
        tuple(differs),
    )


def _squares(records: Sequence[Record]) -> dict[tuple[Any, ...], list[Record]]:
    found: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in records:
        found[_square(record)].append(record)
    return found


def _square(record: Record) -> tuple[Any, ...]:
    cell = record.cell
    name = cell.protocol.name
    return cell.dataset, name, cell.method, cell.factor, cell.seed, cell.precision


def _same(record: Record, old: Record) -> bool:
    """Whether a record is stored as it is: the same cell with the same answers."""
    return (
        record.id == old.id
        and record.logits_sha256 is not None
        and record.logits_sha256 == old.logits_sha256
        and record.validation_sha256 == old.validation_sha256
        and [e.test for e in record.history] == [e.test for e in old.history]
    )


@contextmanager
def _swapped(
    source: Store, target: Store, record: Record, old: Sequence[Record], *, weights: bool
) -> Iterator[None]:
    """Put a record in place, and take the old ones away after the block; one is there at any time.

    What has the new one's own folder must leave first. It is moved back if the new one does not
    arrive or the block fails, now or, after a kill, by the next refresh.
    """
    with writing(target.root):
        aside = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=target.root))
    logits, validation = source.packed_logits(record), source.packed_validation(record)
    final = source.weights(record) if weights and source.has_weights(record) else None
    own = target.cells / record.cell.slug
    try:
        if own.exists():
            with writing(target.root):
                own.rename(aside / own.name)
        target.put(record, logits, final, validation=validation)
        yield
    except BaseException:
        _put_back(aside, target)
        raise
    with writing(target.root):
        _discard(aside)
        for gone in old:
            if gone.cell.slug != own.name:
                shutil.rmtree(target.cells / gone.cell.slug)


def _put_back(aside: Path, target: Store) -> None:
    """Undo a swap that was not logged: what stood there stands there again."""
    for folder in aside.iterdir():
        place = target.cells / folder.name
        if place.exists():
            _discard(place.rename(aside.with_name(f"{_GONE}{uuid.uuid4().hex}")))
        folder.rename(place)
    aside.rmdir()


def _discard(folder: Path) -> None:
    """Remove a folder of which nothing is wanted; after a kill its name says so of what is left."""
    if not folder.name.startswith(_GONE):
        folder = folder.rename(folder.with_name(f"{_GONE}{uuid.uuid4().hex}"))
    shutil.rmtree(folder, ignore_errors=True)


def _bring_back(target: Store) -> None:
    """Undo a swap that was killed, and remove what one that ended well left."""
    with writing(target.root):
        for folder in sorted(target.root.glob(f"{_ASIDE}*")):
            _put_back(folder, target)
        for folder in target.root.glob(f"{_GONE}*"):
            shutil.rmtree(folder, ignore_errors=True)


def _bring_marks(source: Store, target: Store, fingerprint: str) -> None:
    marks = KeptMarks(target.root)
    found = KeptMarks(source.root).get(fingerprint)
    if found is not None and marks.get(fingerprint) is None:
        marks.put(fingerprint, pack(found.arrays()))


def _bring_attention(source: Store, target: Store, record: Record) -> None:
    there = KeptAttention(target)
    measures = KeptAttention(source).content(record)
    if measures is not None and there.content(record) is None:
        there.put(record, measures)


def _log(target: Store, reason: str, record: Record, old: Sequence[Record]) -> None:
    entry = {
        "when": environment.now(),
        "reason": reason,
        "cell": record.cell.slug,
        "now": _facts(record),
        "before": [{**_facts(one), "differs": _differs(record, one)} for one in old],
    }
    path = target.root / LOG
    with writing(target.root):
        torn = path.exists() and not path.read_bytes().endswith(b"\n")
        with path.open("a", encoding="utf-8") as file:
            file.write(("\n" if torn else "") + json.dumps(entry) + "\n")


def _differs(record: Record, old: Record) -> list[str]:
    return differences(old.cell, record.cell, ("before", "now"))


def _facts(record: Record) -> Mapping[str, Any]:
    last = record.history[-1].test
    return {
        "id": short(record.id),
        "overall": round(100 * overall_accuracy(last), 2),
        "mean": round(100 * mean_accuracy(last), 2),
        "code": record.provenance.get("revision", ""),
    }
