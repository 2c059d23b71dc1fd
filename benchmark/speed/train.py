"""Training steps of the baseline under `compact`: alone with all threads, with one, and two jobs.

Rates of two jobs are counted while both work. The peak is measured in the same processes, just
before and after the steps, in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmark import environment
from benchmark.data.dataset import FaceDataset
from benchmark.protocols.protocol import Protocol
from benchmark.speed.findings import Finding, Findings, finding
from benchmark.speed.operations import PASSES, step_operations
from benchmark.speed.peak import peak_dtype, products
from benchmark.speed.setting import Setting
from benchmark.speed.steps import Steps
from benchmark.speed.timing import Window
from benchmark.speed.worker import Tasks, Worker, side_by_side

JOBS = 2
GOAL = 0.75
"""Of the peak of matrix products."""

_STEPS_SHARE, _PEAK_SHARE = 0.8, 0.1  # of a piece; the peak is measured on both sides
_PIECES = 12  # of the whole time: three ways, four rounds
_LEAST_ROUNDS = 3


@dataclass(frozen=True)
class Way:
    """Some workers with some threads each."""

    name: str
    workers: Sequence[Worker]
    threads: int


@dataclass(frozen=True)
class Round:
    """One piece of one way: images a second, and GFLOP/s of the peak beside it."""

    images: float
    peak: float


def measure(setting: Setting) -> Findings:
    """Measure the three ways in turns."""
    cores = environment.usable_cores()
    dataset, protocol = setting.load(), setting.protocol("compact")
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(build, dataset, protocol)) for _ in range(JOBS)]
        for worker in workers:
            worker.ready()
        ways = [
            Way(f"one job, {cores} threads", workers[:1], cores),
            Way("one job, 1 thread", workers[:1], 1),
            Way(f"{JOBS} jobs, 1 thread each", workers, 1),
        ]
        for way in ways:  # once to warm up
            for worker in way.workers:
                worker.once("step", way.threads)
        piece = setting.seconds / _PIECES
        rounds: dict[str, list[Round]] = {way.name: [] for way in ways}
        for number in range(max(_LEAST_ROUNDS, _PIECES // len(ways))):
            for way in ways if number % 2 == 0 else reversed(ways):
                rounds[way.name].append(_round(way, piece))
    return _findings(rounds, step_operations(protocol) / 1e9, ways[0].name)


def build(dataset: FaceDataset, protocol: Protocol) -> Tasks:
    """Return what a worker of this part can do."""
    return {"step": Steps("baseline", dataset, protocol).step, "peak": products(peak_dtype())}


def _round(way: Way, seconds: float) -> Round:
    def rate(task: str, share: float) -> float:
        windows = side_by_side(way.workers, task, threads=way.threads, seconds=share * seconds)
        return together(windows)

    before = rate("peak", _PEAK_SHARE)
    images = rate("step", _STEPS_SHARE)
    return Round(images, (before + rate("peak", _PEAK_SHARE)) / 2)


def together(windows: Sequence[Window]) -> float:
    """Return the work a second of all windows together."""
    return sum(window.rate for window in windows)


def _findings(rounds: dict[str, list[Round]], gflop: float, alone: str) -> Findings:
    rows: list[Finding] = []
    shares = {
        name: [gflop * each.images / each.peak for each in found] for name, found in rounds.items()
    }
    rows += [
        finding(f"{name}: images", "images/s", [each.images for each in found])
        for name, found in rounds.items()
    ]
    rows += [
        finding(f"{name}: operations", "GFLOP/s", [gflop * each.images for each in found])
        for name, found in rounds.items()
    ]
    fastest = max(rows[: len(rounds)], key=lambda row: row.value.median)
    name = fastest.what.rpartition(":")[0]
    for each in rounds:
        goal = GOAL if each == name else None
        rows.append(finding(f"{each}: share of the peak", "x", shares[each], goal))
    for each in rounds:
        if each != alone:
            pairs = zip(rounds[each], rounds[alone], strict=True)
            gain = [one.images / other.images for one, other in pairs]
            rows.append(finding(f"{each}: images against {alone}", "x", gain))
    return Findings(
        rows,
        [f"fastest: {name}", f"a step counts {gflop:.2f} GFLOP an image: {PASSES} forward passes"],
    )
