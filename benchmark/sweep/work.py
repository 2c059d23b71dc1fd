"""Cells in this process, one after another; other processes may work on the same store."""

from __future__ import annotations

import math
import os
import time
import traceback
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from benchmark import environment
from benchmark.engine.compiled import check_compiles
from benchmark.engine.device import be_deterministic, keep_float32, resolve_device
from benchmark.engine.memory import keep_freed_memory, release
from benchmark.engine.outcome import Listener
from benchmark.errors import StorageError, describe
from benchmark.store.faults import writing
from benchmark.store.lease import Lease, LeaseLostError
from benchmark.store.record import Cell, Epoch, Record
from benchmark.store.store import Store
from benchmark.sweep.cell import train_cell
from benchmark.sweep.executors import Order
from benchmark.sweep.plan import Sweep
from benchmark.sweep.stages import has_weights, needed_first_stages
from methods.base import Progress

_LOOK_AGAIN = 2.0
"""Seconds between two looks at cells that other processes hold."""


class SweepListener(Listener, Protocol):
    """Hears how a sweep goes."""

    def cell_started(self, cell: Cell, number: int, total: int) -> None:
        """Hear that a cell begins; ``number`` counts from 1 among the ``total`` to be trained."""

    def cell_finished(self, record: Record) -> None:
        """Hear that a cell is in the store."""

    def cell_failed(self, cell: Cell, reason: str, where: str) -> None:
        """Hear that a cell failed and where its traceback is."""

    def waiting(self, cells: int) -> None:
        """Hear that all cells that are left are being trained by other processes."""


@dataclass
class Tally:
    """What a sweep came to: slugs of cells."""

    trained: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    """Not finished, as another process holds them or what they start from."""


def train_here(order: Order, *, alone: bool, wait: float = math.inf) -> Tally:
    """Train the cells of an order in this process.

    Args:
        order: whose jobs are somebody else's matter.
        alone: whether no other process prints beside this one.
        wait: as :func:`run_sweep` takes it.

    Raises:
        StorageError: the store cannot be written to any more.
    """
    device = resolve_device(order.device)
    if order.threads is not None:
        torch.set_num_threads(order.threads)
    if order.deterministic:
        order.say(be_deterministic(device))
    keep = [cell.id for cell in order.cells] if order.keep_weights else []
    with order.listen(alone) as listener:
        return run_sweep(
            order.sweep, order.cells, order.store, device, listener, keep_weights=keep, wait=wait
        )


def run_sweep(
    sweep: Sweep,
    cells: Sequence[Cell],
    store: Store,
    device: torch.device,
    listener: SweepListener,
    *,
    keep_weights: Collection[str] = (),
    wait: float = math.inf,
) -> Tally:
    """Train cells of a sweep, those that the store does not hold and nobody else trains.

    A cell that fails leaves its traceback in the store and the others go on. What other processes
    hold is waited for, and taken over when its holder dies. A first stage whose weights are needed
    is trained before what starts from it, once more where its weights were not kept.

    Args:
        sweep: what the cells are trained on.
        cells: those to train.
        store: where finished cells go.
        device: where to train.
        listener: hears of progress.
        keep_weights: ids of the cells whose final weights are kept beside their records.
        wait: seconds at most for cells that other processes hold; then they end as ``held``, so
            that no device stands idle.

    Raises:
        InputError: the store cannot be written to, or a cell is to be compiled and nothing can be.
        StorageError: the store cannot be written to any more.
    """
    check_compiles(cells, device)
    store.prepare()
    keep_freed_memory()
    keep_float32()
    tally = Tally()
    needed = needed_first_stages(cells, sweep, store)
    wanted = {cell.id for cell in cells} | needed.keys()
    left = [cell for cell in sweep.cells if cell.id in wanted]
    total = len(left)
    failed_before = {cell.slug: store.begun.attempt(cell) for cell in left}
    # Read before training: a commit made meanwhile is not the code that runs.
    machine = environment.describe()
    keep = frozenset(keep_weights) | needed.keys()
    worker = _Worker(
        sweep, store, device, listener, machine, failed_before, tally, keep, frozenset(needed)
    )
    said, idle_since = False, time.monotonic()
    while left:
        free = [cell for cell in left if worker.settle(cell, total)]
        left = [cell for cell in left if cell not in free]
        if free:
            idle_since = time.monotonic()
        elif left:
            if time.monotonic() - idle_since >= wait:
                tally.held += [cell.slug for cell in left]
                break
            if not said:
                listener.waiting(len(left))
                said = True
            time.sleep(_LOOK_AGAIN)
    return tally


