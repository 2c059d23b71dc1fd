"""The store: a folder a finished cell, put in place by one rename.

<root>/cells/<slug>/record.json   the record, written last
<root>/cells/<slug>/logits.npz    test logits of the selected epochs
<root>/running/<slug>/            the checkpoint of a cell that is not finished
<root>/failed/<slug>/error.txt    the traceback of a cell that failed
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from benchmark.errors import InputError
from benchmark.record import Cell, Record

RECORD = "record.json"
LOGITS = "logits.npz"


@dataclass(frozen=True)
class Damaged:
    """A record that cannot be read."""

    path: Path
    reason: str


class Store:
    """Reads and writes the records below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def cells(self) -> Path:
        """Where finished cells are."""
        return self.root / "cells"

    def running(self, cell: Cell) -> Path:
        """Return the folder of an unfinished cell's checkpoint."""
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

    def has(self, cell: Cell) -> bool:
        """Whether the cell is finished.

        Raises:
            InputError: its record is there but damaged.
        """
        path = self.cells / cell.slug / RECORD
        if not path.exists():
            return False
        record = _read(path)
        if isinstance(record, Damaged):
            raise InputError(_complaint([record]))
        return record.id == cell.id

    def missing(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells that are not finished, in their order.

        Raises:
            InputError: a record is damaged.
        """
        return [cell for cell in cells if not self.has(cell)]

    def add(self, record: Record, logits: Mapping[str, NDArray[Any]]) -> Path:
        """Put a finished cell in place, whole or not at all; what is already there stays."""
        target = self.cells / record.cell.slug
        self.cells.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self.cells))
        try:
            with (draft / LOGITS).open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **logits)
                _sync(file)
            with (draft / RECORD).open("w", encoding="utf-8") as file:
                file.write(to_json(record))
                _sync(file)
            draft.chmod(0o755)
            try:
                draft.rename(target)
            except OSError:
                if not target.exists():  # otherwise another process finished the same cell
                    raise
            _sync_folder(self.cells)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(self.running(record.cell), ignore_errors=True)
        shutil.rmtree(self.failed(record.cell), ignore_errors=True)
        return target

    def fail(self, cell: Cell, text: str) -> Path:
        """Keep a failed cell's traceback; the next run tries the cell again."""
        folder = self.failed(cell)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "error.txt").write_text(text, encoding="utf-8")
        (folder / "cell.json").write_text(cell.model_dump_json(indent=1), encoding="utf-8")
        return folder / "error.txt"

    def failures(self) -> list[Path]:
        """Return the tracebacks of failed cells."""
        return sorted((self.root / "failed").glob("*/error.txt"))

    def unfinished(self) -> list[str]:
        """Return the slugs of cells that have a checkpoint."""
        return sorted(p.parent.name for p in (self.root / "running").glob("*/checkpoint.pt"))

    def records(self) -> list[Record]:
        """Read all records, in the order of their folders' names.

        Raises:
            InputError: the store does not exist, or a record is damaged: none is skipped silently.
        """
        if not self.root.is_dir():
            raise InputError(
                f"no results in {self.root}; name the store with --results or fill it with "
                "'fer-bench run'"
            )
        read = list(self._all())
        damaged = [entry for entry in read if isinstance(entry, Damaged)]
        if damaged:
            raise InputError(_complaint(damaged))
        return [entry for entry in read if isinstance(entry, Record)]

    def logits(self, record: Record) -> dict[str, NDArray[Any]]:
        """Return a record's arrays: ``label`` (n,) and logits (n, K) by selection rule."""
        path = self.cells / record.cell.slug / LOGITS
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def _all(self) -> Iterator[Record | Damaged]:
        if not self.cells.is_dir():
            return
        for folder in sorted(self.cells.iterdir()):
            if folder.is_dir() and not folder.name.startswith("."):
                yield _read(folder / RECORD)


def to_json(record: Record) -> str:
    """Return the record as JSON that a person can read and a diff can show."""
    text = json.dumps(record.model_dump(mode="json"), indent=1, allow_nan=False)
    return text + "\n"


def _read(path: Path) -> Record | Damaged:
    try:
        record = Record.model_validate_json(path.read_bytes())
    except OSError as error:
        return Damaged(path, error.strerror or str(error))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        return Damaged(path, f"{where}: {first['msg']}")
    if record.cell.id != record.id:
        return Damaged(path, "its id does not fit its content")
    return record


def _complaint(damaged: list[Damaged]) -> str:
    first = damaged[0]
    more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
    return (
        f"damaged record {first.path}: {first.reason}{more}; move its folder away and run again "
        "to make it anew"
    )


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; some systems cannot open a folder, and there nothing is lost."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
