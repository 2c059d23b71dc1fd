"""The folder of one finished cell: its files written, and read back held against each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from benchmark.store.logits_file import LARGEST_FILE, LOGITS, VALIDATION
from benchmark.store.model_card import model_card
from benchmark.store.passed import Passed
from benchmark.store.record import Record
from benchmark.store.record_file import (
    LARGEST_RECORD,
    RECORD,
    Damaged,
    parse_record,
    read_file,
    to_json,
)
from benchmark.store.whole import check_whole
from benchmark.write import put_file, write_file

WEIGHTS = "weights.safetensors"
ATTENTION = "attention.npz"
CARD = "model-card.md"
LARGEST_WEIGHTS = 1 << 36
"""Bytes; what is larger is none of ours."""


def digest(content: bytes | None) -> str | None:
    """Return the SHA-256 of a file's bytes, None of no file."""
    return None if content is None else hashlib.sha256(content).hexdigest()


def read_whole(folder: Path, passed: Passed | None = None) -> Record:
    """Read a cell's record, its logits held against it unless the same bytes passed before.

    Raises:
        OSError: a file cannot be read.
        ValueError: the cell is damaged.
    """
    content = read_file(folder / RECORD, LARGEST_RECORD)
    record = parse_record(content)
    files = [read_file(folder / LOGITS, LARGEST_FILE)]
    if record.validation_sha256 is not None:
        files.append(read_file(folder / VALIDATION, LARGEST_FILE))
    if passed is None:
        check_whole(record, *files)
    else:
        passed.once([content, *files], lambda: check_whole(record, *files))
    return record


def write_whole(
    folder: Path, record: Record, logits: Mapping[str, bytes | None], weights: bytes | None
) -> None:
    """Write all files and read them back: a cell that no one can read must not take its place.

    Args:
        folder: empty.
        record: of the cell.
        logits: the content of files by name; None for a file that there is none of.
        weights: the file of the final weights, where they are kept.

    Raises:
        OSError: the store cannot be written to.
        ValueError: they are not whole.
    """
    for name, content in logits.items():
        if content is not None:
            write_file(folder / name, content)
    write_file(folder / RECORD, to_json(record).encode())
    if read_whole(folder) != record:
        raise ValueError("it reads as another record")
    if weights is not None:
        write_weights(folder, record, weights)


def write_weights(folder: Path, record: Record, content: bytes) -> None:
    """Write weights and their card.

    Raises:
        OSError: the store cannot be written to.
        ValueError: they are not those of the record.
    """
    if digest(content) != record.weights_sha256:
        raise ValueError(f"{WEIGHTS}: not the file of its record")
    put_file(folder / CARD, model_card(record).encode())
    put_file(folder / WEIGHTS, content)


def read_weights(folder: Path, record: Record) -> bytes | Damaged:
    """Return the file of a record's final weights if it is what the record names."""
    path = folder / WEIGHTS
    try:
        content = read_file(path, LARGEST_WEIGHTS)
        if digest(content) != record.weights_sha256:
            raise ValueError(f"{WEIGHTS}: not the file of its record")
    except OSError as error:
        return Damaged.by_system(path, error, WEIGHTS)
    except ValueError as error:
        return Damaged(path, str(error))
    return content


def exchange(draft: Path, target: Path, aside: Path) -> None:
    """Put a folder in the place of another one, which goes back there if that fails."""
    target.rename(aside)
    try:
        draft.rename(target)
    except BaseException:
        aside.rename(target)
        raise