@dataclass
class _Worker:
    """What all cells of a sweep share in this process."""

    sweep: Sweep
    store: Store
    device: torch.device
    listener: SweepListener
    machine: dict[str, Any]
    failed_before: Mapping[str, str | None]
    tally: Tally
    keep_weights: frozenset[str]
    needed: frozenset[str]
    """Ids of first stages that are not finished without their weights."""

    def settle(self, cell: Cell, total: int) -> bool:
        """Train a cell, or see that it is done; False while another process holds it."""
        first = self.sweep.first_stage(cell)
        if first is not None and self._waits(cell, first):
            return False
        lease = self.store.begun.take(cell)
        if lease is None:
            return False
        with lease:
            if self._done(cell):
                self.store.begun.clear(cell)
                self.tally.elsewhere.append(cell.slug)
            elif self._failed_meanwhile(cell):
                self.tally.failed.append(cell.slug)
            else:
                done = len(self.tally.trained) + len(self.tally.failed)
                done += len(self.tally.elsewhere)
                self.listener.cell_started(cell, done + 1, total)
                if self.store.has(cell):
                    self.store.begun.again(cell)
                if first is None or first.slug not in self.tally.failed:
                    return self._train(cell, lease)
                reason = f"its first stage failed: {first.slug}; the next run tries both again"
                self._failed(cell, reason, reason)
        return True

    def _done(self, cell: Cell) -> bool:
        return has_weights(cell, self.store) if cell.id in self.needed else self.store.has(cell)

    def _waits(self, cell: Cell, first: Cell) -> bool:
        """Whether the first stage of a cell is being trained by another process."""
        if first.id not in self.needed or first.slug in self.tally.failed:
            return False
        return not has_weights(first, self.store) and not self.store.has(cell)

    def _failed_meanwhile(self, cell: Cell) -> bool:
        """Whether another process tried the cell since this sweep began: once is enough."""
        now = self.store.begun.attempt(cell)
        return now is not None and now != self.failed_before[cell.slug]

    def _train(self, cell: Cell, lease: Lease) -> bool:
        guarded = _Guard(self.listener, lease)
        try:
            record = train_cell(
                cell,
                self.sweep,
                self.store,
                self.device,
                guarded,
                self.machine,
                lease.advance,
                keep_weights=cell.id in self.keep_weights,
                again=cell.id in self.needed,
            )
        except LeaseLostError:
            return False
        except (OSError, StorageError) as error:
            self._give_up_if_full(error)
            self._fail(cell, error)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a method of somebody else's may even say sys.exit()
            self._fail(cell, error)
        else:
            self.listener.cell_finished(record)
            self.tally.trained.append(cell.slug)
        release()
        return True

    def _give_up_if_full(self, error: OSError | StorageError) -> None:
        """Stop the sweep where the store is at fault, as every other cell would fail likewise."""
        if isinstance(error, StorageError):
            raise error
        named = None if error.filename is None else Path(os.fsdecode(error.filename)).absolute()
        if named is None or named.is_relative_to(self.store.root.absolute()):
            with writing(self.store.root):
                raise error

    def _fail(self, cell: Cell, error: BaseException) -> None:
        self._failed(cell, describe(error), traceback.format_exc())

    def _failed(self, cell: Cell, reason: str, text: str) -> None:
        where = self.store.begun.fail(cell, text)
        self.listener.cell_failed(cell, reason, str(where))
        self.tally.failed.append(cell.slug)


@dataclass(frozen=True)
class _Guard:
    """Passes on what a listener hears, and stops a cell that is no longer this process's."""

    listener: Listener
    lease: Lease

    def stepped(self, progress: Progress, steps: int, loss: float, rate: float) -> None:
        self.listener.stepped(progress, steps, loss, rate)

    def evaluated(self, epoch: Epoch) -> None:
        self.lease.check()
        self.listener.evaluated(epoch)
