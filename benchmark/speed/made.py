"""Stores of made-up records, to see how commands grow with their number."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.dataset import FaceDataset, Part
from benchmark.store.logits_file import LABEL, LOGITS, pack
from benchmark.store.record import Cell, Confusion, Epoch, Record
from benchmark.store.record_file import RECORD, sealed, unsealed
from benchmark.store.store import Store
from benchmark.sweep.plan import Sweep

_PACKAGES = dict.fromkeys(("torch", "torchvision", "timm", "numpy", "pandas"), "1.0.0")


def fill(store: Store, sweep: Sweep, cells: Sequence[Cell]) -> None:
    """Put a record of each cell into a store, with logits of its last epoch.

    Cells that differ only by their seed share history and logits, so that only one of them is
    written out.

    Args:
        store: where they go.
        sweep: that the cells are of.
        cells: those to be finished.
    """
    store.prepare()
    patterns: dict[tuple[str, float | None], tuple[Cell, str, bytes]] = {}
    for cell in cells:
        key = (cell.method, cell.factor)
        if key not in patterns:
            record = made_record(cell, sweep)
            content = pack(answering(record.history[-1].test))
            digest = hashlib.sha256(content).hexdigest()
            record = record.model_copy(update={"logits_sha256": digest})
            patterns[key] = cell, unsealed(record), content
        first, text, content = patterns[key]
        text = text.replace(first.id, cell.id).replace(
            f'"seed": {first.seed},', f'"seed": {cell.seed},'
        )
        folder = store.cells / cell.slug
        folder.mkdir()
        (folder / LOGITS).write_bytes(content)
        (folder / RECORD).write_text(sealed(text), encoding="utf-8")


def made_record(cell: Cell, sweep: Sweep) -> Record:
    """Return a record as training would leave it, with numbers that mean nothing."""
    rng = np.random.default_rng(0)
    epochs = cell.entries
    history = [
        Epoch(
            epoch=number + 1,
            loss={"cross_entropy": 1.0},
            lr=1e-3,
            seconds=1.0,
            images=sum(cell.class_counts),
            test=_confusion(sweep.dataset, Part.TEST, rng),
            validation=_confusion(sweep.dataset, Part.VALIDATION, rng),
        )
        for number in range(epochs)
    ]
    facts = {"device": "cpu", "threads": 1, "packages": _PACKAGES, "fer_bench": "0"}
    return Record(
        id=cell.id,
        cell=cell,
        method_title=cell.method,
        method_venue="-",
        classes=sweep.dataset.classes,
        notes=sweep.dataset.notes,
        history=history,
        logits={"last": epochs - 1},
        seconds={"train": float(epochs)},
        provenance=facts,
        sessions=[facts],
    )


def answering(confusion: Confusion, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Return labels (n,) and logits (n, K) of the last epoch that give a confusion matrix."""
    matrix = np.asarray(confusion)
    true, predicted = np.indices(matrix.shape).reshape(2, -1).repeat(matrix.reshape(-1), axis=1)
    logits = np.random.default_rng(seed).normal(size=(len(true), len(matrix)))
    logits[np.arange(len(true)), predicted] = logits.max(axis=1) + 1
    return {LABEL: true, "last": logits.astype(np.float32)}


def _confusion(dataset: FaceDataset, part: Part, rng: np.random.Generator) -> list[list[int]]:
    counts = dataset.counts(part)
    rows = [rng.multinomial(n, [1 / len(counts)] * len(counts)).tolist() for n in counts]
    return [[int(value) for value in row] for row in rows]
