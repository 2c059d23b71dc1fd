"""Processes of their own that do pieces of work when told, each with as many threads as told."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from benchmark.errors import InputError
from benchmark.interpreter import own_path
from benchmark.speed.timing import Window, work_until

Tasks = Mapping[str, Callable[[], float]]
"""What a process can do, by name; each call returns the amount of work that it did."""

_LEAD = 0.05
"""Seconds until a piece starts, so that all who work side by side have been told."""


@dataclass(frozen=True)
class Order:
    """A piece of work: a task for a stretch of time, or once where there is none."""

    task: str
    threads: int
    stretch: tuple[float, float] | None = None


class Worker(AbstractContextManager["Worker"]):
    """A process that holds tasks; it ends with its context."""

    def __init__(self, build: Callable[..., Tasks], *arguments: Any) -> None:
        """Start the process; its tasks are built while this one goes on.

        Args:
            build: a function of a module, returns the tasks.
            arguments: of it.
        """
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, build, arguments))
        with own_path():
            self._process.start()
        theirs.close()

    def ready(self) -> None:
        """Wait until the tasks are built."""
        self._answer()

    def begin(self, order: Order) -> None:
        """Tell the process what to do, and go on."""
        self._pipe.send(order)

    def end(self) -> Window:
        """Wait for what was begun last."""
        answer = self._answer()
        assert isinstance(answer, Window)
        return answer

    def once(self, task: str, threads: int) -> Window:
        """Do a task once and wait for it."""
        self.begin(Order(task, threads))
        return self.end()

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._pipe.close()  # which ends its loop
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError as error:
            self._process.join()
            raise InputError(
                f"a measuring process ended with exit code {self._process.exitcode}; "
                "its reason stands above, or memory ran out"
            ) from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def side_by_side(
    workers: Sequence[Worker], task: str, *, threads: int, seconds: float
) -> list[Window]:
    """Let workers do a task at the same time, and return what each did."""
    begin = time.monotonic() + _LEAD
    for worker in workers:
        worker.begin(Order(task, threads, (begin, begin + seconds)))
    return [worker.end() for worker in workers]


def _serve(pipe: Connection, build: Callable[..., Tasks], arguments: Sequence[Any]) -> None:
    import torch

    try:
        tasks = build(*arguments)
    except InputError as error:
        pipe.send(error)
        return
    pipe.send("ready")
    while True:
        try:
            order = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        torch.set_num_threads(order.threads)
        pipe.send(_carry_out(tasks[order.task], order.stretch))


def _carry_out(task: Callable[[], float], stretch: tuple[float, float] | None) -> Window:
    if stretch is not None:
        return work_until(task, *stretch)
    started = time.perf_counter()
    amount = task()
    return Window(amount, time.perf_counter() - started)
