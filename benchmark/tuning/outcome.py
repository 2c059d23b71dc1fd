"""What tries came to, read from their records: the one place where scores of tries are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis.answers import Answers
from benchmark.errors import InputError
from benchmark.store.record import Record
from benchmark.store.store import Store
from benchmark.tuning.choice import Choice, Right, choose
from benchmark.tuning.ledger import Searched, Try

RULE = "last"
"""Of every try the last epoch counts, as in a study: choosing an epoch, too, would flatter it."""


@dataclass(frozen=True)
class Outcome:
    """What the tries of one subject came to.

    Attributes:
        searched: the subject and its tries.
        choice: among them; None while none of them has a record.
        complete: whether each try is finished, or diverged and would again.
    """

    searched: Searched
    choice: Choice | None
    complete: bool

    @property
    def chosen(self) -> Try:
        """The try that was chosen.

        Raises:
            InputError: every one of them diverged.
        """
        if self.choice is None:
            raise InputError(
                f"{self.searched.name}: no try came to anything; the store's folder 'failed' says "
                "why; choose a lower training.lr by --set"
            )
        return self.searched.tries[self.choice.chosen]


class Outcomes:
    """Reads what tries came to from a store.

    Args:
        store: that the cells are in.
        records: of it, where they were read already.
    """

    def __init__(self, store: Store, records: Mapping[str, Record] | None = None) -> None:
        self._answers = Answers(store, RULE)
        self._diverged = store.begun.diverged_ids()
        self._records = records or {record.id: record for record in store.records()}

    def of(self, searched: Searched) -> Outcome:
        """Return what a subject's tries came to.

        Raises:
            InputError: validation logits are damaged, or no clean validation image is there.
        """
        labels, answers = self._read(searched)
        complete = all(
            right is not None or any(cell in self._diverged for cell in one.cells)
            for one, right in zip(searched.tries, answers, strict=True)
        )
        departures = [one.departure for one in searched.tries]
        choice = None if labels is None else choose(labels, answers, departures)
        return Outcome(searched, choice, complete)

    def _read(self, searched: Searched) -> tuple[NDArray[Any] | None, list[Right | None]]:
        labels: NDArray[Any] | None = None
        answers: list[Right | None] = []
        for one in searched.tries:
            records = [self._records.get(cell) for cell in one.cells]
            rows = []
            for record in filter(None, records):
                logits, labels = self._logits(record)
                rows.append(logits.argmax(axis=1) == labels)
            answers.append(np.stack(rows) if rows and len(rows) == len(records) else None)
        return labels, answers

    def _logits(self, record: Record) -> tuple[NDArray[Any], NDArray[Any]]:
        found = self._answers.validation_logits(record)
        if found is None:
            raise InputError(
                f"record {record.id[:12]} holds no validation logits of its last epoch, by which "
                "values are chosen; move its folder out of the store and tune again"
            )
        if not len(found[1]):
            raise InputError(
                f"{record.cell.dataset}: every validation image also stands in the training or "
                "test set, so none can choose values; draw others with --holdout"
            )
        return found
