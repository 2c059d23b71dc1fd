"""Several jobs side by side: each is a process of its own that takes cells by their leases.

On a CPU one thread a job beats one job with all threads, since threads of one job wait for each
other at the end of every layer. Jobs know nothing of each other: when one dies, the others train
its cell.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from benchmark.interpreter import fer_bench_command

TYPICAL_MEMORY = 3 << 29
"""Bytes that a job takes where no record tells: what `compact` takes at most."""

_SHARE_OF_GPU = 0.9  # the rest is for what the driver keeps
_CUDA_CONTEXT = 1 << 30  # a process's own, which torch does not count: some hundred MB, rounded up

_HINTS = {
    getattr(signal, name): hint
    for name, hint in (
        ("SIGKILL", "as systems do that run out of memory; try fewer --jobs"),
        ("SIGBUS", "the decoded images could not be read; look at the disk of --cache-dir"),
    )
    if hasattr(signal, name)  # Windows has neither
}
"""What most often lies behind a signal, as a process that it kills cannot say."""


@dataclass(frozen=True)
class Job:
    """What one process is given: its device and its CPU threads."""

    device: str
    threads: int


def share_cpu(cells: int, cores: int, free_bytes: int | None, cell_bytes: int) -> list[Job]:
    """Return a job a core, as far as there are cells and memory for them.

    Args:
        cells: how many are to be trained.
        cores: that this process may use.
        free_bytes: of memory, None where unknown.
        cell_bytes: that a job takes.
    """
    fit = cores if free_bytes is None else max(1, free_bytes // cell_bytes)
    jobs = max(1, min(cells, cores, fit))
    return [Job("cpu", max(1, cores // jobs))] * jobs


def share_gpus(cells: int, gpus: Sequence[str], per_gpu: int, cores: int) -> list[Job]:
    """Return jobs dealt out over GPUs in turn, no more than cells.

    Args:
        cells: how many are to be trained.
        gpus: names of devices.
        per_gpu: jobs on each.
        cores: that this process may use.
    """
    jobs = max(1, min(cells, per_gpu * len(gpus)))
    return [Job(gpus[number % len(gpus)], max(1, cores // jobs)) for number in range(jobs)]


def fit_on_gpu(free_bytes: int, peak_bytes: int | None) -> int:
    """Return how many cells fit on a GPU side by side: one where no record tells their peak.

    Args:
        free_bytes: of the GPU.
        peak_bytes: that torch took for a cell; CUDA itself takes more for each process.
    """
    if not peak_bytes:
        return 1
    return max(1, int(free_bytes * _SHARE_OF_GPU) // (peak_bytes + _CUDA_CONTEXT))


def run_jobs(command: Sequence[str], jobs: Sequence[Job], say: Callable[[str], None]) -> list[int]:
    """Run a command in several processes and return their exit codes, negative for a signal.

    An interruption reaches all of them, a second one kills them, and all have ended when this
    returns or raises.

    Args:
        command: of ``fer-bench``, without its name.
        jobs: one process each, which gets its device and threads as options.
        say: takes each line that a process prints, with the job's number in front.

    Raises:
        KeyboardInterrupt: after the processes have ended.
    """
    processes: list[subprocess.Popen[str]] = []
    readers: list[threading.Thread] = []
    with _ended(processes):
        for number, job in enumerate(jobs, start=1):
            processes.append(_start(command, job))
            relayed = processes[-1].stdout, f"[job {number}] ", say
            readers.append(threading.Thread(target=_relay, args=relayed))
            readers[-1].start()
        codes = [process.wait() for process in processes]
    for reader in readers:
        reader.join()
    return codes


def how_ended(code: int) -> str:
    """Return in words how a process ended that was not done; ``code`` is negative for a signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    hint = _HINTS.get(-code, "")
    name = signal.strsignal(-code) or "unknown"
    return f"was killed by signal {-code} ({name}{': ' if hint else ''}{hint})"


def _start(command: Sequence[str], job: Job) -> subprocess.Popen[str]:
    extra = ["--jobs", "1", "--threads", str(job.threads), "--device", job.device]
    return subprocess.Popen(
        fer_bench_command([*command, *extra]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={
            **os.environ,
            "OMP_NUM_THREADS": str(job.threads),
            "PYTHONIOENCODING": "utf-8",  # between us, whatever the terminal takes
        },
        start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on once
    )


@contextmanager
def _ended(processes: Sequence[subprocess.Popen[str]]) -> Iterator[None]:
    """Pass an interruption on and wait: a job ends within a step and keeps its checkpoint."""
    try:
        yield
    except BaseException:
        _end(processes)
        raise


def _end(processes: Sequence[subprocess.Popen[str]]) -> None:
    """End all processes: politely, or at once where one more interruption asks for it."""
    first, later = subprocess.Popen.terminate, subprocess.Popen.kill
    for how in itertools.chain([first], itertools.repeat(later)):
        try:
            for process in processes:
                how(process)
            for process in processes:
                process.wait()
            return
        except KeyboardInterrupt:  # a job may hang: what its checkpoints hold is kept
            continue


def _relay(lines: IO[str] | None, prefix: str, say: Callable[[str], None]) -> None:
    for line in lines or ():
        # Where nobody listens any more, jobs must still be able to print, or they stand still.
        with suppress(OSError):
            say(prefix + line.rstrip("\n"))
