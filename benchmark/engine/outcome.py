"""What training a cell leaves, and who hears of it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.selection import rules
from benchmark.store.record import Epoch
from methods.base import Progress

Kept = TypeVar("Kept")


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
        logits: test logits, float32 (n, K), by selection rule: of the epoch that it chooses.
        validation: the same of the validation images, where there are any.
        epochs: which epoch (from 0) each of them belongs to.
        seconds: wall time by phase.
        sessions: what is known of each process that trained a part: when it began, after how many
            epochs, and what the caller says of machine and code.
        state_sha256: of the method's final weights and buffers.
    """

    history: list[Epoch] = field(default_factory=list)
    logits: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    validation: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    state_sha256: str = ""

    def spend(self, phase: str, since: float) -> None:
        """Add the time since a reading of the clock to a phase."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - since

    def add(
        self,
        entry: Epoch,
        logits: NDArray[np.float32],
        validation: NDArray[np.float32] | None = None,
    ) -> None:
        """Append an epoch, and keep its logits under each selection rule that chooses it."""
        self.history.append(entry)
        index = len(self.history) - 1
        for name, rule in rules().items():
            if rule.choose(self.history) == index:
                self.logits[name] = logits
                self.epochs[name] = index
                if validation is not None:
                    self.validation[name] = validation

    def state(self) -> dict[str, Any]:
        """Return all but the digest as tensors and plain values, for a checkpoint."""
        return {
            "history": [entry.model_dump(mode="json") for entry in self.history],
            "logits": {rule: torch.from_numpy(array) for rule, array in self.logits.items()},
            "validation": {name: torch.from_numpy(a) for name, a in self.validation.items()},
            "epochs": self.epochs,
            "seconds": self.seconds,
            "sessions": self.sessions,
        }

    def go_on_from(self, state: Mapping[str, Any]) -> None:
        """Take what a checkpoint holds of :meth:`state`; the time spent so far is added to it."""
        self.history = [Epoch.model_validate(entry) for entry in state["history"]]
        self.logits = {rule: tensor.numpy() for rule, tensor in state["logits"].items()}
        # Checkpoints of older versions have none.
        self.validation = {n: tensor.numpy() for n, tensor in state.get("validation", {}).items()}
        self.epochs = dict(state["epochs"])
        self.sessions = list(state["sessions"])
        for phase, seconds in state["seconds"].items():
            self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    def once(self, kept: Mapping[str, Kept]) -> dict[str, Kept]:
        """Return what is kept by rule with each epoch once, under the first rule that chooses it.

        Args:
            kept: by rule, :attr:`logits`, :attr:`validation` or :attr:`epochs`.
        """
        first: dict[int, str] = {}
        for name in rules():
            if name in kept:
                first.setdefault(self.epochs[name], name)
        return {name: kept[name] for name in first.values()}
