"""Steps of each method under `paper` on a GPU: speed, waiting, memory, and cells side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch

from benchmark.data.dataset import FaceDataset
from benchmark.engine.memory import release
from benchmark.protocols.protocol import Protocol
from benchmark.speed.findings import Finding, Findings, finding
from benchmark.speed.setting import Setting
from benchmark.speed.steps import Steps
from benchmark.speed.timing import lap
from benchmark.speed.worker import Tasks, Worker, side_by_side
from methods import registry

SIDE_BY_SIDE = (1, 2, 4)
"""Cells on one GPU."""

_STEPS = 10  # between two looks at the clock, each of which waits for the GPU
_WARM_UP = 3
_ROUNDS = 4


def measure(setting: Setting) -> Findings:
    """Measure the first GPU; without one, say so."""
    if not torch.cuda.is_available():
        return Findings([], ["skipped: no CUDA device here"])
    device = torch.device("cuda:0")
    dataset, protocol = setting.load(), setting.protocol("paper")
    rows: list[Finding] = []
    remarks = [f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"]
    for name in registry.every()[0]:
        found, waits = _method(name, dataset, protocol, device, setting.seconds)
        rows += found
        remarks.append(f"{name}: {waits or 'no step waits for the GPU'}")
        release()
    rows += _cells_together(dataset, protocol, setting.seconds)
    return Findings(rows, remarks)


def _method(
    name: str, dataset: FaceDataset, protocol: Protocol, device: torch.device, seconds: float
) -> tuple[list[Finding], str | None]:
    steps = Steps(name, dataset, protocol, device)
    for _ in range(_WARM_UP):
        steps.step()
    waits = waits_for_gpu(steps.step)
    several = _several(steps)
    rates: list[float] = []
    until = time.perf_counter() + seconds / len(registry.every()[0])
    while len(rates) < _ROUNDS or time.perf_counter() < until:
        rates.append(_STEPS * protocol.training.batch_size / lap(several))
    peak = torch.cuda.max_memory_allocated(device)
    return [
        finding(f"{name}: images ({steps.precision})", "images/s", rates),
        finding(f"{name}: peak memory", "GB", [peak / 1e9], at_least=False),
    ], waits


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
