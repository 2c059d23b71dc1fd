"""What a node is given, and what it answers in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.store.record import Cell
    from benchmark.sweep.plan import Sweep


@dataclass(frozen=True)
class Job:
    """Cells that one process of a node trains, one after another; it can be pickled.

    Attributes:
        number: of the job, from 1.
        slugs: of its cells, as the driver planned them.
        replan: plans the same cells again.
        code: digest of the driver's code.
        path: where the driver's Python looks for packages.
        command: arguments of the driver's command, for the records.
        root: of the store, in full.
        sign: a file of the store's folder by which a node knows it; None where nodes do not see
            the folder and train in stores of their own.
        seeds: files of the driver's store that the node's own begins with, below its root.
        device: where to train, as ``--device`` takes it.
        threads: of the CPU.
        deterministic: on a GPU, only kernels that repeat bit for bit.
        keep_weights: whether final weights are kept beside the records.
    """

    number: int
    slugs: tuple[str, ...]
    replan: Callable[[], Sweep]
    code: str
    path: tuple[str, ...]
    command: tuple[str, ...]
    root: str
    sign: str | None
    seeds: tuple[str, ...]
    device: str
    threads: int
    deterministic: bool
    keep_weights: bool

    def find(self, sweep: Sweep) -> list[Cell]:
        """Return the job's cells in the plan of this node.

        Raises:
            InputError: the node comes to other cells: its data or weights differ.
        """
        found = [cell for cell in sweep.cells if cell.slug in self.slugs]
        if len(found) < len(self.slugs):
            strange = min(set(self.slugs) - {cell.slug for cell in found})
            raise InputError(
                f"it does not come to {strange} by the same options; its data or weights are "
                "other ones"
            )
        return found


class Ended(NamedTuple):
    """How a job ended that came to its end.

    Attributes:
        held: slugs of cells that another process trains.
        refused: why its node cannot train; nothing was trained then.
        fault: what is wrong with the store that all nodes share.
    """

    held: tuple[str, ...] = ()
    refused: str | None = None
    fault: str | None = None


class Node(NamedTuple):
    """A node of a cluster."""

    id: str
    address: str

    def __str__(self) -> str:
        """Return what a person knows it by."""
        return f"node {self.address} ({self.id[:6]})"


class Lost(NamedTuple):
    """A job whose process or node ended before it.

    Attributes:
        reason: in a few words.
        address: of a node that could not even begin, None of any other.
    """

    reason: str
    address: str | None = None
