"""Steps of each method on a GPU: speed, share of its peak, waiting, memory, cells side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.data.dataset import FaceDataset
from benchmark.engine.device import DTYPES
from benchmark.engine.memory import release
from benchmark.protocols.protocol import Protocol
from benchmark.speed.findings import Finding, Findings, finding
from benchmark.speed.methods import trained
from benchmark.speed.peak import products
from benchmark.speed.setting import Setting
from benchmark.speed.steps import Steps
from benchmark.speed.timing import lap
from benchmark.speed.worker import Tasks, Worker, side_by_side

PROTOCOLS = ("paper", "compact")

SIDE_BY_SIDE = (1, 2, 4)
"""Cells on one GPU."""

_SIDE = 8192  # of the matrices whose product is the peak; smaller ones do not fill a large GPU
_STEPS = 10  # between two looks at the clock, each of which waits for the GPU
_WARM_UP = 3
_ROUNDS = 4


def missing() -> str | None:
    """Return why this part cannot be measured here, None where it can."""
    return None if torch.cuda.is_available() else "no CUDA device here"


def measure(setting: Setting) -> Findings:
    """Measure the first GPU; without one, say so."""
    reason = missing()
    if reason is not None:
        return Findings([], [f"skipped: {reason}"])
    device = torch.device("cuda:0")
    dataset, names = setting.load(), trained()
    rows: list[Finding] = []
    remarks = [f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"]
    peaks: dict[str, float] = {}
    for chosen in PROTOCOLS:
        protocol = setting.protocol(chosen)
        seconds = setting.seconds / (len(names) * len(PROTOCOLS))
        for name in names:
            steps = Steps(name, dataset, protocol, device)
            if steps.precision not in peaks:
                row = _peak(steps.precision, device)
                rows.append(row)
                peaks[steps.precision] = row.value.best
            found, waits = _method(name, steps, device, seconds, peaks[steps.precision])
            rows += [replace(row, what=f"{chosen}, {row.what}") for row in found]
            remarks.append(f"{chosen}, {name}: {waits or 'no step waits for the GPU'}")
            del steps
            release()
        together = _cells_together(dataset, protocol, setting.seconds)
        rows += [replace(row, what=f"{chosen}, {row.what}") for row in together]
    return Findings(rows, [*remarks, "operations are those that a step asks for, as torch counts"])


def _peak(precision: str, device: torch.device) -> Finding:
    """Measure products of large matrices in the precision of a backbone."""
    dtype = DTYPES[precision] or torch.float32
    task = products(dtype, device, _SIDE)
    amount = task()

    def work() -> None:
        task()
        torch.cuda.synchronize(device)

    work()
    rates = [amount / lap(work) for _ in range(_ROUNDS)]
    return finding(f"{precision} product of {_SIDE} x {_SIDE} matrices", "GFLOP/s", rates)


def _method(
    name: str, steps: Steps, device: torch.device, seconds: float, peak: float
) -> tuple[list[Finding], str | None]:
    for _ in range(_WARM_UP):
        steps.step()
    waits = waits_for_gpu(steps.step)
    gflop = step_gflop(steps)
    several = _several(steps)
    rates: list[float] = []
    until = time.perf_counter() + seconds
    while len(rates) < _ROUNDS or time.perf_counter() < until:
        rates.append(_STEPS / lap(several))
    size = len(steps.orders[0])
    memory = torch.cuda.max_memory_allocated(device)
    return [
        finding(f"{name}: images ({steps.precision})", "images/s", [size * rate for rate in rates]),
        finding(f"{name}: share of the peak", "x", [gflop * rate / peak for rate in rates]),
        finding(f"{name}: peak memory", "GB", [memory / 1e9], at_least=False),
    ], waits


def step_gflop(steps: Steps) -> float:
    """Return the operations of a step, forward and backward, in GFLOP."""
    with FlopCounterMode(display=False) as counter:
        steps.step()
    return float(counter.get_total_flops()) / 1e9


def waits_for_gpu(step: Callable[[], object]) -> str | None:
    """Return what makes a step wait for the GPU, None where nothing does."""
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    except RuntimeError as error:
        text = str(error).partition("\n")[0]
        if "synchroniz" not in text:  # an error of its own
            raise
        return text
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    return None


def build(dataset: FaceDataset, protocol: Protocol) -> Tasks:
    """Return some steps of the baseline on the first GPU."""
    steps = Steps("baseline", dataset, protocol, torch.device("cuda:0"))
    return {"steps": _several(steps)}


def _several(steps: Steps) -> Callable[[], float]:
    """Return a task of some steps, which waits for the GPU once at its end."""

    def work() -> float:
        images = sum(steps.step() for _ in range(_STEPS))
        torch.cuda.synchronize()
        return images

    return work


def _cells_together(dataset: FaceDataset, protocol: Protocol, seconds: float) -> Sequence[Finding]:
    """Measure the images a second of several cells on one GPU, all of them together."""
    rates: dict[int, list[float]] = {number: [] for number in SIDE_BY_SIDE}
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(build, dataset, protocol)) for _ in range(max(SIDE_BY_SIDE))
        ]
        for worker in workers:
            worker.ready()
            worker.once("steps", 1)
        piece = seconds / (_ROUNDS * len(SIDE_BY_SIDE))
        for _ in range(_ROUNDS):
            for number, found in rates.items():
                windows = side_by_side(workers[:number], "steps", threads=1, seconds=piece)
                found.append(sum(window.rate for window in windows))
    rows = []
    for number, found in rates.items():
        rows.append(finding(f"baseline, {number} side by side: images", "images/s", found))
        gain = [many / one for many, one in zip(found, rates[SIDE_BY_SIDE[0]], strict=True)]
        rows.append(finding(f"baseline, {number} side by side against 1", "x", gain))
    return rows
