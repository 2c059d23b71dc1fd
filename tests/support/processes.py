"""The real command line in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmark.store.record import Record
from benchmark.store.store import Store

QUICK = ("--set", "training.epochs=3", "--set", "image.size=24", "--set", "training.batch_size=48")
COMMAND = (sys.executable, "-u", "-m", "benchmark")
_STARTED: list[subprocess.Popen[str]] = []


def start(cwd: Path, *arguments: str, **options: object) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, **options,
    )  # fmt: skip
    _STARTED.append(process)
    return process


def end_all() -> None:
    """End what a failed test left running: its jobs see that and end, too."""
    while _STARTED:
        process = _STARTED.pop()
        if process.poll() is None:
            process.terminate()


def finish(process: subprocess.Popen[str], seconds: float = 300) -> tuple[int, str]:
    text, _ = process.communicate(timeout=seconds)
    return process.returncode, text


def fer_bench(cwd: Path, *arguments: str, **options: object) -> tuple[int, str]:
    return finish(start(cwd, *arguments, **options))


def outcome(root: Path) -> dict[str, tuple[object, ...]]:
    """What must not depend on how training went: weights, history and logits."""
    store = Store(root)

    def of(record: Record) -> tuple[object, ...]:
        history = [entry.model_dump(exclude={"seconds"}) for entry in record.history]
        arrays = {name: array.tobytes() for name, array in store.logits(record).items()}
        return record.state_sha256, history, record.logits, arrays

    return {record.id: of(record) for record in store.records()}
