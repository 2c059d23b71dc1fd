"""Cells in this process, one after another; other processes may work on the same store."""

from __future__ import annotations

import copy
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark import environment
from benchmark.data.dataset import Part
from benchmark.data.marks import Marks
from benchmark.engine.assemble import assemble
from benchmark.engine.device import describe_device, keep_float32, private_generators
from benchmark.engine.final_weights import pack, unpack
from benchmark.engine.memory import keep_freed_memory, release
from benchmark.engine.outcome import Listener, Outcome
from benchmark.engine.trainer import Trainer
from benchmark.errors import InputError, StorageError, TrainingError, describe
from benchmark.models.backbone import Backbone
from benchmark.models.build import build_backbone
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.lease import Lease, LeaseLostError
from benchmark.store.logits_file import LABEL
from benchmark.store.model_card import about
from benchmark.store.record import Cell, Epoch, Record
from benchmark.store.store import Store
from benchmark.sweep.plan import Sweep, make_hyper
from benchmark.sweep.stages import has_weights, needed_first_stages
from methods.base import Method, Progress

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


def run_sweep(
    sweep: Sweep,
    cells: Sequence[Cell],
    store: Store,
    device: torch.device,
    listener: SweepListener,
    *,
    keep_weights: Collection[str] = (),
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

    Raises:
        InputError: the store cannot be written to.
        StorageError: the store cannot be written to any more.
    """
    store.prepare()
    keep_freed_memory()
    keep_float32()
    tally = Tally()
    needed = needed_first_stages(store.missing(cells), sweep, store)
    wanted = {cell.id for cell in cells} | needed.keys()
    left = [cell for cell in sweep.cells if cell.id in wanted]
    total = len(left)
    failed_before = {cell.slug: store.attempt(cell) for cell in left}
    # Read before training: a commit made meanwhile is not the code that runs.
    machine = environment.describe()
    keep = frozenset(keep_weights) | needed.keys()
    worker = _Worker(
        sweep, store, device, listener, machine, failed_before, tally, keep, frozenset(needed)
    )
    said = False
    while left:
        free = [cell for cell in left if worker.settle(cell, total)]
        left = [cell for cell in left if cell not in free]
        if left and not free:
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
        lease = self.store.take(cell)
        if lease is None:
            return False
        with lease:
            if self._done(cell):
                self.store.clear(cell)
                self.tally.elsewhere.append(cell.slug)
            elif self._failed_meanwhile(cell):
                self.tally.failed.append(cell.slug)
            else:
                done = len(self.tally.trained) + len(self.tally.failed)
                done += len(self.tally.elsewhere)
                self.listener.cell_started(cell, done + 1, total)
                if self.store.has(cell):
                    self.store.begin_again(cell)
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
        now = self.store.attempt(cell)
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
        if error.filename is None or str(self.store.root) in str(error.filename):
            with self.store.writing():
                raise error

    def _fail(self, cell: Cell, error: BaseException) -> None:
        self._failed(cell, describe(error), traceback.format_exc())

    def _failed(self, cell: Cell, reason: str, text: str) -> None:
        where = self.store.fail(cell, text)
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


def train_cell(
    cell: Cell,
    sweep: Sweep,
    store: Store,
    device: torch.device,
    listener: Listener,
    machine: dict[str, Any],
    advanced: Callable[[], object],
    *,
    keep_weights: bool = False,
    again: bool = False,
) -> Record:
    """Train one cell and put its record into the store.

    Args:
        cell: the cell.
        sweep: that it is of.
        store: where its record goes, and that of its first stage is.
        device: where to train.
        listener: hears of progress.
        machine: what describes the process.
        advanced: called at each step and at each batch of an evaluation.
        keep_weights: whether the final weights are kept beside the record.
        again: whether the record takes the place of one that is there without weights.
    """
    method = sweep.methods[cell.method]
    first = _first_record(cell, sweep, store)
    marks = KeptMarks(store.root).of(sweep.dataset) if sweep.dataset.has_validation else None
    threads = torch.get_num_threads()
    try:
        with private_generators(device):
            trainer = Trainer(
                cell,
                method,
                make_hyper(method, cell.hyper),
                sweep.dataset,
                sweep.splits[cell.factor],
                device,
                sweep.weights,
                None if first is None else unpack(store.weights(first)),
                None if marks is None else marks.validation.kept("clean"),
            )
            session = {**machine, **describe_device(device)}
            if first is not None:
                session["first_stage_state_sha256"] = first.state_sha256
            outcome = trainer.run(store.running(cell), listener, session, advanced)
            facts = {**machine, **describe_device(device)}
    finally:
        torch.set_num_threads(threads)  # a resumed cell may have asked for others
    record = _record(cell, sweep, outcome, facts, marks)
    weights = pack(trainer.method, about(record)) if keep_weights else None
    store.add(
        record,
        _with_labels(Part.TEST, outcome.once(outcome.logits), sweep),
        weights,
        validation=_with_labels(Part.VALIDATION, outcome.once(outcome.validation), sweep)
        if outcome.validation
        else None,
        replace=again,
    )
    return record


def _with_labels(
    part: Part, logits: dict[str, NDArray[np.float32]], sweep: Sweep
) -> dict[str, NDArray[Any]]:
    return {LABEL: sweep.dataset.labels[sweep.dataset.indices(part)], **logits}


def _first_record(cell: Cell, sweep: Sweep, store: Store) -> Record | None:
    """Return the record of the cell that one starts from, None where it starts anew.

    Raises:
        TrainingError: that cell is not finished.
    """
    first = sweep.first_stage(cell)
    if first is None:
        return None
    record = store.find(first)
    if record is None:
        raise TrainingError(f"{cell.slug}: its first stage {first.slug} is not finished")
    return record


def _record(
    cell: Cell, sweep: Sweep, outcome: Outcome, machine: dict[str, Any], marks: Marks | None
) -> Record:
    info = sweep.methods[cell.method].info
    return Record(
        id=cell.id,
        cell=cell,
        method_title=info.title,
        method_venue=info.venue,
        classes=sweep.dataset.classes,
        notes=sweep.dataset.notes,
        history=outcome.history,
        logits=outcome.once(outcome.epochs),
        validation=outcome.once({name: outcome.epochs[name] for name in outcome.validation}),
        marks_sha256=None if marks is None else marks.digest,
        seconds={phase: round(value, 3) for phase, value in outcome.seconds.items()},
        provenance={
            **machine,
            "finished": environment.now(),
            "process_peak_memory_bytes": environment.peak_memory_bytes(),
        },
        sessions=outcome.sessions,
        state_sha256=outcome.state_sha256,
    )


def check_buildable(cells: Sequence[Cell], sweep: Sweep) -> list[str]:
    """Assemble each method once, so that what cannot work is said before any training.

    Returns:
        What there is to say of the backbones' weights, each line once.

    Raises:
        InputError: a method does not work with the backbone.
    """
    first_of = {cell.method: cell for cell in reversed(cells)}
    built: dict[tuple[str, int], Backbone] = {}
    for name, cell in first_of.items():
        protocol = cell.protocol
        method = sweep.methods[name]
        wanted = protocol.backbone.name, protocol.image.size
        with torch.random.fork_rng(devices=[]):
            if wanted not in built:  # which takes longer than all methods on it
                built[wanted] = build_backbone(*wanted, sweep.weights)
            backbone = copy.deepcopy(built[wanted])  # a method may change its own
            try:
                assemble(
                    method,
                    make_hyper(method, cell.hyper),
                    backbone,
                    sweep.dataset,
                    sweep.splits[cell.factor],
                    protocol,
                )
            except KeyboardInterrupt:
                raise
            except InputError as error:  # a value that no layer takes
                raise InputError(f"{name}: {error}") from error
            except BaseException as error:  # a fault in a new method
                raise InputError(f"{name}: {describe(error)}") from error
    notes = [b.weights_note for b in built.values()]
    notes += [_misfit(cell, sweep.methods[name]) for name, cell in first_of.items()]
    return list(dict.fromkeys(filter(None, notes)))


def _misfit(cell: Cell, method: type[Method]) -> str:
    """Return why a recipe does not fit the weights that a cell starts from, empty if it does."""
    own = cell.protocol.recipe == "authors"
    if not own or not method.authors.from_scratch or cell.weights == "scratch":
        return ""
    return (
        f"the authors of {method.info.title} train from scratch, and their rates may undo what "
        "these weights hold; '--weights scratch' begins as they do"
    )
