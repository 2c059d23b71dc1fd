"""Finished cells as one file, to carry them from one store to another.

A zip archive with ``<slug>/record.json``, ``<slug>/logits.npz``, ``<slug>/validation.npz`` and
``<slug>/attention.npz`` where there are such and, where they are asked for,
``<slug>/weights.safetensors``; and
``datasets/<fingerprint>.npz``, the marks of the cells' datasets; ``tuning/<key>.json``, which
says which of the cells were tried to choose values; and ``outdated.toml``, which says which of
them an older version of their method left. What is read from one is checked as in a store, and
nothing is ever unpacked by the names that stand in it.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from benchmark.damage import ARCHIVE_ERRORS
from benchmark.errors import InputError
from benchmark.store import outdated
from benchmark.store.attention_file import KeptAttention, read_measures
from benchmark.store.cell_folder import ATTENTION, LARGEST_WEIGHTS, WEIGHTS
from benchmark.store.kept_marks import KeptMarks, unpack
from benchmark.store.ledger import (
    Ledger,
    check_search,
    from_bytes,
    ids_of_tries,
    keep_ledger,
    ledgers,
    read_ledger,
    to_bytes,
)
from benchmark.store.logits_file import LABEL, LARGEST_FILE, LOGITS, VALIDATION, pack, read_arrays
from benchmark.store.record import Record
from benchmark.store.record_file import LARGEST_RECORD, RECORD, parse_record, to_json
from benchmark.store.store import Store
from benchmark.store.whole import check_whole
from benchmark.words import short
from benchmark.write import drafted

MARKS = "datasets/"
TRIES = "tuning/"
_FILES = (RECORD, LOGITS, VALIDATION, WEIGHTS, ATTENTION)


@dataclass(frozen=True)
class Arrival:
    """What an import came to: slugs of cells.

    Attributes:
        added: those that are new.
        kept: those that were there.
        weights: those whose weights are new, whether their records were there or not.
        searches: keys of ledgers of tries that came with them.
        taken: results of this store that these ledgers say were tries.
    """

    added: list[str]
    kept: list[str]
    weights: list[str]
    searches: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)


def export_cells(
    store: Store, records: Sequence[Record], path: Path, *, weights: bool = False
) -> list[str]:
    """Write cells of a store into one file, whole or not at all.

    Args:
        store: where they are.
        records: of the cells.
        path: of the file.
        weights: whether final weights that were kept travel too.

    Returns:
        The slugs of cells whose weights travel.

    Raises:
        InputError: a cell's logits or weights are damaged, or the file cannot be written.
    """
    taken = [record for record in records if weights and store.has_weights(record)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with drafted(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for record in records:
                slug = record.cell.slug
                archive.writestr(_member(f"{slug}/{LOGITS}"), store.packed_logits(record))
                if (validation := store.packed_validation(record)) is not None:
                    archive.writestr(_member(f"{slug}/{VALIDATION}"), validation)
                if (measures := KeptAttention(store).content(record)) is not None:
                    archive.writestr(_member(f"{slug}/{ATTENTION}"), measures)
                archive.writestr(_member(f"{slug}/{RECORD}"), to_json(record))
            for fingerprint in sorted({record.cell.fingerprint for record in records}):
                if (marks := KeptMarks(store.root).get(fingerprint)) is not None:
                    named = _member(f"{MARKS}{fingerprint}.npz")
                    archive.writestr(named, pack(marks.arrays()))
            ids = {record.id for record in records}
            for ledger in ledgers(store.root):
                if ledger.cells & ids:
                    archive.writestr(_member(f"{TRIES}{ledger.key}.json"), to_bytes(ledger))
            if old := outdated.of_records(store.root, records):
                archive.writestr(_member(outdated.FILE), outdated.to_bytes(old))
            for record in taken:
                member = _member(f"{record.cell.slug}/{WEIGHTS}", zipfile.ZIP_STORED)
                archive.writestr(member, store.weights(record))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return [record.cell.slug for record in taken]


def import_cells(store: Store, path: Path) -> Arrival:
    """Put the cells of a file into a store, both checked as a whole before the first is added.

    A cell that the store holds already stays as it is; weights that it names and lacks are added,
    and so is what their attention maps say.

    Raises:
        InputError: the file is none of ours, or a cell in it or in the store is damaged.
        StorageError: the store cannot be written to.
    """
    before = store.records() if store.root.is_dir() else []
    tries = ids_of_tries(store.root)
    outdated.read_outdated(store.root)
    try:
        if not path.is_file():  # opening a pipe that nobody writes to would wait for ever
            raise InputError(f"{path}: no regular file; name one that 'results export' wrote")
        with zipfile.ZipFile(path) as archive:
            names = _record_names(archive, path)
            for name in names:  # and again below: not all of them need fit into memory at once
                _read(archive, name, path)
            marks = {name: _marks(archive, name, path) for name in _marks_names(archive)}
            searches = [_ledger(archive, name, path) for name in _ledger_names(archive)]
            for ledger in searches:
                check_search(store.root, ledger, read_ledger(store.root, ledger.key))
            old = _outdated(archive, path)
            taken = {cell for ledger in searches for cell in ledger.cells} - tries
            if searches or old:  # before the cells, which must never pass for what they are not
                store.prepare()
            for ledger in searches:
                keep_ledger(store.root, ledger, foreign=True)
            outdated.add_outdated(store.root, old)
            arrival = _add(store, (_read(archive, name, path) for name in names))
        kept = KeptMarks(store.root)
        for fingerprint, content in marks.items():
            if kept.get(fingerprint) is None:
                kept.put(fingerprint, content)
        return replace(
            arrival,
            searches=[ledger.key for ledger in searches],
            taken=[record.cell.slug for record in before if record.id in taken],
        )
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ARCHIVE_ERRORS as error:
        raise InputError(f"{path}: not a file of 'fer-bench results export' ({error})") from error


class _Found(NamedTuple):
    """A cell in a file: the record, and the bytes of the files beside it."""

    record: Record
    logits: bytes
    validation: bytes | None
    weights: bytes | None
    attention: bytes | None


def _add(store: Store, found: Iterable[_Found]) -> Arrival:
    arrival = Arrival([], [], [])
    attention = KeptAttention(store)
    for record, logits, validation, weights, measures in found:
        slug = record.cell.slug
        there = store.find(record.cell)
        if there is None:
            store.put(record, logits, weights, validation=validation)
        elif there.weights_sha256 != record.weights_sha256 or store.has_weights(there):
            weights = None  # of another training of the cell, or known
        elif weights is not None:
            store.add_weights(there, weights)
        same = there is None or there.weights_sha256 == record.weights_sha256
        if measures is not None and same and attention.get(there or record) is None:
            attention.put(record, measures)
        (arrival.added if there is None else arrival.kept).append(slug)
        if weights is not None:
            arrival.weights.append(slug)
    return arrival


def _member(name: str, how: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    """Name a member with a fixed date, so that the same cells give the same bytes."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = how
    return info


