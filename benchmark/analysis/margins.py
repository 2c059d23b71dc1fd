"""By how much one number is above another, and by how much it is in stored records.

The published tables' own are in :mod:`benchmark.analysis.published_margins`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis.answers import Answers
from benchmark.analysis.attention import CLAIMED, MapNumbers
from benchmark.analysis.groups import Entry, Group
from benchmark.data.imbalance import factor_label
from benchmark.selection import rules
from benchmark.stats.accuracy import accuracy_weights
from benchmark.stats.paired import contrast
from benchmark.store.record import Record

ACCURACIES = ("overall", "mean", "gap")


@dataclass(frozen=True)
class Term:
    """One number: a measure of a method at a factor.

    Attributes:
        method: its name.
        factor: None for the unmodified set.
        measure: ``overall``, ``mean``, ``gap`` (overall minus mean), a class for its recall, or one
            of attention maps (:data:`benchmark.analysis.attention.CLAIMED`).
    """

    method: str
    factor: float | None
    measure: str


@dataclass(frozen=True)
class Margin:
    """How far a first number is above a second, in percentage points.

    Attributes:
        first: the first number, in percent.
        second: the second.
        effect: first minus second.
        low: lower end of the 95 % interval; None for a published number.
        high: upper end.
        p: two-sided; None for a published number.
        rounding: how far off the rounding of published numbers may put the effect.
        seeds: how many both have in common; None for a published number.
        records: ids of the records used.
        doubt: what speaks against a published number, empty if nothing does.
    """

    first: float
    second: float
    effect: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    rounding: float = 0.0
    seeds: int | None = None
    records: tuple[str, ...] = ()
    doubt: str = ""


class Missing(Exception):  # noqa: N818  # an answer that a caller expects, not a failure
    """A number is not there; the message says which."""


class Source(Protocol):
    """Where numbers come from: one set of numbers that may be compared with each other."""

    @property
    def title(self) -> str:
        """What it is, for people."""

    def holds(self, dataset: str) -> bool:
        """Whether it has numbers of a dataset."""

    def methods(self, dataset: str, factor: float | None) -> list[str]:
        """Return the methods it has at a factor."""

    def name(self, method: str) -> str:
        """Return a method's name in tables."""

    def classes(self, dataset: str) -> list[str]:
        """Return the names of the classes."""

    def train_counts(self, dataset: str, factor: float | None) -> Mapping[str, int]:
        """Return the training images of each class.

        Raises:
            Missing: it does not know.
        """

    def margin(self, dataset: str, first: Term, second: Term) -> Margin:
        """Return by how much the first number is above the second.

        Raises:
            Missing: one of them is not there, or they cannot be compared.
        """


class Measured:
    """The records of one comparable group."""

    def __init__(self, group: Group, answers: Answers) -> None:
        self._group = group
        self._answers = answers
        counted = "" if answers.images == "all" else f", {answers.images} test images"
        self.title = group.shared.title + counted

    def holds(self, dataset: str) -> bool:
        """Whether the group is of a dataset."""
        return self._group.shared.dataset == dataset

    def methods(self, dataset: str, factor: float | None) -> list[str]:
        """Return the methods that have records at a factor."""
        return list(dict.fromkeys(entry.method for entry in self._group.at(factor)))

    def name(self, method: str) -> str:
        """Return a method's name in tables."""
        titles = (e.title for e in self._group.entries if e.method == method)
        return next(titles, method_title(method))

    def classes(self, dataset: str) -> list[str]:
        """Return the names of the classes."""
        return list(self._group.classes)

    def train_counts(self, dataset: str, factor: float | None) -> Mapping[str, int]:
        """Return the counts of the training set that was used."""
        for entry in self._group.at(factor):
            return dict(zip(self._group.classes, entry.first.cell.class_counts, strict=True))
        raise Missing(f"no record at factor {factor_label(factor)}")

    def margin(self, dataset: str, first: Term, second: Term) -> Margin:
        """Return the difference over common seeds and the same test images."""
        one, other = self._entry(first), self._entry(second)
        runs = [run for run in one.runs if run in other.runs]
        if not runs:
            raise Missing(f"no common seeds of {self._where(first)} and {self._where(second)}")
        used = [[entry.runs[run] for run in runs] for entry in (one, other)]
        if first.measure in CLAIMED:
            return self._of_maps(first, used)
        if not all(map(self._answers.keeps, (*used[0], *used[1]))):
            raise Missing(f"no logits of --select {self._answers.rule} are kept of these cells")
        labels, right = self._answers.of([*used[0], *used[1]])
        sizes = np.bincount(labels, minlength=len(self._group.classes))
        weights = [self._weights(term.measure, sizes) for term in (first, second)]
        a, b = right[: len(runs)], right[len(runs) :]
        if one is other:  # two classes of the same answers: one sample, not two
            nothing = np.zeros_like(a), np.zeros_like(weights[0])
            found = contrast(labels, a, nothing[0], weights[0] - weights[1], nothing[1])
        else:
            found = contrast(labels, a, b, *weights)
        values = [
            100 * float(weight / np.maximum(sizes, 1) @ np.bincount(labels, part, len(sizes)))
            for weight, part in zip(weights, (a.mean(axis=0), b.mean(axis=0)), strict=True)
        ]
        return Margin(
            first=values[0],
            second=values[1],
            effect=100 * found.estimate,
            low=100 * found.low,
            high=100 * found.high,
            p=found.p,
            seeds=len(runs),
            records=tuple(dict.fromkeys(r.id for part in used for r in part)),
        )

    def _of_maps(self, term: Term, used: Sequence[Sequence[Record]]) -> Margin:
        """Return the difference of a measure of attention maps of two methods' records."""
        if not rules()[self._answers.rule].final:
            raise Missing("attention maps are of the last epoch: --select last")
        numbers = MapNumbers(self._answers.store, self._answers)
        found = numbers.difference(used[0], used[1], CLAIMED[term.measure])
        if found is None:
            raise Missing(
                f"attention maps {factor_words(term)} are not measured, or too coarse for this: "
                "'fer-bench report --detail attention' measures those of kept networks"
            )
        first, second, tested = found
        return Margin(
            first=100 * first,
            second=100 * second,
            effect=100 * tested.estimate,
            low=100 * tested.low,
            high=100 * tested.high,
            p=tested.p,
            seeds=len(used[0]),
            records=tuple(dict.fromkeys(record.id for side in used for record in side)),
        )

    def _weights(self, measure: str, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what each recall counts for in a measure, (K,)."""
        if measure in ACCURACIES:
            return accuracy_weights(sizes, measure)
        names = self._group.classes
        if measure not in names or not sizes[names.index(measure)]:
            raise Missing(f"no test images of {measure}")
        chosen = np.arange(len(names)) == names.index(measure)
        return np.asarray(chosen, dtype=np.float64)

    def _entry(self, term: Term) -> Entry:
        found = self._group.at(term.factor, term.method)
        if not found:
            raise Missing(f"no record of {self._where(term)}")
        if len(found) > 1:
            raise Missing(f"{len(found)} variants of {self._where(term)} are stored")
        return found[0]

    def _where(self, term: Term) -> str:
        return f"{self.name(term.method)} {factor_words(term)}"


def method_title(method: str) -> str:
    """Return a method's name as the paper's tables write it."""
    return "Baseline" if method == "baseline" else method.upper()


def factor_words(term: Term) -> str:
    """Return where a number stands, in words."""
    if term.factor is None:
        return "on the unmodified set"
    return f"at factor {factor_label(term.factor)}"
