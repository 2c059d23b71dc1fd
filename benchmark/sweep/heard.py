"""What a sweep tells, told to several listeners, of which only the first must not fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from benchmark.errors import describe
from benchmark.store.record import Cell, Epoch, Record
from benchmark.sweep.work import SweepListener
from methods.base import Progress


class Heard:
    """Tells a person, then trackers; a tracker that fails is named once and told nothing more.

    Args:
        person: what shows progress; a context of its own where it is one.
        trackers: others by name.
        complain: takes the line that says that one failed.
    """

    def __init__(
        self,
        person: SweepListener,
        trackers: Sequence[tuple[str, SweepListener]],
        complain: Callable[[str], None],
    ) -> None:
        self._person = person
        self._trackers = list(trackers)
        self._complain = complain

    def __enter__(self) -> Self:
        if hasattr(self._person, "__enter__"):
            self._person.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if hasattr(self._person, "__exit__"):
            self._person.__exit__(kind, error, trace)

    def cell_started(self, cell: Cell, number: int, total: int) -> None:
        """Pass it on."""
        self._tell(lambda one: one.cell_started(cell, number, total))

    def stepped(self, progress: Progress, steps: int, loss: float, rate: float) -> None:
        """Pass it on."""
        self._tell(lambda one: one.stepped(progress, steps, loss, rate))

    def evaluated(self, epoch: Epoch) -> None:
        """Pass it on."""
        self._tell(lambda one: one.evaluated(epoch))

    def cell_finished(self, record: Record) -> None:
        """Pass it on."""
        self._tell(lambda one: one.cell_finished(record))

    def cell_failed(self, cell: Cell, reason: str, where: str) -> None:
        """Pass it on."""
        self._tell(lambda one: one.cell_failed(cell, reason, where))

    def waiting(self, cells: int) -> None:
        """Pass it on."""
        self._tell(lambda one: one.waiting(cells))

    def _tell(self, event: Callable[[SweepListener], None]) -> None:
        event(self._person)
        for name, tracker in list(self._trackers):
            try:
                event(tracker)
            except Exception as error:  # somebody else's code or a full disk: training goes on
                self._trackers.remove((name, tracker))
                self._complain(f"--log {name} failed and is told no more: {describe(error)}")
