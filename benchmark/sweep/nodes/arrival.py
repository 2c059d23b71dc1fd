"""What passes between nodes and the driver's store, and whoever listens there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.store.cell_folder import WEIGHTS
from benchmark.store.logits_file import LOGITS, VALIDATION
from benchmark.store.record import Cell, Record
from benchmark.store.record_file import RECORD
from benchmark.store.store import Store
from benchmark.sweep.plan import Sweep
from benchmark.sweep.stages import has_weights
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


def seeds(cells: Sequence[Cell], sweep: Sweep, store: Store) -> Iterator[str]:
    """Name the files of a store that a node needs which does not see it, below the store's root."""
    yield f"datasets/{cells[0].fingerprint}.npz"
    for cell in cells:
        yield f"running/{cell.slug}/checkpoint.pt"
        first = sweep.first_stage(cell)
        if first is not None and has_weights(first, store):
            for name in (RECORD, LOGITS, VALIDATION, WEIGHTS):
                yield f"cells/{first.slug}/{name}"
