"""The last epoch: nothing is picked."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.store.record import Epoch

HELP = "the last"
NOTE = "last epoch"
PLACE = 1
FINAL = True


def choose(history: Sequence[Epoch]) -> int:
    """Return the last epoch."""
    return len(history) - 1
