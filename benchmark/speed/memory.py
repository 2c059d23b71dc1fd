"""Memory of a training process, and that it does not grow with the data set.

Each number is of a process of its own. Pages of the image file that were touched count as resident
until the system wants them back; so the anonymous memory, which is the process's own, is told too.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmark.data.cache import IMAGES, finish_entry, read_entry
from benchmark.data.dataset import EMOTIONS, FaceDataset, Part, make_dataset
from benchmark.errors import InputError
from benchmark.protocols.protocol import Protocol
from benchmark.speed.findings import Finding, Findings, finding
from benchmark.speed.setting import Setting
from benchmark.speed.steps import Steps
from benchmark.speed.worker import Tasks, Worker

GOAL_BYTES = 1.5e9
GOAL_GROWTH = 1.1
SMALL, LARGE = 10_000, 280_000
"""Images of the two sets; the larger is of AffectNet's size."""

_SIDE = 224
_STEPS = 6
_EVALUATED = 512
_KEY = "speed"


def missing() -> str | None:
    """Return why this part cannot be measured here, None where it can."""
    if Path("/proc/self/status").exists():
        return None
    return "this system does not tell a process's memory as Linux does"


def measure(setting: Setting, small: int = SMALL, large: int = LARGE) -> Findings:
    """Train some steps on the dataset, and on two empty ones of very different sizes."""
    reason = missing()
    if reason is not None:
        return Findings([], [f"skipped: {reason}"])
    protocol = setting.protocol("compact")
    # The job is one of several side by side: a thread each.
    with Worker(build, setting.load(), protocol) as worker:
        peak, anonymous = _train(worker)
    rows = [
        _gigabytes("compact: peak of a job, resident", peak, GOAL_BYTES / 1e9),
        _gigabytes("compact: peak of a job, anonymous", anonymous),
    ]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (small, large):
            entry = Path(folder) / str(count)
            write_empty_entry(entry, count)
            with Worker(build_from_entry, entry, protocol) as worker:
                found[count] = _train(worker)
            name = f"{count:,} images of {_SIDE} px: peak"
            rows.append(_gigabytes(f"{name}, resident", found[count][0]))
            rows.append(_gigabytes(f"{name}, anonymous", found[count][1]))
    growth = [found[large][1] / found[small][1]]
    what = f"anonymous memory, {large:,} against {small:,} images"
    rows.append(finding(what, "x", growth, GOAL_GROWTH, at_least=False))
    return Findings(rows, [f"{_STEPS} steps and {_EVALUATED} images evaluated, 1 thread"])


def build(dataset: FaceDataset, protocol: Protocol) -> Tasks:
    """Return training, and what of memory was used so far."""
    steps = Steps("baseline", dataset, protocol)
    return {
        "step": steps.step,
        "evaluate": lambda: steps.evaluate(_EVALUATED),
        "peak": lambda: status_bytes("VmHWM"),
        "anonymous": lambda: status_bytes("RssAnon"),
    }


def build_from_entry(entry: Path, protocol: Protocol) -> Tasks:
    """Return the same for a dataset in the cache."""
    dataset = read_entry(entry, _KEY)
    if dataset is None:
        raise InputError(f"the cache entry {entry} cannot be read back")
    return build(dataset, protocol)


def _train(worker: Worker) -> tuple[float, float]:
    """Return the peaks of resident and of anonymous memory."""
    worker.ready()
    anonymous = 0.0
    for task in (*("step",) * _STEPS, "evaluate"):
        worker.once(task, 1)
        anonymous = max(anonymous, worker.once("anonymous", 1).amount)
    return worker.once("peak", 1).amount, anonymous


def status_bytes(name: str) -> int:
    """Return a value of this process from Linux's table.

    Not what ``getrusage`` tells: a process that was started by a large one inherits its peak there.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise InputError(f"/proc/self/status does not tell {name}")


def write_empty_entry(entry: Path, count: int) -> None:
    """Write a cache entry of black images, whose file takes no room on the disk."""
    entry.mkdir(parents=True)
    shape = (count, _SIDE, _SIDE)
    with (entry / IMAGES).open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + int(np.prod(shape)))
    parts = np.full(count, Part.TRAIN, np.int8)
    parts[::40] = Part.TEST  # 40 and 7 classes have no common divisor: some of each
    dataset = make_dataset(
        "speed",
        np.load(entry / IMAGES, mmap_mode="r"),
        np.arange(count) % len(EMOTIONS),
        parts,
        EMOTIONS,
        sources=tuple(f"train/{number:07}.jpg" for number in range(count)),
        known_fingerprint="0" * 64,  # to compute it would read what is not there
    )
    finish_entry(entry, _KEY, dataset)


def _gigabytes(what: str, value: float, goal: float | None = None) -> Finding:
    return finding(what, "GB", [value / 1e9], goal, at_least=False)
