"""Finished cells as one file, to carry them from one store to another.

A zip archive with ``<slug>/record.json`` and ``<slug>/logits.npz``. What is read from one is
checked as in a store, and nothing is ever unpacked by the names that stand in it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.damage import ARCHIVE_ERRORS
from benchmark.errors import InputError
from benchmark.logits_file import LARGEST_FILE, LOGITS
from benchmark.record import Record
from benchmark.record_file import LARGEST_RECORD, RECORD, parse_record, to_json
from benchmark.store import Store
from benchmark.whole import check_whole
from benchmark.write import put_file

_FILES = (RECORD, LOGITS)


@dataclass(frozen=True)
class Arrival:
    """What an import came to: slugs of cells that are new, and of those that were there."""

    added: list[str]
    kept: list[str]


def export_cells(store: Store, records: Sequence[Record], path: Path) -> None:
    """Write cells of a store into one file, whole or not at all.

    Raises:
        InputError: a cell's logits are damaged, or the file cannot be written.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            slug = record.cell.slug
            archive.writestr(_member(f"{slug}/{LOGITS}"), store.packed_logits(record))
            archive.writestr(_member(f"{slug}/{RECORD}"), to_json(record))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put_file(path, packed.getbuffer())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def import_cells(store: Store, path: Path) -> Arrival:
    """Put the cells of a file into a store, both checked as a whole before the first is added.

    A cell that the store holds already stays as it is.

    Raises:
        InputError: the file is none of ours, or a cell in it or in the store is damaged.
        StorageError: the store cannot be written to.
    """
    if store.root.is_dir():
        store.records()
    try:
        with zipfile.ZipFile(path) as archive:
            names = _record_names(archive, path)
            for name in names:  # and again below: not all of them need fit into memory at once
                _read(archive, name, path)
            return _add(store, (_read(archive, name, path) for name in names))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ARCHIVE_ERRORS as error:
        raise InputError(f"{path}: not a file of 'fer-bench results export' ({error})") from error


def _add(store: Store, found: Iterable[tuple[Record, bytes]]) -> Arrival:
    arrival = Arrival([], [])
    for record, content in found:
        there = store.has(record.cell)
        if not there:
            store.put(record, content)
        (arrival.kept if there else arrival.added).append(record.cell.slug)
    return arrival


def _member(name: str) -> zipfile.ZipInfo:
    """Name a member with a fixed date, so that the same cells give the same bytes."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _record_names(archive: zipfile.ZipFile, path: Path) -> list[str]:
    names = sorted(set(archive.namelist()))
    records = [name for name in names if name.endswith(f"/{RECORD}")]
    folders = {name.removesuffix(RECORD) for name in records}
    known = {folder + file for folder in folders for file in _FILES}
    strange = [name for name in names if name not in known]
    if strange or not records:
        what = f"it holds {strange[0]!r}" if strange else "it holds no record"
        raise InputError(f"{path}: not a file of 'fer-bench results export' ({what})")
    return records


def _read(archive: zipfile.ZipFile, name: str, path: Path) -> tuple[Record, bytes]:
    folder = name.removesuffix(f"/{RECORD}")
    try:
        record = parse_record(_content(archive, name, LARGEST_RECORD))
        if folder != record.cell.slug:
            raise ValueError("its name is not its cell's")
        content = _content(archive, f"{folder}/{LOGITS}", LARGEST_FILE)
        check_whole(record, content)
    except KeyError as error:
        raise InputError(f"{path}: {folder} has no {LOGITS}; nothing was imported") from error
    except ARCHIVE_ERRORS as error:
        raise InputError(f"{path}: {folder} is damaged ({error}); nothing was imported") from error
    return record, content


def _content(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > largest:
        raise ValueError(f"{name.rpartition('/')[2]} is larger than {largest >> 20} MiB")
    return archive.read(info)
