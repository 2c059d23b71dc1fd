"""What training a cell leaves, and who hears of it meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics import overall_accuracy
from benchmark.record import Epoch
from methods.base import Progress


class Listener(Protocol):
    """Hears how training goes."""

    def stepped(self, progress: Progress, steps: int, loss: float, rate: float) -> None:
        """Hear where training stands.

        Args:
            progress: of the step just taken.
            steps: steps in an epoch.
            loss: mean over the epoch so far.
            rate: images a second over the epoch so far.
        """

    def evaluated(self, epoch: Epoch) -> None:
        """Hear that an epoch is over and evaluated."""


@dataclass
class Outcome:
    """What training one cell left.

    Attributes:
        history: an entry an epoch.
        logits: test logits, float32 (n, K), of the last epoch and of the best ones.
        epochs: which epoch (from 0) each of them belongs to.
        seconds: wall time by phase.
        sessions: what is known of each process that trained a part: when it began, after how many
            epochs, and what the caller says of machine and code.
        state_sha256: of the method's final weights and buffers.
    """

    history: list[Epoch] = field(default_factory=list)
    logits: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    state_sha256: str = ""

    def spend(self, phase: str, since: float) -> None:
        """Add the time since a reading of the clock to a phase."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - since

    def add(self, entry: Epoch, logits: NDArray[np.float32]) -> None:
        """Append an epoch, and keep its test logits where a selection rule can ask for them."""
        keep = ["last"]
        if not self.history or _best(self.history, "test") < overall_accuracy(entry.test):
            keep.append("oracle")
        if entry.validation is not None and (
            not self.history
            or _best(self.history, "validation") < overall_accuracy(entry.validation)
        ):
            keep.append("val")
        for rule in keep:
            self.logits[rule] = logits
            self.epochs[rule] = entry.epoch - 1
        self.history.append(entry)


def _best(history: list[Epoch], part: str) -> float:
    return max(overall_accuracy(getattr(entry, part)) for entry in history)
