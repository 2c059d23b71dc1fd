"""What nodes tell, as it reaches the driver's store and whoever listens there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.store.cell_folder import WEIGHTS
from benchmark.store.logits_file import LOGITS, VALIDATION
from benchmark.store.record import Cell, Record
from benchmark.store.store import Store
from benchmark.sweep.work import SweepListener


@dataclass(frozen=True)
class Arrival:
    """Takes the events of one job.

    Attributes:
        store: the driver's.
        listener: hears of them, as if the cells were trained here.
        needed: ids of first stages that are not finished without their weights.
    """

    store: Store
    listener: SweepListener
    needed: frozenset[str]

    def take(self, name: str, what: Sequence[Any]) -> None:
        """Take what happened on a node.

        Raises:
            StorageError: the store cannot be written to.
        """
        if name == "delivered":
            self._deliver(*what)
        elif name == "broke":
            self.fail(*what)
        else:
            getattr(self.listener, name)(*what)

    def fail(self, cell: Cell, reason: str, text: str) -> None:
        """Keep why a cell failed.

        Args:
            cell: the cell.
            reason: in a line.
            text: the traceback.

        Raises:
            StorageError: the store cannot be written to.
        """
        where = self.store.begun.fail(cell, text)
        self.listener.cell_failed(cell, reason, str(where))

    def _deliver(self, record: Record, files: Mapping[str, bytes]) -> None:
        """Put a finished cell into the store; what is there stays, unless it lacks its weights."""
        self.store.put(
            record,
            files[LOGITS],
            files.get(WEIGHTS),
            validation=files.get(VALIDATION),
            replace=record.cell.id in self.needed,
        )
        self.listener.cell_finished(record)
