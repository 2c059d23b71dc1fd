"""A record as a file: JSON that a person can read, checked when it is read."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from benchmark.migrate import to_present
from benchmark.record import SCHEMA_VERSION, Record

RECORD = "record.json"
_PRESENT = f'"schema_version": {SCHEMA_VERSION},'.encode()


@dataclass(frozen=True)
class Damaged:
    """The folder of a cell whose record or logits cannot be trusted."""

    folder: Path
    reason: str


def to_json(record: Record) -> str:
    """Return the record as JSON that a person can read and a diff can show."""
    text = json.dumps(record.model_dump(mode="json"), indent=1, allow_nan=False)
    return text + "\n"


def read_record(folder: Path) -> Record | Damaged:
    """Read a finished cell's record, of any schema that this version knows."""
    try:
        content = (folder / RECORD).read_bytes()
        record = parse_record(content)
    except OSError as error:
        return Damaged(folder, f"{RECORD}: {error.strerror or error}")
    except ValueError as error:
        return Damaged(folder, str(error))
    if folder.name != record.cell.slug:
        return Damaged(folder, f"the folder's name is not its cell's, {record.cell.slug}")
    return record


def parse_record(content: bytes) -> Record:
    """Read a record from JSON, of any schema that this version knows.

    Raises:
        ValueError: it is none, or its id does not fit what it says.
    """
    try:
        if _PRESENT in content[:64]:  # the usual case, in one go
            record = Record.model_validate_json(content)
        else:
            raw = json.loads(content)
            if not isinstance(raw, dict):
                raise ValueError("not a JSON object")
            record = Record.model_validate_json(json.dumps(to_present(raw)))
        record.cell.protocol_spec()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{where}: {first['msg']}") from error
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if record.cell.id != record.id:
        raise ValueError("its id does not fit its content")
    return record


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector from going over thousands of records while they are read.

    It would find nothing, and takes two thirds of the time for 10,000 of them.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
