"""What runs on a node: it plans again, refuses what differs, and trains the cells of a job."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from benchmark.errors import InputError, StorageError
from benchmark.sweep.nodes.code import code_digest
from benchmark.sweep.nodes.depot import Reached
from benchmark.sweep.nodes.job import Ended, Job, Node
from benchmark.sweep.nodes.line import Line
from benchmark.sweep.plan import Sweep


def train(job: Job, attempt: int, depot: Reached, node: Node) -> Ended:
    """Train a job's cells in this process.

    Args:
        job: what is to be trained.
        attempt: which handing out of the job this is.
        depot: where the driver looks for what is told.
        node: that this process runs on.

    Raises:
        Interrupted: the driver waits for this attempt no more.
    """
    sys.path += [place for place in job.path if place not in sys.path]
    sys.argv[1:] = job.command  # this process has no command line of its own for the records
    with Line(job, attempt, depot) as line:
        line.tell("begun", node, os.getpid())
        try:
            return _train(job, depot, line)
        except InputError as error:
            return Ended(refused=str(error), node=node)
        except StorageError as error:
            if job.sign is not None:
                return Ended(fault=str(error))
            return Ended(refused=str(error), node=node)  # its own disk is at fault


def _train(job: Job, depot: Reached, line: Line) -> Ended:
    import torch

    from benchmark.engine.device import be_deterministic, resolve_device
    from benchmark.sweep.work import run_sweep

    if code_digest() != job.code:
        raise InputError("its fer-bench is other code than the driver's; install the same there")
    device = resolve_device(job.device)
    sweep = _planned(pickle.dumps(job.replan))
    cells = job.find(sweep)
    torch.set_num_threads(job.threads)
    if job.deterministic:
        be_deterministic(device)
    with _store(job, depot) as root:
        from benchmark.store.store import Store

        store = Store(root)
        line.watch(store, cells)
        keep = [cell.id for cell in cells] if job.keep_weights else []
        tally = run_sweep(sweep, cells, store, device, line, keep_weights=keep, wait=0)
    return Ended(held=tuple(tally.held))


@lru_cache(maxsize=1)
def _planned(replan: bytes) -> Sweep:
    """Return the plan, made once in this process for all jobs of a run."""
    sweep: Sweep = pickle.loads(replan)()
    return sweep


@contextmanager
def _store(job: Job, depot: Reached) -> Iterator[Path]:
    """Give the folder of the store to train in: the one that all share, or one of the job's own.

    Raises:
        InputError: this node does not see the driver's folder.
    """
    if job.sign is not None:
        root = Path(job.root)
        if not (root / job.sign).exists():
            raise InputError(
                f"it does not see the driver's folder {root}; share it, or give --ray-storage "
                "driver"
            )
        yield root
        return
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
        for name, content in depot.read(job.seeds).items():
            file = Path(folder) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        yield Path(folder)
