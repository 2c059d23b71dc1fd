"""The store: a folder a finished cell, put in place by one rename.

<root>/cells/<slug>/record.json   the record; a folder without one was never finished
<root>/cells/<slug>/logits.npz    test logits of the selected epochs
<root>/cells/<slug>/validation.npz    validation logits of the same epochs, where there are any
<root>/cells/<slug>/weights.safetensors, model-card.md    the final weights, where they were kept
<root>/running/<slug>/            checkpoint and lease of a cell that is being trained
<root>/failed/<slug>/error.txt    the traceback of a cell that failed, beside what names the attempt
<root>/damaged/<slug>/            what was moved aside because it cannot be read
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchmark.errors import InputError, StorageError
from benchmark.store import lease
from benchmark.store.logits_file import LARGEST_FILE, LOGITS, VALIDATION, pack, read_arrays
from benchmark.store.model_card import model_card
from benchmark.store.passed import Passed
from benchmark.store.record import Cell, Record
from benchmark.store.record_file import (
    LARGEST_RECORD,
    RECORD,
    Damaged,
    no_collection,
    parse_record,
    read_file,
    to_json,
)
from benchmark.store.whole import check_whole
from benchmark.write import put_file, sync_folder, write_file

WEIGHTS = "weights.safetensors"
CARD = "model-card.md"
LARGEST_WEIGHTS = 1 << 36
"""Bytes; what is larger is none of ours."""

_ATTEMPT = "attempt"
_AGAIN = "again"
_REPLACED = ".replaced"
"""Where a finished cell waits while another takes its place."""


class Store:
    """Reads and writes the records below one folder.

    Whatever it gives out is whole: a record whose numbers its logits do not give is named as
    damaged by every method that reads.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._passed = Passed()

    @property
    def cells(self) -> Path:
        """Where finished cells are."""
        return self.root / "cells"

    def running(self, cell: Cell) -> Path:
        """Return the folder of an unfinished cell's checkpoint and lease."""
        return self.root / "running" / cell.slug

    def failed(self, cell: Cell) -> Path:
        """Return the folder of a failed cell's traceback."""
        return self.root / "failed" / cell.slug

    def prepare(self) -> None:
        """Make the folders; called once before anything is trained.

        Raises:
            InputError: the store cannot be written to.
        """
        try:
            self.cells.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise InputError(
                f"results folder {self.root} cannot be written to ({error.strerror}); "
                "choose another with --results"
            ) from error

    def require(self) -> None:
        """Make sure that there is a store, which may still be empty.

        Raises:
            InputError: there is none.
        """
        if not self.root.is_dir():
            raise InputError(
                f"no results in {self.root}; name the store with --results or fill it with "
                "'fer-bench run'"
            )

    def has(self, cell: Cell) -> bool:
        """Whether the cell is finished.

        Raises:
            InputError: its record is there but damaged.
            StorageError: the system cannot read it.
        """
        return self.find(cell) is not None

    def find(self, cell: Cell) -> Record | None:
        """Return the record of a finished cell, None of any other.

        Raises:
            InputError: it is there but damaged.
            StorageError: the system cannot read it.
        """
        folder = self.cells / cell.slug
        if not folder.exists():
            return None
        record = self._read(folder)
        if isinstance(record, Damaged):
            raise _refusal([record])
        return record if record.id == cell.id else None

    def missing(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells that are not finished, in their order.

        Raises:
            InputError: a record is damaged.
            StorageError: the system cannot read one.
        """
        found = [cell for cell in cells if not self.has(cell)]
        self._passed.keep()
        return found

    def take(self, cell: Cell) -> lease.Lease | None:
        """Take the lease of a cell, or None while another process trains it.

        Raises:
            StorageError: the store cannot be written to.
        """
        with self.writing():
            taken = lease.take(self.running(cell))
            replaced = self.running(cell) / _REPLACED
            if taken is not None and replaced.exists() and not (self.cells / cell.slug).exists():
                replaced.rename(self.cells / cell.slug)
        return taken

    def add(
        self,
        record: Record,
        logits: Mapping[str, NDArray[Any]],
        weights: bytes | None = None,
        *,
        validation: Mapping[str, NDArray[Any]] | None = None,
        replace: bool = False,
    ) -> Path:
        """Put a finished cell in place, whole or not at all; what is already there stays.

        Logits are kept in float16, half the room, where that changes no answer.

        Args:
            record: of the cell.
            logits: arrays by name, with the labels.
            weights: the file of the final weights, where they are kept.
            validation: the same of the validation images, where there are any.
            replace: put it in the place of a finished one; only the holder of its lease may.

        Raises:
            StorageError: the store cannot be written to, or what was written is not whole.
        """
        packed = None if validation is None else pack(validation)
        hashes = {
            "logits_sha256": None,
            "validation_sha256": _digest(packed),
            "weights_sha256": _digest(weights),
        }
        record = record.model_copy(update=hashes)
        return self.put(record, pack(logits), weights, validation=packed, replace=replace)

    def put(
        self,
        record: Record,
        content: bytes,
        weights: bytes | None = None,
        *,
        validation: bytes | None = None,
        replace: bool = False,
    ) -> Path:
        """Put a record and the bytes of its files in place, as :meth:`add` does.

        Weights that the record names but that are not given stay behind.
        """
        if record.logits_sha256 is None:
            record = record.model_copy(update={"logits_sha256": _digest(content)})
        target = self.cells / record.cell.slug
        running = self.running(record.cell)
        with self.writing():
            self.cells.mkdir(parents=True, exist_ok=True)
            running.mkdir(parents=True, exist_ok=True)
            draft = running / f".draft-{uuid.uuid4().hex}"
            draft.mkdir()
            try:
                self._write(draft, record, {LOGITS: content, VALIDATION: validation}, weights)
                try:
                    draft.rename(target)
                except OSError:
                    if not target.exists():  # otherwise another process finished the same cell
                        raise
                    if replace:
                        _exchange(draft, target, running / _REPLACED)
                sync_folder(self.cells)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
            self.clear(record.cell)
        return target

    def _write(
        self,
        draft: Path,
        record: Record,
        logits: Mapping[str, bytes | None],
        weights: bytes | None,
    ) -> None:
        """Write all files and read them back: a cell that no one can read must not take its place.

        Raises:
            StorageError: they are not whole.
        """
        try:
            for name, content in logits.items():
                if content is not None:
                    write_file(draft / name, content)
            write_file(draft / RECORD, to_json(record).encode())
            if _read_whole(draft) != record:
                raise ValueError("it reads as another record")
            if weights is not None:
                _write_weights(draft, record, weights)
        except ValueError as error:
            raise StorageError(
                f"the record of {record.cell.slug} cannot be kept: {error}; nothing was put into "
                f"{self.cells}, and the cell's checkpoint stays"
            ) from error

    def clear(self, cell: Cell) -> None:
        """Remove what a finished cell needs no more."""
        shutil.rmtree(self.running(cell), ignore_errors=True)
        shutil.rmtree(self.failed(cell), ignore_errors=True)

    def settle(self, finished: Iterable[Cell]) -> None:
        """Clear what is left of finished cells, as a kill between storing and clearing leaves it.

        What a process holds is its own to clear.

        Args:
            finished: cells of which this store has whole records.
        """
        begun = {
            path.name for kind in ("running", "failed") for path in self.root.glob(f"{kind}/*")
        }
        for cell in finished if begun else ():
            held = cell.slug not in begun or lease.holder(self.running(cell)) is not None
            if not held and not self._trained_again(cell):
                self.clear(cell)

    def _trained_again(self, cell: Cell) -> bool:
        begun = (self.running(cell) / _AGAIN).exists()
        return begun and not (self.cells / cell.slug / WEIGHTS).exists()

    def begin_again(self, cell: Cell) -> None:
        """Say that a finished cell is trained once more for its weights, so that work on it stays.

        Raises:
            StorageError: the store cannot be written to.
        """
        with self.writing():
            (self.running(cell) / _AGAIN).touch()

    def fail(self, cell: Cell, text: str) -> Path:
        """Keep a failed cell's traceback; the next run tries the cell again.

        Raises:
            StorageError: the store cannot be written to.
        """
        folder = self.failed(cell)
        with self.writing():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "cell.json").write_text(cell.model_dump_json(indent=1), encoding="utf-8")
            (folder / _ATTEMPT).write_text(uuid.uuid4().hex, encoding="utf-8")
            put_file(folder / "error.txt", text.encode(errors="backslashreplace"))
        return folder / "error.txt"

    def attempt(self, cell: Cell) -> str | None:
        """Return what names the attempt that a cell failed in last, None where it did not fail."""
        try:
            return (self.failed(cell) / _ATTEMPT).read_text(encoding="utf-8")
        except (OSError, ValueError):  # none, or of an older version, which named none
            return None

    def failures(self) -> list[Path]:
        """Return the tracebacks of failed cells."""
        return sorted((self.root / "failed").glob("*/error.txt"))

    def unfinished(self) -> dict[str, bool]:
        """Return the slugs of cells that were begun, and whether a process trains them now.

        A cell that is finished counts, too, until :meth:`settle` saw it.
        """
        folders = sorted(path for path in (self.root / "running").glob("*") if path.is_dir())
        begun = [f for f in folders if (f / "checkpoint.pt").exists() or lease.holder(f)]
        return {folder.name: lease.holder(folder) is not None for folder in begun}

    def records(self) -> list[Record]:
        """Read all records, in the order of their folders' names.

        Raises:
            InputError: the store does not exist, or a record is damaged: none is skipped silently.
            StorageError: the system cannot read one.
        """
        self.require()
        records, damaged = self.survey()
        if damaged:
            raise _refusal(damaged)
        return records

    def survey(self, *, afresh: bool = False) -> tuple[list[Record], list[Damaged]]:
        """Return the records that are whole, and the cells that are damaged.

        Args:
            afresh: check everything, also what was checked before and has not changed since.
        """
        with no_collection():
            read = list(self._all(afresh=afresh))
        self._passed.keep()
        records = [entry for entry in read if isinstance(entry, Record)]
        return records, [entry for entry in read if isinstance(entry, Damaged)]

    def set_aside(self, damaged: Damaged) -> Path:
        """Move what is damaged out of the way: a cell, which the next run trains anew, or weights.

        Raises:
            StorageError: the store cannot be written to.
        """
        with self.writing():
            aside = self.root / "damaged"
            aside.mkdir(exist_ok=True)
            path = damaged.folder
            slug = path.parent.name if path.name == WEIGHTS else path.name
            target = Path(tempfile.mkdtemp(prefix=f"{slug}.", dir=aside))
            path.rename(target / path.name)
        return target

    def logits(self, record: Record, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
        """Return a record's arrays: ``label`` (n,) and logits (n, K) by name.

        Args:
            record: of this store.
            names: only these; None for all.

        Raises:
            InputError: they are damaged, or not those that the record was stored with.
            StorageError: the system cannot read them.
        """
        try:
            return read_arrays(self.packed_logits(record), names)
        except ValueError as error:
            raise self.damaged_logits(record, str(error)) from error

    def packed_logits(self, record: Record) -> bytes:
        """Return the bytes of a record's ``logits.npz``.

        Raises:
            InputError: they are damaged, or not those that the record was stored with.
            StorageError: the system cannot read them.
        """
        return self._packed(record, LOGITS, record.logits_sha256)

    def packed_validation(self, record: Record) -> bytes | None:
        """Return the bytes of a record's ``validation.npz``, None where it has none.

        Raises:
            InputError: they are damaged, or not those that the record was stored with.
            StorageError: the system cannot read them.
        """
        expected = record.validation_sha256
        return None if expected is None else self._packed(record, VALIDATION, expected)

    def _packed(self, record: Record, name: str, expected: str | None) -> bytes:
        try:
            content = read_file(self.cells / record.cell.slug / name, LARGEST_FILE)
        except OSError as error:
            found = Damaged.by_system(self.cells / record.cell.slug, error, name)
            raise _refusal([found]) from error
        except ValueError as error:
            raise self.damaged_logits(record, str(error), name) from error
        if expected is not None and _digest(content) != expected:
            raise self.damaged_logits(record, "not the file of its record", name)
        return content

    def has_weights(self, record: Record) -> bool:
        """Whether a record's final weights lie beside it, right or not."""
        kept = record.weights_sha256 is not None
        return kept and (self.cells / record.cell.slug / WEIGHTS).exists()

    def weights(self, record: Record) -> bytes:
        """Return the file of a record's final weights.

        Raises:
            InputError: they are not there, or not those that the record was stored with.
            StorageError: the system cannot read them.
        """
        path = self.cells / record.cell.slug / WEIGHTS
        if not self.has_weights(record):
            raise InputError(f"{record.cell.slug}: {path} is not there, its weights were not kept")
        found = self._weights(record)
        if isinstance(found, bytes):
            return found
        what = f"weights {path.parent}/{found.reason}"
        if found.unread:
            raise StorageError(f"cannot read {what}; {MEND}")
        raise InputError(f"damaged {what}; {_AFTER}")

    def _weights(self, record: Record) -> bytes | Damaged:
        path = self.cells / record.cell.slug / WEIGHTS
        try:
            content = read_file(path, LARGEST_WEIGHTS)
            if _digest(content) != record.weights_sha256:
                raise ValueError(f"{WEIGHTS}: not the file of its record")
        except OSError as error:
            return Damaged.by_system(path, error, WEIGHTS)
        except ValueError as error:
            return Damaged(path, str(error))
        return content

    def add_weights(self, record: Record, content: bytes) -> None:
        """Lay the file of the final weights beside a record that names it and lacks it.

        Raises:
            InputError: they are not those that the record was stored with.
            StorageError: the store cannot be written to.
        """
        with self.writing():
            try:
                _write_weights(self.cells / record.cell.slug, record, content)
            except ValueError as error:
                raise InputError(f"{record.cell.slug}: {error}") from error

    def damaged_weights(self, records: Iterable[Record]) -> list[Damaged]:
        """Return the files of weights that are not those of their records or cannot be read."""
        found = (self._weights(record) for record in records if self.has_weights(record))
        return [entry for entry in found if isinstance(entry, Damaged)]

    def damaged_logits(self, record: Record, reason: str, name: str = LOGITS) -> InputError:
        """Return the error that a record's logits, or those of another file, cannot be used."""
        path = self.cells / record.cell.slug / name
        return InputError(f"damaged cell: {path}: {reason}; {_ADVICE}")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn what the system says against a write into one line.

        Raises:
            StorageError: instead of OSError.
        """
        try:
            yield
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise StorageError(
                f"results folder {self.root}: {error.strerror or error}{where}; all finished cells "
                "are kept: make room or mend it, and give the same command again"
            ) from error

    def _all(self, *, afresh: bool) -> Iterator[Record | Damaged]:
        if not self.cells.is_dir():
            return
        try:
            folders = sorted(self.cells.iterdir())
        except OSError as error:
            raise InputError(f"{self.cells}: cannot be read ({error.strerror})") from error
        for folder in folders:
            if folder.is_dir() and not folder.name.startswith("."):
                yield self._read(folder, afresh=afresh)

    def _read(self, folder: Path, *, afresh: bool = False) -> Record | Damaged:
        """Read a finished cell if it is whole."""
        try:
            record = _read_whole(folder, None if afresh else self._passed)
        except OSError as error:
            return Damaged.by_system(folder, error)
        except ValueError as error:
            return Damaged(folder, str(error))
        if folder.name != record.cell.slug:
            return Damaged(folder, f"the folder's name is not its cell's, {record.cell.slug}")
        return record


def _read_whole(folder: Path, passed: Passed | None = None) -> Record:
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


def _digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _exchange(draft: Path, target: Path, aside: Path) -> None:
    """Put a folder in the place of another one, which goes back there if that fails."""
    target.rename(aside)
    try:
        draft.rename(target)
    except BaseException:
        aside.rename(target)
        raise


MEND = "it may be whole: mend disk, network or rights, and give the same command again"


def _write_weights(folder: Path, record: Record, content: bytes) -> None:
    """Write weights and their card.

    Raises:
        OSError: the store cannot be written to.
        ValueError: they are not those of the record.
    """
    if _digest(content) != record.weights_sha256:
        raise ValueError(f"{WEIGHTS}: not the file of its record")
    put_file(folder / CARD, model_card(record).encode())
    put_file(folder / WEIGHTS, content)


_AFTER = "'fer-bench results check --move-aside' moves them away, and the record stays"
_ADVICE = "'fer-bench results check --move-aside' moves it away, and the next run makes it anew"


def _refusal(damaged: Sequence[Damaged]) -> InputError | StorageError:
    """Return the error for cells that cannot be used, of which the first is named."""
    first = damaged[0]
    what = f"record {first.folder / RECORD}: {first.reason}"
    if first.reason.startswith((f"{LOGITS}: ", f"{VALIDATION}: ")):
        what = f"cell: {first.folder}/{first.reason}"
    more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
    if first.unread:
        return StorageError(f"cannot read {what}{more}; {MEND}")
    return InputError(f"damaged {what}{more}; {_ADVICE}")
