"""Clocks: what is compared is done in turns, since a virtual machine's speed drifts by the minute.

A ratio is that of neighbours in time; the median of many such ratios hardly moves where the times
themselves differ by half.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Clock = Callable[[], float]


@dataclass(frozen=True)
class Laps:
    """Times of a base and of what was done between two turns of it.

    Attributes:
        base: seconds of each turn of the base.
        before: for each of the others, seconds of the base's turn just before.
        own: seconds of each of its turns.
        after: seconds of the base's turn just after.
    """

    base: list[float]
    before: Mapping[str, list[float]]
    own: Mapping[str, list[float]]
    after: Mapping[str, list[float]]

    def ratios(self, name: str) -> list[float]:
        """Return each of its times over the mean of the base's before and after it."""
        around = zip(self.before[name], self.own[name], self.after[name], strict=True)
        return [2 * own / (before + after) for before, own, after in around]


def interleaved(
    base: Callable[[], object],
    others: Mapping[str, Callable[[], object]],
    seconds: float,
    *,
    clock: Clock = time.perf_counter,
    least: int = 3,
) -> Laps:
    """Do base, first, base, second, base, ... round after round, and return the times.

    Everything is done once before the clock counts.

    Args:
        base: what the others are held against.
        others: by name.
        seconds: how long to go on, by the clock.
        clock: that tells seconds.
        least: rounds to do however long they take.
    """
    for task in (base, *others.values()):
        task()
    laps = Laps([], {n: [] for n in others}, {n: [] for n in others}, {n: [] for n in others})
    started = clock()
    laps.base.append(lap(base, clock))
    rounds = 0
    while rounds < least or clock() - started < seconds:
        for name, task in others.items():
            laps.before[name].append(laps.base[-1])
            laps.own[name].append(lap(task, clock))
            laps.base.append(lap(base, clock))
            laps.after[name].append(laps.base[-1])
        rounds += 1
    return laps


def lap(task: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """Return the seconds that a task takes."""
    started = clock()
    task()
    return clock() - started


@dataclass(frozen=True)
class Window:
    """A stretch of time in which work was counted.

    Attributes:
        amount: of the work that was finished within it.
        seconds: from its start to the end of the last piece that counts.
    """

    amount: float
    seconds: float

    @property
    def rate(self) -> float:
        """Work a second."""
        return self.amount / self.seconds


def work_until(
    task: Callable[[], float], begin: float, end: float, *, clock: Clock = time.monotonic
) -> Window:
    """Repeat a task from one time to another, and count what it finished.

    The piece that crosses the end is not counted, so that others who work beside it are disturbed
    until their own end. A task that takes longer than the whole stretch counts once.

    Args:
        task: returns the amount of work that it did.
        begin: when to start, by the clock.
        end: when to stop.
        clock: that tells seconds.
    """
    time.sleep(max(0.0, begin - clock()))
    started = last = clock()
    amount = 0.0
    while last < end or not amount:  # told too late, it still does one piece
        done = task()
        now = clock()
        if now > end and amount:
            break
        amount, last = amount + done, now
    return Window(amount, last - started)
