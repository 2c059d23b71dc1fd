"""A record as a file: JSON that a person can read, checked when it is read."""

from __future__ import annotations

import errno
import gc
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from benchmark.store.migrate import UNCHANGED, to_present
from benchmark.store.record import SCHEMA_VERSION, Record

RECORD = "record.json"
LARGEST_RECORD = 64 << 20
"""Bytes; a record of a thousand epochs takes a tenth of it."""

_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO}
"""What systems say where no file is to be read, whoever tries; all else may pass."""

_HASH = "body_sha256"
_HEAD = re.compile(
    rb'\{\n "schema_version": %d,\n "%s": "([0-9a-f]{64})",\n' % (SCHEMA_VERSION, _HASH.encode())
)


_UNCHANGED_HEADS = tuple(b'{\n "schema_version": %d,\n' % version for version in UNCHANGED)
_PRESENT_HEAD = b'{\n "schema_version": %d,\n' % SCHEMA_VERSION


@dataclass(frozen=True)
class Damaged:
    """The folder of a cell whose record or logits cannot be trusted.

    Attributes:
        folder: of the cell.
        reason: what is wrong with which file.
        unread: whether the system failed to read what is there, so that it may be whole: a disk, a
            network or rights are at fault.
    """

    folder: Path
    reason: str
    unread: bool = False

    @property
    def state(self) -> str:
        """Return what is wrong in two words."""
        return "cannot be read" if self.unread else "damaged"

    @classmethod
    def by_system(cls, folder: Path, error: OSError, name: str = "") -> Damaged:
        """Name what the system said of a file, which it names itself where it was opened."""
        where = name or (Path(error.filename).name if error.filename else folder.name)
        return cls(
            folder, f"{where}: {error.strerror or error}", unread=error.errno not in _NO_FILE
        )


def to_json(record: Record) -> str:
    """Return the record as JSON that a person can read and a diff can show.

    ``body_sha256``, its second entry, is the SHA-256 of the same text without that entry.

    Raises:
        ValueError: the record holds what JSON cannot carry.
    """
    return sealed(unsealed(record))


def unsealed(record: Record) -> str:
    """Return the record's JSON without its hash."""
    return _canonical(record.model_dump(mode="json"))


def sealed(body: str) -> str:
    """Return a record's JSON with the hash of its text put in.

    Args:
        body: as :func:`to_json` sets it out, but without a hash.
    """
    head = _PRESENT_HEAD.decode()
    return f'{head} "{_HASH}": "{_digest(body.encode())}",\n{body.removeprefix(head)}'


def read_file(path: Path, largest: int) -> bytes:
    """Return what a file holds.

    Args:
        path: of the file.
        largest: bytes that it may have.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger, or no file: a pipe would never end.
    """
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path.name}: not a regular file")
        if found.st_size > largest:
            raise ValueError(f"{path.name}: larger than {largest >> 20} MiB")
        return file.read(found.st_size)  # no more: a buffer of that length is made


def parse_record(content: bytes) -> Record:
    """Read a record from JSON, of any schema that this version knows.

    Raises:
        ValueError: it is none, it disagrees with itself, or a hash does not fit what it says.
    """
    if len(content) > LARGEST_RECORD:
        raise ValueError(f"larger than {LARGEST_RECORD >> 20} MiB")
    try:
        record = Record.model_validate_json(_body(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{where}: {first['msg']}") from error
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if record.cell.id != record.id:
        raise ValueError("its id does not fit its content")
    return record


def _body(content: bytes) -> bytes:
    """Return a record's JSON in the present schema without its hash, which is checked."""
    # As records are written, nothing has to be read for this.
    head = _HEAD.match(content)
    if head is not None:
        body = _PRESENT_HEAD + content[head.end() :]
        if _digest(body) == head[1].decode():
            return body
    for old in _UNCHANGED_HEADS:
        if content.startswith(old):
            return _PRESENT_HEAD + content[len(old) :]
    raw = json.loads(content, parse_constant=_refuse)
    if not isinstance(raw, dict):
        raise ValueError("not a JSON object")
    if raw.get("schema_version") == SCHEMA_VERSION:
        expected = raw.pop(_HASH, None)
        # Set out anew, since what only looks otherwise is no damage.
        if expected != _digest(_canonical(raw).encode()):
            raise ValueError(f"its {_HASH} does not fit its content")
    return json.dumps(to_present(raw)).encode()


def _canonical(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=1, allow_nan=False) + "\n"


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


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