def _record_names(archive: zipfile.ZipFile, path: Path) -> list[str]:
    names = sorted(set(archive.namelist()))
    records = [name for name in names if name.endswith(f"/{RECORD}")]
    folders = {name.removesuffix(RECORD) for name in records}
    known = {folder + file for folder in folders for file in _FILES}
    known |= {*_marks_names(archive).values(), *_ledger_names(archive), outdated.FILE}
    strange = [name for name in names if name not in known]
    if strange or not records:
        what = f"it holds {strange[0]!r}" if strange else "it holds no record"
        raise InputError(f"{path}: not a file of 'fer-bench results export' ({what})")
    return records


def _marks_names(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the members that hold marks, by the fingerprint of their dataset."""
    named = re.compile(rf"{MARKS}([0-9a-f]{{64}})\.npz")
    found = (named.fullmatch(name) for name in archive.namelist())
    return {match[1]: match[0] for match in found if match}


def _marks(archive: zipfile.ZipFile, fingerprint: str, path: Path) -> bytes:
    """Return the content of marks that have been looked at."""
    try:
        content = _content(archive, f"{MARKS}{fingerprint}.npz", LARGEST_FILE)
        unpack(content)
    except ARCHIVE_ERRORS as error:
        what = f"the marks of dataset {short(fingerprint)} are damaged"
        raise InputError(f"{path}: {what} ({error}); nothing was imported") from error
    return content


def _outdated(archive: zipfile.ZipFile, path: Path) -> tuple[outdated.Outdated, ...]:
    """Return what a file says of versions of methods, which has been looked at."""
    if outdated.FILE not in archive.namelist():
        return ()
    try:
        return outdated.from_bytes(_content(archive, outdated.FILE, LARGEST_RECORD))
    except ARCHIVE_ERRORS as error:
        what = f"{outdated.FILE} is damaged"
        raise InputError(f"{path}: {what} ({error}); nothing was imported") from error


def _ledger_names(archive: zipfile.ZipFile) -> list[str]:
    """Return the members that hold ledgers of tries."""
    named = re.compile(rf"{TRIES}[A-Za-z0-9._-]{{1,200}}\.json")
    return [name for name in archive.namelist() if named.fullmatch(name)]


def _ledger(archive: zipfile.ZipFile, name: str, path: Path) -> Ledger:
    """Return a ledger that has been looked at."""
    try:
        found = from_bytes(_content(archive, name, LARGEST_RECORD))
        if name != f"{TRIES}{found.key}.json":
            raise ValueError("its name is not its key")
    except ARCHIVE_ERRORS as error:
        raise InputError(f"{path}: {name} is damaged ({error}); nothing was imported") from error
    return found


def _read(archive: zipfile.ZipFile, name: str, path: Path) -> _Found:
    folder, missing = name.removesuffix(f"/{RECORD}"), LOGITS
    try:
        record = parse_record(_content(archive, name, LARGEST_RECORD))
        if folder != record.cell.slug:
            raise ValueError("its name is not its cell's")
        content = _content(archive, f"{folder}/{LOGITS}", LARGEST_FILE)
        validation = None
        if record.validation_sha256 is not None:
            missing = VALIDATION
            validation = _content(archive, f"{folder}/{VALIDATION}", LARGEST_FILE)
        check_whole(record, content, validation)
        weights = _weights(archive, record)
        measures = _measures(archive, record, content)
    except KeyError as error:
        raise InputError(f"{path}: {folder} has no {missing}; nothing was imported") from error
    except ARCHIVE_ERRORS as error:
        raise InputError(f"{path}: {folder} is damaged ({error}); nothing was imported") from error
    return _Found(record, content, validation, weights, measures)


def _measures(archive: zipfile.ZipFile, record: Record, logits: bytes) -> bytes | None:
    name = f"{record.cell.slug}/{ATTENTION}"
    if name not in archive.namelist():
        return None
    content = _content(archive, name, LARGEST_FILE)
    try:
        read_measures(content, record, read_arrays(logits, [LABEL])[LABEL])
    except ValueError as error:
        raise ValueError(f"{ATTENTION}: {error}") from error
    return content


def _weights(archive: zipfile.ZipFile, record: Record) -> bytes | None:
    name = f"{record.cell.slug}/{WEIGHTS}"
    if name not in archive.namelist():
        return None
    weights = _content(archive, name, LARGEST_WEIGHTS)
    if hashlib.sha256(weights).hexdigest() != record.weights_sha256:
        raise ValueError(f"{WEIGHTS}: not the file of its record")
    return weights


def _content(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > largest:
        raise ValueError(f"{name.rpartition('/')[2]} is larger than {largest >> 20} MiB")
    return archive.read(info)
