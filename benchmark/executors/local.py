"""One cell after another, in this process."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from benchmark import environment
from benchmark.data.dataset import Part
from benchmark.engine.assemble import assemble
from benchmark.engine.device import describe_device, private_generators
from benchmark.engine.trainer import Listener, Outcome, Trainer
from benchmark.errors import InputError
from benchmark.models.build import build_backbone
from benchmark.record import Cell, Record
from benchmark.spec import Sweep, make_hyper
from benchmark.store import Store


class SweepListener(Listener, Protocol):
    """Hears how a sweep goes."""

    def cell_started(self, cell: Cell, number: int, total: int) -> None:
        """Hear that a cell begins; ``number`` counts from 1 among the ``total`` to be trained."""

    def cell_finished(self, record: Record) -> None:
        """Hear that a cell is in the store."""

    def cell_failed(self, cell: Cell, reason: str, where: str) -> None:
        """Hear that a cell failed and where its traceback is."""


@dataclass
class Tally:
    """What a sweep came to: slugs of cells."""

    trained: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def run_sweep(
    sweep: Sweep,
    cells: Sequence[Cell],
    store: Store,
    device: torch.device,
    listener: SweepListener,
) -> Tally:
    """Train cells of a sweep, those that the store does not hold yet.

    A cell that fails leaves its traceback in the store and the others go on.

    Args:
        sweep: what the cells are trained on.
        cells: those to train.
        store: where finished cells go.
        device: where to train.
        listener: hears of progress.

    Raises:
        InputError: the store cannot be written to, or a method cannot be built on the backbone.
    """
    store.prepare()
    check_buildable(cells, sweep)
    tally = Tally()
    # Read before training: a commit made meanwhile is not the code that runs.
    machine = environment.describe()
    for number, cell in enumerate(cells, start=1):
        listener.cell_started(cell, number, len(cells))
        try:
            record = train_cell(cell, sweep, store, device, listener, machine)
        except Exception as error:
            where = store.fail(cell, traceback.format_exc())
            listener.cell_failed(cell, f"{type(error).__name__}: {error}", str(where))
            tally.failed.append(cell.slug)
        else:
            listener.cell_finished(record)
            tally.trained.append(cell.slug)
    return tally


def train_cell(
    cell: Cell,
    sweep: Sweep,
    store: Store,
    device: torch.device,
    listener: Listener,
    machine: dict[str, Any],
) -> Record:
    """Train one cell and put its record into the store; ``machine`` describes the process."""
    method = sweep.methods[cell.method]
    with private_generators(device):
        trainer = Trainer(
            cell,
            method,
            make_hyper(method, cell.hyper),
            sweep.dataset,
            sweep.splits[cell.factor],
            device,
            sweep.weights,
        )
        outcome = trainer.run(store.running(cell), listener)
    record = _record(cell, sweep, outcome, {**machine, **describe_device(device)})
    labels = sweep.dataset.labels[sweep.dataset.indices(Part.TEST)]
    store.add(record, {"label": labels, **outcome.logits})
    return record


def _record(cell: Cell, sweep: Sweep, outcome: Outcome, machine: dict[str, Any]) -> Record:
    info = sweep.methods[cell.method].info
    return Record(
        id=cell.id,
        cell=cell,
        method_title=info.title,
        method_venue=info.venue,
        classes=sweep.dataset.classes,
        notes=sweep.dataset.notes,
        history=outcome.history,
        logits=outcome.epochs,
        seconds={phase: round(value, 3) for phase, value in outcome.seconds.items()},
        provenance={
            **machine,
            "sessions": outcome.sessions,
            "finished": environment.now(),
            "process_peak_memory_bytes": environment.peak_memory_bytes(),
        },
    )


def check_buildable(cells: Sequence[Cell], sweep: Sweep) -> None:
    """Assemble each method once, so that what cannot work is said before any training.

    Raises:
        InputError: a method does not work with the backbone.
    """
    first_of = {cell.method: cell for cell in reversed(cells)}
    for name, cell in first_of.items():
        protocol = cell.protocol_spec()
        method = sweep.methods[name]
        with torch.random.fork_rng(devices=[]):
            backbone = build_backbone(protocol.backbone.name, protocol.image.size, sweep.weights)
            try:
                assemble(
                    method,
                    make_hyper(method, cell.hyper),
                    backbone,
                    sweep.dataset,
                    sweep.splits[cell.factor],
                    protocol,
                )
            except Exception as error:  # a value that no layer takes, a fault in a new method
                raise InputError(f"{name}: {error}") from error
