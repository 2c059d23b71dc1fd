"""What a store says of the tries in it: which values each had, why, and which cells they are.

Scores are not written down: they are read from the cells' own records whenever they are asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from benchmark.errors import InputError
from benchmark.protocols.protocol import Strict
from benchmark.store.faults import writing
from benchmark.store.record import Record
from benchmark.write import exclusive, put_file

FOLDER = "tuning"
"""Beside the cells of a store."""

_UNLOCKED = "of two searches that begin at once one may leave its tries out of the list: no locks"

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
    values: dict[str, int | float]
    departure: Annotated[float, Field(ge=0)]
    edge: float
    cells: tuple[str, ...]


class Searched(Strict):
    """The tries of one subject, the default first.

    Attributes:
        name: a method, or what all methods share.
        method: the method that was trained.
        spans: by dotted name.
        rate: the learning rate that was chosen before and all tries are made at; None where it was
            set, or is what is searched.
        tries: in their order.
    """

    name: Annotated[str, Field(min_length=1)]
    method: Annotated[str, Field(min_length=1)]
    spans: dict[str, Span]
    rate: float | None = None
    tries: tuple[Try, ...]

    @property
    def cells(self) -> set[str]:
        """The ids of all tries' runs."""
        return {cell for one in self.tries for cell in one.cells}


class Ledger(Strict):
    """All tries under one protocol on one training set.

    Attributes:
        dataset: its name.
        fingerprint: SHA-256 of its content.
        protocol: name of the protocol that values are chosen for.
        version: its version.
        shared: what was set over it and is not searched, for all methods.
        own: values of methods that were set and are not searched, likewise as ``key=value``.
        factors: imbalance factors in rising order, None, the unmodified set, first.
        seeds: of training, in rising order.
        budget: tries of each subject.
        without: methods that have no values to search.
        subjects: what was searched.
        aside: ids of cells that are neither tries nor results: first stages that were trained for
            tries, and runs of tries that others took the place of.
        diverged: ids of cells of tries that came to nothing; the store's folder ``failed``, which
            says so first, does not travel.
        key: tells this ledger from others.
    """

    dataset: Annotated[str, Field(min_length=1)]
    fingerprint: str
    protocol: str
    version: int
    shared: tuple[str, ...]
    own: tuple[str, ...] = ()
    factors: tuple[float | None, ...]
    seeds: tuple[int, ...]
    budget: Annotated[int, Field(ge=1)]
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,200}$")]
    without: tuple[str, ...] = ()
    subjects: tuple[Searched, ...] = ()
    aside: tuple[str, ...] = ()
    diverged: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _within_budget(self) -> Ledger:
        for one in self.subjects:
            if len(one.tries) > self.budget:
                raise ValueError(f"{one.name} has more tries than the budget of {self.budget}")
        return self

    @property
    def search(self) -> dict[str, Any]:
        """What was looked for, without what was tried so far."""
        found = self.model_dump(exclude={"subjects", "without", "aside", "diverged"})
        return found | {"own": sorted(self.own)}  # --set may be given in any order

    @property
    def cells(self) -> set[str]:
        """The ids of all cells that are no results: the tries' runs and those set aside."""
        return {*_cells_of(self.subjects), *self.aside}

    def with_subjects(self, subjects: Iterable[Searched]) -> Ledger:
        """Return the ledger with subjects in place of what it said of them.

        Of two lists of which one begins with the other the longer one stays: a first round that is
        planned again takes no later try away. The runs of a list that another takes the place of
        are set aside: they become no results by it.
        """
        known = {one.name: one for one in self.subjects}
        for subject in subjects:
            before = known.get(subject.name)
            longer = before is not None and before.tries[: len(subject.tries)] == subject.tries
            known[subject.name] = (
                before.model_copy(update={"rate": subject.rate}) if before and longer else subject
            )
        kept = tuple(known.values())
        gone = _cells_of(self.subjects) - _cells_of(kept)
        return self.model_copy(update={"subjects": kept, "aside": _union(self.aside, sorted(gone))})

    def with_aside(self, cells: Iterable[str]) -> Ledger:
        """Return the ledger with more cells that are no results."""
        return self.model_copy(update={"aside": _union(self.aside, cells)})

    def with_diverged(self, cells: Iterable[str]) -> Ledger:
        """Return the ledger with more cells of tries that came to nothing."""
        return self.model_copy(update={"diverged": _union(self.diverged, cells)})

    def merged(self, other: Ledger) -> Ledger:
        """Return what this ledger and another one of the same search say together.

        Where they say different things of a subject, the other one counts.
        """
        both = self.with_subjects(other.subjects).with_aside(other.aside)
        both = both.with_diverged(other.diverged)
        return both.model_copy(update={"without": _union(self.without, other.without)})


