"""Small sweeps for tests: few drawn faces, the smoke protocol cut short."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

import methods
from benchmark.data.dataset import FaceDataset
from benchmark.data.synthetic import synthetic_dataset
from benchmark.protocols import load_protocol
from benchmark.store.record import Cell, Epoch, Record
from benchmark.store.store import Store
from benchmark.sweep.plan import Sweep, plan
from benchmark.sweep.work import Tally, run_sweep
from methods.base import Progress

CPU = torch.device("cpu")
SHORT = ("training.epochs=2", "training.batch_size=32", "image.size=32")


class Silent:
    """A listener that remembers, and that can interrupt as Ctrl-C would."""

    def __init__(self, interrupt_after: int | None = None) -> None:
        self.started: list[str] = []
        self.failures: list[str] = []
        self.epochs = 0
        self.interrupt_after = interrupt_after

    def cell_started(self, cell: Cell, number: int, total: int) -> None:
        self.started.append(cell.slug)

    def stepped(self, progress: Progress, steps: int, loss: float, rate: float) -> None:
        if self.interrupt_after is not None and self.epochs >= self.interrupt_after:
            raise KeyboardInterrupt

    def evaluated(self, epoch: Epoch) -> None:
        self.epochs += 1

    def waiting(self, cells: int) -> None:
        pass

    def cell_finished(self, record: Record) -> None:
        pass

    def cell_failed(self, cell: Cell, reason: str, where: str) -> None:
        self.failures.append(reason)


def small_faces() -> FaceDataset:
    return synthetic_dataset(train=24, validation=(4,) * 7, test=(5,) * 7)


def small_sweep(
    names: Sequence[str] = ("baseline",),
    *,
    factors: Sequence[float | None] = (10.0,),
    seeds: Sequence[int] = (0,),
    overrides: Sequence[str] = (),
    dataset: FaceDataset | None = None,
) -> Sweep:
    return plan(
        dataset or small_faces(),
        {name: methods.get(name) for name in names},
        factors,
        seeds,
        load_protocol("smoke", [*SHORT, *overrides]),
        weights="scratch",
        precision="fp32",
    )


def run(sweep: Sweep, root: Path, listener: Silent | None = None) -> Tally:
    store = Store(root)
    return run_sweep(sweep, store.missing(sweep.cells), store, CPU, listener or Silent())


def kept(root: Path, sweep: Sweep) -> Store:
    """Train a sweep and keep all final weights."""
    store = Store(root)
    ids = [cell.id for cell in sweep.cells]
    run_sweep(sweep, store.missing(sweep.cells), store, CPU, Silent(), keep_weights=ids)
    return store
