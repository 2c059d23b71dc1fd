"""One cell: its trainer is made, and what comes of it goes into the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark import environment
from benchmark.data.dataset import Part
from benchmark.data.marks import Marks
from benchmark.engine.device import describe_device, private_generators
from benchmark.engine.final_weights import pack, unpack
from benchmark.engine.outcome import Listener, Outcome
from benchmark.engine.trainer import Trainer
from benchmark.errors import TrainingError
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.logits_file import LABEL
from benchmark.store.model_card import about
from benchmark.store.record import Cell, Record
from benchmark.store.store import Store
from benchmark.sweep.plan import Sweep, make_hyper


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
            outcome = trainer.run(store.begun.folder(cell), listener, session, advanced)
            facts = {**machine, **describe_device(device)}
    finally:
        torch.set_num_threads(threads)  # a resumed cell may have asked for others
    record = _record(cell, sweep, outcome, facts, marks)
    shape = sweep.dataset.images.shape[1:]
    weights = pack(trainer.method, about(record, shape)) if keep_weights else None
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
