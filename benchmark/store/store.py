"""The store: a folder a finished cell, put in place by one rename.

<root>/cells/<slug>/record.json   the record; a folder without one is damaged
<root>/cells/<slug>/logits.npz    test logits of the selected epochs
<root>/cells/<slug>/validation.npz    validation logits of the same epochs, where there are any
<root>/cells/<slug>/weights.safetensors, model-card.md    the final weights, where they were kept
<root>/cells/<slug>/attention.npz    what their attention maps say, where it was worked out
<root>/running/<slug>/            checkpoint and lease of a cell that is being trained
<root>/failed/<slug>/error.txt    the traceback of a cell that failed, beside what names the attempt
<root>/damaged/<slug>/            what was moved aside because it cannot be read
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchmark.errors import InputError, StorageError
from benchmark.store.begun import Begun
from benchmark.store.cell_folder import (
    ATTENTION,
    WEIGHTS,
    digest,
    exchange,
    read_weights,
    read_whole,
    write_weights,
    write_whole,
)
from benchmark.store.faults import file_refusal, refusal, weights_refusal, writing
from benchmark.store.logits_file import LARGEST_FILE, LOGITS, VALIDATION, pack, read_arrays
from benchmark.store.passed import Passed
from benchmark.store.record import Cell, Record
from benchmark.store.record_file import Damaged, no_collection, read_file
from benchmark.write import sync_folder


class Store:
    """Reads and writes the records below one folder.

    Whatever it gives out is whole: a record whose numbers its logits do not give is named as
    damaged by every method that reads.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.begun = Begun(root)
        self._passed = Passed()

    @property
    def cells(self) -> Path:
        """Where finished cells are."""
        return self.root / "cells"

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
            raise refusal([record])
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
            "validation_sha256": digest(packed),
            "weights_sha256": digest(weights),
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
            record = record.model_copy(update={"logits_sha256": digest(content)})
        target = self.cells / record.cell.slug
        running = self.begun.folder(record.cell)
        with writing(self.root):
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
                        self._keep_measures(target, draft, record)
                        exchange(draft, target, self.begun.replaced(record.cell))
                sync_folder(self.cells)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
            self.begun.clear(record.cell)
        return target

    def _keep_measures(self, target: Path, draft: Path, record: Record) -> None:
        """Take along what was measured of the very weights that come again."""
        measures, before = target / ATTENTION, self._read(target)
        same = isinstance(before, Record) and before.weights_sha256 == record.weights_sha256
        if same and record.weights_sha256 is not None and measures.exists():
            shutil.copyfile(measures, draft / ATTENTION)

    def _write(
        self,
        draft: Path,
        record: Record,
        logits: Mapping[str, bytes | None],
        weights: bytes | None,
    ) -> None:
        try:
            write_whole(draft, record, logits, weights)
        except ValueError as error:
            raise StorageError(
                f"the record of {record.cell.slug} cannot be kept: {error}; nothing was put into "
                f"{self.cells}, and the cell's checkpoint stays"
            ) from error

    def records(self) -> list[Record]:
        """Read all records, in the order of their folders' names.

        Raises:
            InputError: the store does not exist, or a record is damaged: none is skipped silently.
            StorageError: the system cannot read one.
        """
        self.require()
        records, damaged = self.survey()
        if damaged:
            raise refusal(damaged)
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
        """Move what is damaged out of the way: a cell, which the next run trains anew, or a file.

        Raises:
            StorageError: the store cannot be written to.
        """
        with writing(self.root):
            aside = self.root / "damaged"
            aside.mkdir(exist_ok=True)
            path = damaged.folder
            slug = path.name if path.parent == self.cells else path.parent.name
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
            raise self.damaged_file(record, LOGITS, str(error)) from error

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
        path = self.cells / record.cell.slug / name
        try:
            content = read_file(path, LARGEST_FILE)
        except OSError as error:
            raise refusal([Damaged.by_system(path.parent, error, name)]) from error
        except ValueError as error:
            raise file_refusal(path, str(error)) from error
        if expected is not None and digest(content) != expected:
            raise file_refusal(path, "not the file of its record")
        return content

    def damaged_file(self, record: Record, name: str, reason: str) -> InputError:
        """Return the error that a file of a record cannot be used."""
        return file_refusal(self.cells / record.cell.slug / name, reason)

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
        found = read_weights(path.parent, record)
        if isinstance(found, Damaged):
            raise weights_refusal(found)
        return found

    def add_weights(self, record: Record, content: bytes) -> None:
        """Lay the file of the final weights beside a record that names it and lacks it.

        Raises:
            InputError: they are not those that the record was stored with.
            StorageError: the store cannot be written to.
        """
        with writing(self.root):
            try:
                write_weights(self.cells / record.cell.slug, record, content)
            except ValueError as error:
                raise InputError(f"{record.cell.slug}: {error}") from error

    def damaged_weights(self, records: Iterable[Record]) -> list[Damaged]:
        """Return the files of weights that are not those of their records or cannot be read."""
        kept = [record for record in records if self.has_weights(record)]
        found = [read_weights(self.cells / record.cell.slug, record) for record in kept]
        return [entry for entry in found if isinstance(entry, Damaged)]

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
            record = read_whole(folder, None if afresh else self._passed)
        except OSError as error:
            return Damaged.by_system(folder, error)
        except ValueError as error:
            return Damaged(folder, str(error))
        if folder.name != record.cell.slug:
            return Damaged(folder, f"the folder's name is not its cell's, {record.cell.slug}")
        return record
