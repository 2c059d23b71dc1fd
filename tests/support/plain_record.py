"""A record as a finished cell of the embedded faces would leave it, without training."""

from __future__ import annotations

import numpy as np
from sweeps import small_sweep

from benchmark.store.record import Cell, Epoch, Record


def make_record(seed: int = 0, method: str = "baseline", **cell_changes: object) -> Record:
    """A record as a finished cell would leave it, without training."""
    values = {**small_sweep_cell().model_dump(), "seed": seed, "method": method, **cell_changes}
    cell = Cell.model_validate(values)
    rng = np.random.default_rng([seed, *method.encode()])
    test = (rng.integers(0, 5, (7, 7)) + 10 * np.eye(7, dtype=int)).tolist()
    epoch = {"loss": {"cross_entropy": 1.0}, "lr": 0.1, "seconds": 1.0, "images": 10}
    return Record(
        id=cell.id,
        cell=cell,
        method_title=method.upper(),
        method_venue="-",
        classes=("neutral", "happiness", "surprise", "sadness", "anger", "fear", "disgust"),
        notes=(),
        history=[Epoch(epoch=1, test=test, **epoch), Epoch(epoch=2, test=test, **epoch)],
        logits={"last": 1},
        seconds={"train": 2.0},
        provenance={},
    )


_CELLS: list[Cell] = []


def small_sweep_cell() -> Cell:
    if not _CELLS:
        _CELLS.extend(small_sweep().cells)
    return _CELLS[0]
