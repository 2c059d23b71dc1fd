"""What a person sees of a sweep: a live line on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from benchmark.data.imbalance import factor_label
from benchmark.stats.accuracy import mean_accuracy, overall_accuracy
from benchmark.store.record import Cell, Epoch, Record, Split
from benchmark.words import clock, count
from methods.base import Progress

_PLAIN_INTERVAL = 30.0  # seconds between two plain lines within an epoch


class PlainListener:
    """Prints a line for each cell and epoch, and one every half minute within a long epoch."""

    def __init__(self, *, alone: bool, split: Split = "test", label: str = "") -> None:
        self._alone = alone
        self._label = label
        self._split = split
        self._started = self._printed = time.monotonic()
        self._total = self._number = 0
        self._begun = self._begun_steps = time.monotonic()
        self._first_step: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def cell_started(self, cell: Cell, number: int, total: int) -> None:
        """Name the cell."""
        self._number, self._total = number, total
        self._begun = self._printed = time.monotonic()
        self._first_step = None
        place = f"[{number}/{total}] " if self._alone else ""
        self.say(f"{place}{cell.method} factor {factor_label(cell.factor)} seed {cell.seed}")

    def stepped(self, progress: Progress, steps: int, loss: float, rate: float) -> None:
        """Show where the epoch stands."""
        step = progress.step - progress.epoch * steps + 1
        self.tick(
            f"  epoch {progress.epoch + 1}/{progress.epochs}, step {step}/{steps}: "
            f"loss {loss:.3f}, {rate:.0f} images/s, {self._left(progress, steps)} left"
        )

    def evaluated(self, epoch: Epoch) -> None:
        """Show what the epoch came to."""
        told = self._accuracies(epoch)
        if epoch.images:
            self.say(
                f"  epoch {epoch.epoch}: loss {sum(epoch.loss.values()):.3f}, {told}, "
                f"{epoch.images / epoch.seconds:.0f} images/s, {epoch.seconds:.1f} s"
            )
        else:
            self.say(f"  nothing to train: {told}")
        self._printed = time.monotonic()

    def cell_finished(self, record: Record) -> None:
        """Show how long the cell took and how long the sweep will."""
        done = time.monotonic() - self._started
        left = done / self._number * (self._total - self._number)
        self.say(
            f"  finished in {clock(time.monotonic() - self._begun)}"
            + (f"; about {clock(left)} left for the sweep" if left and self._alone else "")
        )

    def cell_failed(self, cell: Cell, reason: str, where: str) -> None:
        """Show why the cell failed."""
        self.say(f"  FAILED: {reason} (traceback: {where})")

    def waiting(self, cells: int) -> None:
        """Say that other processes train what is left."""
        if self._alone:
            are = count(cells, "cell is", "cells are")
            self.say(f"  {are} held by other processes; waiting")

    def say(self, line: str) -> None:
        """Print a line that stays.

        Raises:
            KeyboardInterrupt: nobody reads any more, as when a terminal was closed.
        """
        try:
            click.echo(f"{self._label}{line}")
        except BrokenPipeError:
            raise KeyboardInterrupt from None

    def tick(self, line: str) -> None:
        """Print a passing line, if the last line is long ago."""
        now = time.monotonic()
        if now - self._printed >= _PLAIN_INTERVAL:
            self._printed = now
            self.say(line)

    def _accuracies(self, epoch: Epoch) -> str:
        """Return the accuracies of the split that may be looked at."""
        matrix = epoch.confusion(self._split)
        if matrix is None:
            return f"nothing of the {self._split} split"
        overall, mean = overall_accuracy(matrix), mean_accuracy(matrix)
        return f"{self._split} {100 * overall:.2f} overall {100 * mean:.2f} mean"

    def _left(self, progress: Progress, steps: int) -> str:
        if self._first_step is None:  # not 0 where a cell goes on after an interruption
            self._first_step = progress.step
            self._begun_steps = time.monotonic()
        taken = progress.step - self._first_step
        to_do = progress.epochs * steps - progress.step - 1
        spent = time.monotonic() - self._begun_steps
        return clock(spent / taken * to_do) if taken else "unknown time"


class LiveListener(PlainListener):
    """The same lines, and one below them that moves."""

    def __init__(self, console: Console, split: Split = "test") -> None:
        super().__init__(alone=True, split=split)
        self._live = Live(Text(""), console=console, transient=True, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """Print a line above the moving one."""
        self._live.console.print(Text(line))

    def tick(self, line: str) -> None:
        """Replace the moving line."""
        self._live.update(Text(line))


def make_listener(alone: bool, split: Split = "test", label: str = "") -> PlainListener:
    """Return a live listener on a terminal, a plain one otherwise.

    Args:
        alone: whether no other job prints beside this one, so that it can number the cells.
        split: whose accuracies are shown.
        label: what each line begins with where several jobs print.
    """
    if alone and sys.stdout.isatty():
        return LiveListener(Console(), split)
    return PlainListener(alone=alone, split=split, label=label)
