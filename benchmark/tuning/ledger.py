"""What a store says of the tries in it: which values each had, why, and which cells they are.

Scores are not written down: they are read from the cells' own records whenever they are asked for.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from benchmark.errors import InputError
from benchmark.protocols.protocol import Strict
from benchmark.store.faults import writing
from benchmark.write import write_file

FOLDER = "tuning"
"""Beside the cells of a store."""

Why = Literal["default", "sobol", "beyond"]


class Span(Strict):
    """Where a value was looked for.

    Attributes:
        low: lower end of the range.
        high: upper end.
        words: the range and its scale.
    """

    low: float
    high: float
    words: str


class Try(Strict):
    """One try.

    Attributes:
        why: the declared default, a point of the Sobol sequence, or one beyond an edge.
        values: by dotted name.
        departure: how far they lie from the default, in shares of the ranges.
        edge: how far the nearest value lies from an end of its range, in shares of it.
        cells: ids of its runs.
    """

    why: Why
    values: dict[str, float]
    departure: Annotated[float, Field(ge=0)]
    edge: float
    cells: tuple[str, ...]


class Searched(Strict):
    """The tries of one subject, the default first.

    Attributes:
        name: a method, or what all methods share.
        method: the method that was trained.
        spans: by dotted name.
        tries: in their order.
    """

    name: Annotated[str, Field(min_length=1)]
    method: Annotated[str, Field(min_length=1)]
    spans: dict[str, Span]
    tries: tuple[Try, ...]


class Ledger(Strict):
    """All tries under one protocol on one training set.

    Attributes:
        dataset: its name.
        fingerprint: SHA-256 of its content.
        protocol: name of the protocol that values are chosen for.
        version: its version.
        shared: what was set over it and is not searched.
        factors: imbalance factors; None is the unmodified set.
        seeds: of training.
        budget: tries of each subject.
        without: methods that have no values to search.
        subjects: what was searched.
        key: tells this ledger from others.
    """

    dataset: Annotated[str, Field(min_length=1)]
    fingerprint: str
    protocol: str
    version: int
    shared: tuple[str, ...]
    factors: tuple[float | None, ...]
    seeds: tuple[int, ...]
    budget: Annotated[int, Field(ge=1)]
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,200}$")]
    without: tuple[str, ...] = ()
    subjects: tuple[Searched, ...] = ()

    def with_subject(self, subject: Searched) -> Ledger:
        """Return the ledger with a subject in place of what it said of it."""
        others = tuple(one for one in self.subjects if one.name != subject.name)
        before = [one.name for one in self.subjects]
        at = before.index(subject.name) if subject.name in before else len(others)
        return self.model_copy(update={"subjects": (*others[:at], subject, *others[at:])})


def make_key(dataset: str, protocol: str, version: int, *what: object) -> str:
    """Return a name for a ledger: dataset and protocol, and a hash of all that tells it apart."""
    text = json.dumps([dataset, protocol, version, *what], default=str, sort_keys=True)
    return f"{protocol}-v{version}-{dataset}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def ledger_file(root: Path, key: str) -> Path:
    """Return where a store keeps a ledger."""
    return root / FOLDER / f"{key}.json"


def write_ledger(root: Path, ledger: Ledger) -> None:
    """Keep a ledger in a store.

    Raises:
        StorageError: the store cannot be written to.
    """
    path = ledger_file(root, ledger.key)
    with writing(root):
        path.parent.mkdir(exist_ok=True)
        write_file(path, f"{ledger.model_dump_json(indent=1)}\n".encode())


def read_ledger(root: Path, key: str) -> Ledger | None:
    """Return a store's ledger; None where it has none of this key.

    Raises:
        InputError: it cannot be read.
    """
    path = ledger_file(root, key)
    return _read(path) if path.exists() else None


def ledgers(root: Path) -> list[Ledger]:
    """Return all ledgers of a store.

    Raises:
        InputError: one cannot be read.
    """
    return [_read(path) for path in sorted((root / FOLDER).glob("*.json"))]


def _read(path: Path) -> Ledger:
    again = "move it away and give the same 'fer-bench tune' again: no finished try is lost"
    try:
        return Ledger.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']}; {again}") from error
