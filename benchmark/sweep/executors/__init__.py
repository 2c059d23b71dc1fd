"""Executors, a file each: who works through the cells of a sweep, and where.

A file ``<name>.py`` declares ``HELP``, in a few words what it is for, as a plain value at its top,
and ``run(order)``, which has the cells of an :class:`Order` trained into its store and returns
whether that work has ended: False where it goes on after this process. Where it ends, the store
tells what came of it. The list of executors is read without importing them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from benchmark.offered import Offer, offers

if TYPE_CHECKING:
    from benchmark.store.record import Cell
    from benchmark.store.store import Store
    from benchmark.sweep.plan import Sweep
    from benchmark.sweep.work import SweepListener


@dataclass(frozen=True)
class Order:
    """What an executor is given.

    Attributes:
        sweep: what the cells are trained on.
        cells: those to train, none of which the store holds whole.
        store: where finished cells go.
        command: of ``fer-bench``, without its name: what plans the same cells in another process.
        device: where to train, as ``--device`` takes it.
        threads: of the CPU for each process; None for as many as its share of the cores.
        jobs: processes side by side; None for as many as are of use.
        jobs_per_gpu: processes that share a GPU; None for as many as fit.
        deterministic: on a GPU, only kernels that repeat bit for bit.
        keep_weights: whether final weights are kept beside the records.
        say: takes each line for the user.
        complain: takes each line that says what went wrong.
        listen: makes what hears of progress in this process; ``alone`` where no other one prints.
    """

    sweep: Sweep
    cells: Sequence[Cell]
    store: Store
    command: Sequence[str]
    device: str
    threads: int | None
    jobs: int | None
    jobs_per_gpu: int | None
    deterministic: bool
    keep_weights: bool
    say: Callable[[str], None]
    complain: Callable[[str], None]
    listen: Callable[[bool], AbstractContextManager[SweepListener]]


@cache
def executors() -> dict[str, Offer]:
    """Return every executor by its name."""
    return offers(__name__)


def executors_told() -> str:
    """Return every executor with what it is for, in a phrase for help."""
    return "; ".join(f"{name}: {offer.facts['HELP']}" for name, offer in executors().items())


def run(name: str, order: Order) -> bool:
    """Have an executor train the cells of an order; False where it works on after this process."""
    ended: bool = executors()[name].function("run")(order)
    return ended
