"""Which epoch is reported: named rules over stored histories, applied when reporting.

Switching the rule trains nothing again. The rules also say which epochs' logits training keeps: a
rule that is added chooses epochs of older records whose logits may not be there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmark import choices
from benchmark.record import Epoch
from benchmark.stats.accuracy import overall_accuracy


def last(history: Sequence[Epoch]) -> int:
    """The last epoch: nothing is picked."""
    return len(history) - 1


def validation(history: Sequence[Epoch]) -> int | None:
    """The epoch with the best validation accuracy, the first of equals; None without such a set."""
    if any(epoch.validation is None for epoch in history):
        return None
    return _first_best([overall_accuracy(e.validation or ()) for e in history])


def oracle(history: Sequence[Epoch]) -> int:
    """The epoch with the best *test* accuracy: how much of the literature reports, and too good."""
    return _first_best([overall_accuracy(epoch.test) for epoch in history])


RULES: dict[str, Callable[[Sequence[Epoch]], int | None]] = dict(
    zip(choices.RULES, (last, validation, oracle), strict=True)
)


def _first_best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=lambda i: scores[i])
