"""Cells that one process plans and another one trains: the file that hands them over."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.choices import CELLS_OPTION
from benchmark.errors import InputError
from benchmark.store.record import Cell
from benchmark.sweep.plan import Sweep
from benchmark.words import count


@dataclass(frozen=True)
class Share:
    """What a process is asked to train.

    Attributes:
        precision: that the planning process came to.
        slugs: of the cells.
        wait: seconds to wait at most for cells that other processes hold.
    """

    precision: str
    slugs: tuple[str, ...]
    wait: float = math.inf

    @classmethod
    def of(cls, cells: Sequence[Cell], wait: float = math.inf) -> Share:
        """Return what hands over these cells, of which there is at least one."""
        return cls(cells[0].precision, tuple(cell.slug for cell in cells), wait)

    def write(self, file: Path) -> None:
        """Write the file that :meth:`read` takes."""
        wait = {} if math.isinf(self.wait) else {"wait": self.wait}
        content = {"precision": self.precision, "cells": self.slugs, **wait}
        file.write_text(json.dumps(content), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Share:
        """Return what a file asks for.

        Raises:
            InputError: it is no such file.
        """
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            wait = float(found.get("wait", math.inf))
            return cls(found["precision"], tuple(found["cells"]), wait)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{CELLS_OPTION} {file}: cannot be read ({error})") from error

    def find(self, sweep: Sweep, file: Path) -> list[Cell]:
        """Return the cells in the plan of this process.

        Args:
            sweep: planned here.
            file: to be named.

        Raises:
            InputError: the same plan comes to other cells here: data, weights or code differ.
        """
        wanted = set(self.slugs)
        todo = [cell for cell in sweep.cells if cell.slug in wanted]
        if not wanted or len(todo) < len(wanted):
            strange = min(wanted - {cell.slug for cell in todo}, default="nothing")
            raise InputError(
                f"{CELLS_OPTION} {file}: asks for {strange}, which is not among the "
                f"{count(len(sweep.cells), 'cell')} that the same options come to here; "
                "were data, weights or code changed?"
            )
        return todo
