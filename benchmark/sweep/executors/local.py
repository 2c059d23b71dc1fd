"""This machine: cells in this process, or in several side by side that divide them by leases."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmark import environment
from benchmark.choices import CELLS_OPTION
from benchmark.engine.device import cuda_devices, free_gpu_memory_bytes, resolve_device
from benchmark.store.record import Record
from benchmark.sweep.estimate import cost_here, expected_seconds, peak_bytes
from benchmark.sweep.executors import Order
from benchmark.sweep.jobs import (
    TYPICAL_MEMORY,
    Job,
    fit_on_gpu,
    how_ended,
    run_jobs,
    share_cpu,
    share_gpus,
)
from benchmark.sweep.share import Share
from benchmark.sweep.work import train_here
from benchmark.words import count

HELP = "this machine, in one process or several"


def run(order: Order) -> bool:
    """Train the cells here and wait for them.

    Raises:
        KeyboardInterrupt: it was asked to stop; every process has ended.
        StorageError: the store cannot be written to any more.
    """
    records = order.store.records()
    jobs = share(order, records)
    device, threads = jobs[0].device, jobs[0].threads
    expected = expected_seconds(order.cells, records, device, threads)
    for line in cost_here(expected, order.cells, records, device, len(jobs)):
        order.say(line)
    if len(jobs) == 1:
        train_here(order, alone=True)
    else:
        _side_by_side(order, jobs)
    return True


def share(order: Order, records: Sequence[Record]) -> list[Job]:
    """Return the processes that share the work.

    Args:
        order: whose cells they train.
        records: finished cells, which tell how much memory one takes.
    """
    cores = environment.usable_cores()
    device = resolve_device(order.device)
    cells, wanted, per_gpu = order.cells, order.jobs, order.jobs_per_gpu
    if device.type == "cuda":
        gpus = cuda_devices() if device.index is None else [str(device)]
        if per_gpu is None:
            peak = peak_bytes(cells, records, "peak_gpu_memory_bytes")
            fit = min(fit_on_gpu(free_gpu_memory_bytes(gpu), peak) for gpu in gpus)
            per_gpu = min(fit, max(1, cores // len(gpus)))  # each needs a core to be fed by
        if wanted is not None:
            per_gpu = -(-wanted // len(gpus))
        jobs = share_gpus(min(len(cells), wanted or len(cells)), gpus, per_gpu, cores)
    elif wanted is not None or device.type != "cpu":
        number = min(wanted or 1, len(cells))
        jobs = [Job(order.device, max(1, cores // number))] * number
    else:
        needed = peak_bytes(cells, records, "process_peak_memory_bytes") or TYPICAL_MEMORY
        jobs = share_cpu(len(cells), cores, environment.free_memory_bytes(), needed)
    return [replace(job, threads=order.threads) for job in jobs] if order.threads else jobs


def _side_by_side(order: Order, jobs: Sequence[Job]) -> None:
    threads = jobs[0].threads
    order.say(f"{count(len(jobs), 'job')} side by side, {count(threads, 'CPU thread')} each")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cells.json"
        Share.of(order.cells).write(file)
        codes = run_jobs([*order.command, CELLS_OPTION, str(file)], jobs, order.say)
    if 130 in codes:
        raise KeyboardInterrupt
    for number, code in enumerate(codes, start=1):
        if code not in (0, 1):
            order.complain(f"job {number} {how_ended(code)}")
