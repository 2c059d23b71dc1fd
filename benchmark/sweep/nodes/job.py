"""What a node is given, what it answers in the end, and what jobs are handed out to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.store.record import Cell
    from benchmark.sweep.nodes.depot import News
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


class Node(NamedTuple):
    """A node of a cluster."""

    id: str
    address: str

    def __str__(self) -> str:
        """Return what a person knows it by."""
        return f"node {self.address} ({self.id[:6]})"


class Ended(NamedTuple):
    """How a job ended that came to its end.

    Attributes:
        held: slugs of cells that another process trains.
        refused: why its node cannot train; nothing was trained then.
        node: that refused.
        fault: what is wrong with the store that all nodes share.
    """

    held: tuple[str, ...] = ()
    refused: str | None = None
    node: Node | None = None
    fault: str | None = None


class Lost(NamedTuple):
    """A job whose process or node ended before it, for a reason in a few words."""

    reason: str


class Cluster(Protocol):
    """What jobs are handed out to."""

    def hand_out(self, job: Job, attempt: int, without: frozenset[str]) -> Any:
        """Have a job trained on some node and return what its end is asked by."""

    def over(self, job: Job) -> None:
        """Say that no attempt of a job counts any more."""

    def wait(self, tasks: Sequence[Any], seconds: float) -> list[Any]:
        """Return those that have ended, after so many seconds at most."""

    def end(self, task: Any) -> Ended | Lost:
        """Return how a task ended."""

    def collect(self) -> list[News]:
        """Return what nodes told since the last call."""

    def interrupt(self, task: Any) -> None:
        """Have a task stop as Ctrl-C would."""

    def kill(self, node: Node, process: int) -> None:
        """End a process that does not answer, which its task then ends with."""

    def nodes(self) -> list[Node]:
        """Return the living nodes that have room for a job when nothing else runs."""