def _cells_of(subjects: Iterable[Searched]) -> set[str]:
    return {cell for one in subjects for cell in one.cells}


def _union(some: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*some, *others)))


def make_key(dataset: str, protocol: str, version: int, *what: object) -> str:
    """Return a name for a ledger: dataset and protocol, and a hash of all that tells it apart."""
    text = json.dumps([dataset, protocol, version, *what], default=str, sort_keys=True)
    return f"{protocol}-v{version}-{dataset}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def ledger_file(root: Path, key: str) -> Path:
    """Return where a store keeps a ledger."""
    return root / FOLDER / f"{key}.json"


def keep_ledger(root: Path, ledger: Ledger, *, foreign: bool = False) -> Ledger:
    """Add to a store what a ledger says, and return all that the store's says then.

    Several processes may search side by side: each reads what is there before it writes, while the
    others wait.

    Args:
        root: of the store.
        ledger: what to add.
        foreign: whether it comes from elsewhere, so that the store's own lists go before.

    Raises:
        InputError: the store's own cannot be read, or is of another search.
        StorageError: the store cannot be written to.
    """
    path = ledger_file(root, ledger.key)
    with writing(root):
        path.parent.mkdir(exist_ok=True)
        with one_at_a_time(root):
            found = read_ledger(root, ledger.key)
            check_search(root, ledger, found)
            first, last = (ledger, found) if foreign else (found, ledger)
            kept = first.merged(last) if first and last else ledger
            if kept != found:
                put_file(path, to_bytes(kept))
    return kept


def check_search(root: Path, ledger: Ledger, found: Ledger | None) -> None:
    """Refuse a store's ledger of the same key that is of another search: one was changed by hand.

    Raises:
        InputError: it is.
    """
    if found is not None and found.search != ledger.search:
        raise InputError(
            f"{ledger_file(root, ledger.key)}: says that it is of another search; move it away and "
            "give the same command again: no finished try is lost"
        )


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


def one_at_a_time(root: Path) -> AbstractContextManager[None]:
    """Keep other processes from a store's lists of tries, and what follows from them, meanwhile."""
    return exclusive(root / FOLDER, _UNLOCKED)


def without_tries(records: Iterable[Record], root: Path) -> list[Record]:
    """Return the records of a store that are not of cells tried to choose values.

    Values were chosen by the seeds of tries, so that these are no results.

    Raises:
        InputError: a ledger cannot be read.
    """
    tries = ids_of_tries(root)
    return [record for record in records if record.id not in tries]


def ids_of_tries(root: Path) -> set[str]:
    """Return the ids of all cells of a store that its ledgers name.

    Raises:
        InputError: a ledger cannot be read.
    """
    return {cell for ledger in ledgers(root) for cell in ledger.cells}


def to_bytes(ledger: Ledger) -> bytes:
    """Return the content of a ledger's file."""
    return f"{ledger.model_dump_json(indent=1, exclude=_unsaid(ledger))}\n".encode()


def _unsaid(ledger: Ledger) -> set[str]:
    """Return what a file leaves out: lists of before know no field of what diverged."""
    return set() if ledger.diverged else {"diverged"}


def from_bytes(content: bytes) -> Ledger:
    """Return the ledger that a file holds.

    Raises:
        ValueError: it holds none; the message says where.
    """
    try:
        return Ledger.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error


def _read(path: Path) -> Ledger:
    again = "move it away and give the same 'fer-bench tune' again: no finished try is lost"
    try:
        return from_bytes(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}; {again}") from error
