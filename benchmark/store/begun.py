"""Cells that were begun and are not finished: who trains them, and what is left of a failure."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from benchmark.errors import DivergedError
from benchmark.store import lease
from benchmark.store.cell_folder import WEIGHTS
from benchmark.store.faults import writing
from benchmark.store.record import Cell
from benchmark.write import put_file

_ATTEMPT = "attempt"
_AGAIN = "again"
_REPLACED = ".replaced"


class Begun:
    """The folders ``running`` and ``failed`` of a store.

    Args:
        root: of the store.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, cell: Cell) -> Path:
        """Return the folder of an unfinished cell's checkpoint and lease."""
        return self.root / "running" / cell.slug

    def failed(self, cell: Cell) -> Path:
        """Return the folder of a failed cell's traceback."""
        return self.root / "failed" / cell.slug

    def replaced(self, cell: Cell) -> Path:
        """Return where a finished cell waits while another takes its place."""
        return self.folder(cell) / _REPLACED

    def take(self, cell: Cell) -> lease.Lease | None:
        """Take the lease of a cell, or None while another process trains it.

        Raises:
            StorageError: the store cannot be written to.
        """
        with writing(self.root):
            taken = lease.take(self.folder(cell))
            finished = self._finished(cell)
            if taken is not None and self.replaced(cell).exists() and not finished.exists():
                self.replaced(cell).rename(finished)
        return taken

    def clear(self, cell: Cell) -> None:
        """Remove what a finished cell needs no more."""
        shutil.rmtree(self.folder(cell), ignore_errors=True)
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
            held = cell.slug not in begun or lease.holder(self.folder(cell)) is not None
            if not held and not self._trained_again(cell):
                self.clear(cell)

    def again(self, cell: Cell) -> None:
        """Say that a finished cell is trained once more for its weights, so that work on it stays.

        Raises:
            StorageError: the store cannot be written to.
        """
        with writing(self.root):
            (self.folder(cell) / _AGAIN).touch()

    def fail(self, cell: Cell, text: str) -> Path:
        """Keep a failed cell's traceback; the next run tries the cell again.

        Raises:
            StorageError: the store cannot be written to.
        """
        folder = self.failed(cell)
        with writing(self.root):
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

    def diverged(self, cell: Cell) -> bool:
        """Whether a cell failed last because its loss or logits were no longer finite."""
        return _says_diverged(self.failed(cell) / "error.txt")

    def diverged_slugs(self) -> list[str]:
        """Return the slugs of cells that diverged."""
        return [path.parent.name for path in self.failures() if _says_diverged(path)]

    def failures(self) -> list[Path]:
        """Return the tracebacks of failed cells."""
        return sorted((self.root / "failed").glob("*/error.txt"))

    def slugs(self) -> dict[str, bool]:
        """Return the slugs of cells that were begun, and whether a process trains them now.

        A cell that is finished counts, too, until :meth:`settle` saw it; one that failed does not,
        unless a process tries it again.
        """
        folders = sorted(path for path in (self.root / "running").glob("*") if path.is_dir())
        failed = {path.parent.name for path in self.failures()}
        held = {folder.name: lease.holder(folder) is not None for folder in folders}
        begun = {f.name for f in folders if (f / "checkpoint.pt").exists()} - failed
        return {name: now for name, now in held.items() if now or name in begun}

    def _finished(self, cell: Cell) -> Path:
        return self.root / "cells" / cell.slug

    def _trained_again(self, cell: Cell) -> bool:
        again = (self.folder(cell) / _AGAIN).exists()
        return again and not (self._finished(cell) / WEIGHTS).exists()


def _says_diverged(error: Path) -> bool:
    """Whether the traceback of a failed cell is of a loss or logits that were not finite."""
    try:
        text = error.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.strip().rpartition("\n")[2].split(":")[0].endswith(DivergedError.__name__)
