"""Records that an older version of their method left, kept on purpose, and why."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from benchmark.errors import InputError
from benchmark.protocols.protocol import Strict
from benchmark.protocols.toml_value import toml_value
from benchmark.store.faults import writing
from benchmark.store.record import Record
from benchmark.write import put_file

FILE = "outdated.toml"
"""Beside the cells of a store."""


class Outdated(Strict):
    """One version of a method whose records stay until they are trained again.

    Attributes:
        method: its name.
        version: of the method that left them.
        reason: what the method does otherwise since.
    """

    method: Annotated[str, Field(min_length=1)]
    version: Annotated[int, Field(ge=1)]
    reason: Annotated[str, Field(min_length=1)]


class _Content(Strict):
    outdated: tuple[Outdated, ...]


def of_records(root: Path, records: Iterable[Record]) -> tuple[Outdated, ...]:
    """Return what a store says of some of its records.

    Raises:
        InputError: the file cannot be read.
    """
    versions = {(record.cell.method, record.cell.method_version) for record in records}
    return tuple(one for one in read_outdated(root) if (one.method, one.version) in versions)


def add_outdated(root: Path, more: Iterable[Outdated]) -> None:
    """Add to what a store says; of a version that it speaks of already its own words stay.

    Raises:
        InputError: the store's file cannot be read.
        StorageError: it cannot be written.
    """
    known = {(one.method, one.version) for one in read_outdated(root)}
    new = [one for one in more if (one.method, one.version) not in known]
    if new:
        path = root / FILE
        with writing(root):
            before = path.read_bytes() + b"\n" if path.exists() else b""
            put_file(path, before + to_bytes(new))


def to_bytes(outdated: Iterable[Outdated]) -> bytes:
    """Return the content of a file that says so."""
    lines = []
    for one in outdated:
        values = one.model_dump().items()
        lines.append("[[outdated]]\n" + "".join(f"{k} = {toml_value(v)}\n" for k, v in values))
    return "\n".join(lines).encode()


def read_outdated(root: Path) -> tuple[Outdated, ...]:
    """Return what a store says of its outdated records; nothing where it has no such file.

    Raises:
        InputError: the file cannot be read.
    """
    path = root / FILE
    try:
        return from_bytes(path.read_bytes())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def from_bytes(content: bytes) -> tuple[Outdated, ...]:
    """Return what a file says.

    Raises:
        ValueError: it is none; the message says where.
    """
    try:
        return _Content.model_validate(tomllib.loads(content.decode("utf-8"))).outdated
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:  # no UTF-8, or no TOML
        raise ValueError(f"not valid TOML ({error})") from error
