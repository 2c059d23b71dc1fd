"""What tries came to, read from their records: the one place where scores of tries are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis.answers import Answers
from benchmark.errors import InputError
from benchmark.store.ledger import Ledger, Searched, Try
from benchmark.store.record import Record
from benchmark.store.store import Store
from benchmark.tuning.choice import Choice, Right, choose
from benchmark.tuning.subject import LR
from benchmark.words import short

RULE = "last"
"""Of every try the last epoch counts, as in a study: choosing an epoch, too, would flatter it."""

State = Literal["finished", "diverged", "not finished"]


@dataclass(frozen=True)
class Outcome:
    """What the tries of one subject came to.

    Attributes:
        searched: the subject and its tries.
        choice: among those that are finished; None while there is none.
        states: how each try stands; one that diverged would again, and counts as made.
        budget: tries that the subject is to have.
        images: by class, the clean validation images that choose; empty while nothing is finished.
        other_rate: whether the tries were made at another learning rate than the chosen one.
    """

    searched: Searched
    choice: Choice | None
    states: tuple[State, ...]
    budget: int
    images: Mapping[str, int]
    other_rate: bool = False

    @property
    def complete(self) -> bool:
        """Whether every try that the budget has was made, at the learning rate that was chosen."""
        whole = len(self.states) == self.budget and "not finished" not in self.states
        return whole and not self.other_rate

    @property
    def chosen(self) -> Try | None:
        """The try that was chosen; None where some are still to come, or all of them diverged."""
        if self.choice is None or not self.complete:
            return None
        return self.searched.tries[self.choice.chosen]


class Outcomes:
    """Reads what tries came to from a store.

    Args:
        store: that the cells are in.
    """

    def __init__(self, store: Store) -> None:
        self._answers = Answers(store, RULE)
        self._diverged = {slug.rpartition("-")[2] for slug in store.begun.diverged_slugs()}
        self._records = {record.id: record for record in store.records()}

    def of_all(self, ledger: Ledger) -> list[Outcome]:
        """Return what the tries of each subject of a ledger came to.

        Raises:
            InputError: as for :meth:`of`.
        """
        found = [self.of(searched, ledger) for searched in ledger.subjects]
        rates = {one.chosen.values[LR] for one in found if one.chosen and LR in one.chosen.values}
        known = {None, *rates} if rates else {one.searched.rate for one in found}
        return [replace(one, other_rate=one.searched.rate not in known) for one in found]

    def of(self, searched: Searched, ledger: Ledger) -> Outcome:
        """Return what a subject's tries came to.

        Args:
            searched: the subject and its tries.
            ledger: that it stands in.

        Raises:
            InputError: validation logits are damaged, or no clean validation image is there.
        """
        labels: NDArray[Any] | None = None
        classes: tuple[str, ...] = ()
        answers: list[Right | None] = []
        for one in searched.tries:
            found = [
                record
                for cell in one.cells
                if (record := self._records.get(cell)) and _is_of(record, searched, ledger)
            ]
            by_factor: dict[float | None, list[NDArray[np.bool_]]] = {}
            for record in found:
                logits, labels = self._logits(record)
                classes = tuple(record.classes)
                right = logits.argmax(axis=1) == labels
                by_factor.setdefault(record.cell.factor, []).append(right)
            whole = found and len(found) == len(one.cells)
            answers.append([np.stack(rows) for rows in by_factor.values()] if whole else None)
        departures = [one.departure for one in searched.tries]
        counts = [] if labels is None else np.bincount(labels, minlength=len(classes)).tolist()
        return Outcome(
            searched,
            None if labels is None else choose(labels, answers, departures),
            tuple(self._state(*of, ledger) for of in zip(searched.tries, answers, strict=True)),
            ledger.budget,
            dict(zip(classes, counts, strict=True)),
        )

    def _state(self, one: Try, right: Right | None, ledger: Ledger) -> State:
        if right is not None:
            return "finished"
        known = any(cell in ledger.diverged or short(cell) in self._diverged for cell in one.cells)
        return "diverged" if known else "not finished"

    def _logits(self, record: Record) -> tuple[NDArray[Any], NDArray[Any]]:
        found = self._answers.validation_logits(record)
        if found is None:
            raise InputError(
                f"record {short(record.id)} holds no validation logits of its last epoch, by which "
                "values are chosen; move its folder out of the store and tune again"
            )
        if not len(found[1]):
            raise InputError(no_clean_image(record.cell.dataset))
        return found


def _is_of(record: Record, searched: Searched, ledger: Ledger) -> bool:
    """Whether a record is of a search: in a list that was changed by hand any id may stand."""
    cell = record.cell
    return cell.method == searched.method and cell.fingerprint == ledger.fingerprint


def no_clean_image(dataset: str) -> str:
    """Return why nothing can be chosen on a dataset without a clean validation image."""
    return (
        f"{dataset}: every validation image also stands in the training or test set, so none can "
        "choose values; draw others with --holdout"
    )
