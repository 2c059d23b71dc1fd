"""Training for those who do not want to leave Python."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.analysis.frame import tidy
from benchmark.choices import SYNTHETIC
from benchmark.commands.sweep import SweepChoice, chosen_methods
from benchmark.data.imbalance import parse_factor
from benchmark.engine.device import resolve_device
from benchmark.errors import TrainingError
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.ledger import without_tries
from benchmark.store.store import Store
from benchmark.sweep.stages import work
from benchmark.sweep.work import SweepListener, run_sweep
from benchmark.words import count

if TYPE_CHECKING:
    from benchmark.store.record import Cell, Epoch, Record
    from methods.base import Method, Progress


def run(
    methods: str | type[Method] | Sequence[str | type[Method]] = "all",
    *,
    factors: Sequence[float | str | None] = (50, 100, 150),
    seeds: Sequence[int] = (0,),
    dataset: str = SYNTHETIC,
    data_root: str | os.PathLike[str] | None = None,
    protocol: str | None = None,
    overrides: Sequence[str] = (),
    weights: str | None = None,
    device: str = "auto",
    precision: str | None = None,
    results: str | os.PathLike[str] = "results/runs",
    keep_weights: bool = False,
    progress: bool = False,
) -> pd.DataFrame:
    """Train every cell of methods x factors x seeds that the store does not hold; return all.

    They are trained one after another in this process; ``fer-bench run`` has more options and
    divides cells among processes and machines, also with this one at work on the same store.

    Args:
        methods: names, sets of them (``paper``, ``longtail``, ``all``), ``package.module:Class``,
            or classes.
        factors: imbalance factors; None or ``full`` is the unmodified set.
        seeds: training seeds.
        dataset: its name; by default the drawn faces.
        data_root: the folder of its files.
        protocol: its name or a TOML file; by default ``smoke`` for the drawn faces, else
            ``compact``.
        overrides: values to change, as ``training.epochs=2``.
        weights: what the backbone starts from: a file, ``timm`` or ``scratch``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``xpu``; only ``cpu``
            has been run so far.
        precision: of the backbone; None for the protocol's.
        results: the store.
        keep_weights: keep the final weights beside the records, for ``load_model``.
        progress: show how training goes, as the command does.

    Returns:
        A row for each cell that was asked for, as :func:`fer_bench.load_results` has it, without
        tries of ``fer-bench tune``.

    Warns:
        UserWarning: says how many tries were left out, and which cells have no weights.

    Raises:
        InputError: anything that was asked for does not exist or does not fit.
        TrainingError: a cell failed; the others are in the store.
        StorageError: the store cannot be written to.
    """
    chosen = chosen_methods([methods] if isinstance(methods, str | type) else list(methods))
    choice = SweepChoice(
        methods=tuple(chosen),
        factors=tuple(f if f is None else parse_factor(str(f), "factors") for f in factors),
        seeds=tuple(seeds),
        dataset=dataset,
        classes=None,
        data_root=None if data_root is None else Path(data_root),
        holdout=None,
        resize=None,
        cache_dir=None,
        protocol_name=protocol,
        recipe="shared",
        weights=weights,
        overrides=tuple(overrides),
        device=device,
        precision=precision,
        cut_head=False,
    )
    sweep = choice.plan(methods=chosen)
    store = Store(Path(results))
    todo = work(sweep.cells, sweep, store).missing
    store.prepare()
    KeptMarks(store.root).of(sweep.dataset)
    keep = [cell.id for cell in todo] if keep_weights else []
    with _listener(progress) as listener:
        tally = run_sweep(sweep, todo, store, resolve_device(device), listener, keep_weights=keep)
    if tally.failed:
        raise TrainingError(
            f"{count(len(tally.failed), 'cell')} failed: {', '.join(tally.failed)}; "
            f"tracebacks are in {store.root / 'failed'}"
        )
    asked = [cell for cell in sweep.cells if cell.method in chosen]
    found = [record for cell in asked if (record := store.find(cell)) is not None]
    bare = [record.cell.slug for record in found if not store.has_weights(record)]
    if keep_weights and bare:
        warnings.warn(
            f"finished without weights, and left as they are: {', '.join(bare)}", stacklevel=2
        )
    results_only = without_tries(found, store.root)
    if len(results_only) < len(found):
        tries = count(len(found) - len(results_only), "try", "tries")
        warnings.warn(f"left out: {tries} of 'fer-bench tune'", stacklevel=2)
    return tidy(results_only, ("last",))


def _listener(progress: bool) -> AbstractContextManager[SweepListener]:
    if not progress:
        return nullcontext(_Silent())
    from benchmark.commands.progress import make_listener

    return make_listener(True)


class _Silent:
    """Hears how a sweep goes and says nothing."""

    def cell_started(self, cell: Cell, number: int, total: int) -> None:
        pass

    def stepped(self, progress: Progress, steps: int, loss: float, rate: float) -> None:
        pass

    def evaluated(self, epoch: Epoch) -> None:
        pass

    def cell_finished(self, record: Record) -> None:
        pass

    def cell_failed(self, cell: Cell, reason: str, where: str) -> None:
        pass

    def waiting(self, cells: int) -> None:
        pass
