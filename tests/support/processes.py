"""The real command line in processes of its own.

Most of what such a process takes is to import torch and timm, so all but a few are forked from one
that has done so. What depends on the interpreter's own start gets a process from the beginning.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import subprocess
import sys
import threading
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Protocol

import pytest

from benchmark.store.record import Record
from benchmark.store.store import Store

QUICK = ("--set", "training.epochs=3", "--set", "image.size=16", "--set", "training.batch_size=96")
COMMAND = (sys.executable, "-u", "-m", "benchmark")
_STARTED: list[Process] = []


class Process(Protocol):
    """What is common to a process from the beginning and a forked one."""

    pid: int
    returncode: int | None
    stdout: Any

    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def terminate(self) -> None: ...
    def send_signal(self, sig: int, /) -> None: ...
    def communicate(self, *, timeout: float | None = None) -> tuple[str, Any]: ...


def start(cwd: Path, *arguments: str, forked: bool = True, **options: Any) -> Process:
    """Start a command; not forked if it is given options of ``Popen`` or settings of Python."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process: Process
    same = not options and _of_python(env) == _OF_PYTHON
    if forked and same and sys.platform == "linux":  # elsewhere libraries may not bear a fork
        process = _Forked(cwd, env, arguments)
    else:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd, env=env,
            **options,
        )  # fmt: skip
    _STARTED.append(process)
    return process


def end_all() -> None:
    """End what a failed test left running: its jobs see that and end, too."""
    while _STARTED:
        process = _STARTED.pop()
        if process.poll() is None:
            process.terminate()


def finish(process: Process, seconds: float = 300) -> tuple[int, str]:
    text, _ = process.communicate(timeout=seconds)
    assert process.returncode is not None
    return process.returncode, text


def fer_bench(cwd: Path, *arguments: str, **options: Any) -> tuple[int, str]:
    return finish(start(cwd, *arguments, **options))


def outcome(root: Path) -> dict[str, tuple[object, ...]]:
    """What must not depend on how training went: weights, history and logits."""
    store = Store(root)

    def of(record: Record) -> tuple[object, ...]:
        history = [entry.model_dump(exclude={"seconds"}) for entry in record.history]
        arrays = {name: array.tobytes() for name, array in store.logits(record).items()}
        return record.state_sha256, history, record.logits, arrays

    return {record.id: of(record) for record in store.records()}


def _of_python(env: dict[str, str]) -> dict[str, str]:
    """Return what an interpreter reads of its environment when it starts."""
    return {name: env[name] for name in sorted(env) if name.startswith(("PYTHON", "LC_", "LANG"))}


_OF_PYTHON = _of_python(dict(os.environ))


@cache
def _server() -> ForkServerContext:
    """Start the process that has imported what is slow to import."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "torchvision", "timm", "pandas", "pydantic", "jinja2"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # which is read as torch is imported
        forkserver.ensure_running()
    return context


class _Forked:
    """A forked command, with what tests use of ``Popen``."""

    def __init__(self, cwd: Path, env: dict[str, str], arguments: tuple[str, ...]) -> None:
        ours, its = _server().Pipe(duplex=False)
        self._process = _server().Process(target=_main, args=(its, str(cwd), env, arguments))
        self._process.start()
        its.close()
        self.stdout = os.fdopen(os.dup(ours.fileno()), encoding="utf-8")
        ours.close()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()

    def send_signal(self, sig: int, /) -> None:
        if self.returncode is None:
            os.kill(self.pid, sig)

    def communicate(self, *, timeout: float | None = None) -> tuple[str, None]:
        seconds = threading.TIMEOUT_MAX if timeout is None else timeout
        expired = threading.Event()

        def end() -> None:
            expired.set()
            self.kill()

        late = threading.Timer(seconds, end)
        late.start()
        try:
            with self.stdout:
                text = self.stdout.read()
            self._process.join()
            if expired.is_set():
                raise subprocess.TimeoutExpired("fer-bench", seconds, text)
        finally:
            late.cancel()
        return text, None


def _main(output: Connection, cwd: str, env: dict[str, str], arguments: tuple[str, ...]) -> None:
    """Be ``python -u -m benchmark`` in a process that has just been forked."""
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", buffering=1, closefd=False)
    sys.path[:] = [folder for folder in sys.path if not folder.startswith(str(_TESTS))]
    sys.argv = ["fer-bench", *arguments]
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    from benchmark.cli import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()


_TESTS = Path(__file__).parents[1]
