"""A node's line to the driver: what happens there, told once a second, and that it lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmark.errors import describe
from benchmark.interrupt import Interrupted
from benchmark.store import lease
from benchmark.store.record import Cell, Epoch, Record
from benchmark.store.store import Store
from benchmark.sweep.nodes.depot import Event, Reached
from benchmark.sweep.nodes.job import Job
from methods.base import Progress

_EVERY = 1.0
"""Seconds between two looks at what there is to send."""


@dataclass
class Line:
    """Hears of training (:class:`benchmark.sweep.work.SweepListener`) and passes it on.

    Sending has a thread of its own, so that training never waits for the network.

    Attributes:
        job: that is trained.
        attempt: which one this is.
        depot: where the driver looks for what is told.
    """

    job: Job
    attempt: int
    depot: Reached
    _events: list[Event] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _over: str | None = None
    _store: Store | None = None
    _cells: Sequence[Cell] = ()
    _sent: dict[str, tuple[int, int]] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._send_on, name="line", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._over is None:
            self._send(always=True)

    def watch(self, store: Store, cells: Sequence[Cell]) -> None:
        """Say where the cells are trained from now on."""
        self._cells, self._store = cells, store

    def tell(self, name: str, *what: Any) -> None:
        """Tell the driver what happened.

        Raises:
            Interrupted: the driver waits for this attempt no more.
        """
        if self._over is not None:
            raise Interrupted(self._over)
        with self._lock:
            self._events.append((name, *what))

    def cell_started(self, cell: Cell, number: int, total: int) -> None:
        """Pass it on."""
        self.tell("cell_started", cell, number, total)

    def stepped(self, progress: Progress, steps: int, loss: float, rate: float) -> None:
        """Pass it on."""
        self.tell("stepped", progress, steps, loss, rate)

    def evaluated(self, epoch: Epoch) -> None:
        """Pass it on."""
        self.tell("evaluated", epoch)

    def cell_finished(self, record: Record) -> None:
        """Pass it on, with its files where the driver does not see them."""
        if self.job.sign is None:
            store = self._folder()
            folder = store.cells / record.cell.slug
            files = {path.name: path.read_bytes() for path in folder.iterdir()}
            self.tell("delivered", store.find(record.cell), files)
        else:
            self.tell("cell_finished", record)

    def cell_failed(self, cell: Cell, reason: str, where: str) -> None:
        """Pass it on, with its traceback where the driver does not see it."""
        if self.job.sign is None:
            text = Path(where).read_text(encoding="utf-8", errors="replace")
            self.tell("broke", cell, reason, text)
        else:
            self.tell("cell_failed", cell, reason, where)

    def waiting(self, cells: int) -> None:
        """Keep it: whoever drives waits for cells that others hold."""

    def _folder(self) -> Store:
        assert self._store is not None  # nothing is trained before `watch`
        return self._store

    def _send_on(self) -> None:
        """Send until training ends; a driver that is gone ends training."""
        beaten = 0.0
        while self._over is None and not self._stop.wait(_EVERY):
            due = time.monotonic() - beaten >= lease.BEAT and self._seems_to_advance()
            try:
                self._send_checkpoints()
                self._send(always=due)
            except Exception as error:  # whatever way there is to reach the driver, it is shut
                self._over = f"the driver cannot be reached: {describe(error)}"
            if due:
                beaten = time.monotonic()

    def _send(self, *, always: bool) -> None:
        with self._lock:
            events, self._events = self._events, []
        if events or always:
            self._heed(self.depot.tell(self.job.number, self.attempt, events))

    def _send_checkpoints(self) -> None:
        for cell in self._cells if self.job.sign is None else ():
            file = self._folder().begun.folder(cell) / "checkpoint.pt"
            try:
                facts = file.stat()
                version = facts.st_ino, facts.st_mtime_ns
                if self._sent.get(cell.slug) == version:
                    continue
                content = file.read_bytes()
            except FileNotFoundError:
                continue
            self._heed(self.depot.keep(self.job.number, self.attempt, cell.slug, content))
            self._sent[cell.slug] = version

    def _heed(self, counts: bool) -> None:
        if not counts:
            self._over = "the driver has handed these cells out again"

    def _seems_to_advance(self) -> bool:
        """Whether work goes on, as far as can be seen: a folder that cannot be read says nothing.

        The next look will tell; were there none any more, nobody would hear of this node again.
        """
        try:
            return self._advances()
        except OSError:
            return True

    def _advances(self) -> bool:
        """Whether work goes on: by the leases of the cells, before them by the time since."""
        if self._store is None:
            return time.monotonic() - self._began < lease.STALL
        held = (lease.holder(self._store.begun.folder(cell)) for cell in self._cells)
        return any(holder is not None for holder in held)
