"""The gate: are new results worse than stored ones, by more than a margin and more than chance.

A drop counts only if it is larger than the margin *and* statistically separate, so that neither a
large set of test images makes a regression of a tenth of a point nor an unlucky seed one of three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from benchmark.crossed import deciding_p_values
from benchmark.data.imbalance import factor_label
from benchmark.difference import differences
from benchmark.metrics import mean_accuracy, overall_accuracy
from benchmark.record import Cell, Confusion, Record
from benchmark.spread import Spread, pooled, spread_p_value
from benchmark.stats import Metric, holm

Answers = Callable[[Sequence[Record]], tuple[NDArray[np.int64], NDArray[np.bool_]]]
"""Gives labels (n,) and, a row a record, which test images it got right (S, n)."""

METRICS: dict[Metric, Callable[[Confusion], float]] = {
    "overall": overall_accuracy,
    "mean": mean_accuracy,
}
Seeds = Mapping[int, Record]
"""The records of one method on one training set, by seed, ascending."""

LEVEL = 0.05
"""A drop counts as separate up to this p-value, adjusted over all drops of a check."""


class Verdict(StrEnum):
    """What the gate says of one method on one training set."""

    HELD = "held"
    REGRESSED = "regressed"
    UNDECIDED = "undecided"
    INCOMPARABLE = "incomparable"
    NO_REFERENCE = "no reference"


@dataclass(frozen=True)
class Reference:
    """Stored results that new ones are held against.

    Attributes:
        name: for people, such as the folder's name.
        records: all of them.
        answers: of the same store.
    """

    name: str
    records: Sequence[Record]
    answers: Answers

    @cached_property
    def groups(self) -> list[Seeds]:
        """The records of each method and training set by seed."""
        return by_seed(self.records)


@dataclass(frozen=True)
class Drop:
    """How far one accuracy fell.

    Attributes:
        metric: ``overall`` or ``mean``.
        stored: in 0..1, averaged over the seeds that count.
        new: likewise.
        p: two-sided, adjusted over all drops of a check; None where nothing tells chance apart.
    """

    metric: Metric
    stored: float
    new: float
    p: float | None

    @property
    def points(self) -> float:
        """Percentage points that the new accuracy is lower by."""
        return 100 * (self.stored - self.new)

    def fails(self, margin: float) -> bool:
        """Whether it is larger than the margin, in points, and more than chance."""
        return self.points > margin and self.p is not None and self.p <= LEVEL


@dataclass(frozen=True)
class Row:
    """One method on one training set, new against stored.

    Attributes:
        dataset: the dataset's name.
        protocol: the protocol's name.
        factor: the imbalance factor, None for the unmodified set.
        method: the method's name.
        title: its name in tables.
        reference: the name of the stored results, empty without any.
        stored_seeds: seeds of the stored side.
        new_seeds: seeds of the new side.
        evidence: what the p-values rest on.
        drops: of each metric; empty where nothing can be compared.
        differs: where the two are incomparable, what differs, a line each.
        verdict: the answer.
    """

    dataset: str
    protocol: str
    factor: float | None
    method: str
    title: str
    reference: str = ""
    stored_seeds: tuple[int, ...] = ()
    new_seeds: tuple[int, ...] = ()
    evidence: str = ""
    drops: tuple[Drop, ...] = ()
    differs: tuple[str, ...] = ()
    verdict: Verdict = Verdict.NO_REFERENCE

    @property
    def name(self) -> str:
        """How people name it: ``mek-ferplus-150``."""
        return f"{self.method}-{self.dataset}-{factor_label(self.factor)}"


@dataclass(frozen=True)
class Checked:
    """What a check came to.

    Attributes:
        margin: points that an accuracy may fall by.
        rows: one for each method and training set of the new results.
        absent: names of stored methods and training sets that the new results lack.
    """

    margin: float
    rows: tuple[Row, ...]
    absent: tuple[str, ...]

    def of(self, verdict: Verdict) -> list[Row]:
        """Return the rows with a verdict."""
        return [row for row in self.rows if row.verdict is verdict]


def check(
    records: Sequence[Record], answers: Answers, references: Sequence[Reference], margin: float
) -> Checked:
    """Hold new results against stored ones.

    Args:
        records: the new ones.
        answers: of their store.
        references: the stored ones; for each new result the first that holds its method, dataset,
            factor and protocol counts.
        margin: points that an accuracy may fall by.

    Raises:
        InputError: logits are damaged or belong to other test images.
    """
    rows = [_row(group, answers, references) for group in by_seed(records)]
    rows = [replace(row, verdict=_verdict(row, margin)) for row in _adjusted(rows)]
    met = {(row.reference, row.name) for row in rows}
    absent = [
        _start(group).name
        for reference in references
        if any(row.reference == reference.name for row in rows)
        for group in reference.groups
        if (reference.name, _start(group).name) not in met
    ]
    return Checked(margin, tuple(rows), tuple(dict.fromkeys(absent)))


Side = tuple[Seeds, Answers]


def by_seed(records: Sequence[Record]) -> list[Seeds]:
    """Return the records of each method and training set by seed."""
    found: dict[str, dict[int, Record]] = {}
    for record in records:
        key = record.cell.model_dump_json(exclude={"seed", "method_version"})
        found.setdefault(key, {})[record.cell.seed] = record
    return [dict(sorted(group.items())) for group in found.values()]


def _start(group: Seeds) -> Row:
    record = next(iter(group.values()))
    cell = record.cell
    return Row(
        dataset=cell.dataset,
        protocol=str(cell.protocol["name"]),
        factor=cell.factor,
        method=cell.method,
        title=record.method_title,
        new_seeds=tuple(group),
    )


def _row(new: Seeds, answers: Answers, references: Sequence[Reference]) -> Row:
    """Return one comparison, its p-values not adjusted yet."""
    row = _start(new)
    cell = next(iter(new.values())).cell
    for reference in references:
        alike = [group for group in reference.groups if _trained_like(_start(group), row)]
        same = [group for group in alike if _start(group).method == row.method]
        if same:
            stored = min(same, key=lambda group: len(_differs(group, cell)))
            row = replace(row, reference=reference.name, stored_seeds=tuple(stored))
            differs = _differs(stored, cell)
            if differs:
                return replace(row, differs=tuple(differs))
            spreads = {m: pooled(_scores(group, m) for group in alike) for m in METRICS}
            return _compared(row, (stored, reference.answers), (new, answers), spreads)
    return row


def _trained_like(stored: Row, row: Row) -> bool:
    wanted = (row.dataset, row.protocol, row.factor)
    return (stored.dataset, stored.protocol, stored.factor) == wanted


def _differs(stored: Seeds, wanted: Cell) -> list[str]:
    """Return what makes a stored group another experiment than the new cell's.

    Neither the seed nor the version of the method's code: that one changes is what a gate is for.
    """
    cell = next(iter(stored.values())).cell
    alike = {"seed": wanted.seed, "method_version": wanted.method_version}
    return differences(cell.model_copy(update=alike), wanted, ("stored", "new"))


def _compared(row: Row, stored: Side, new: Side, spreads: Mapping[Metric, Spread | None]) -> Row:
    """Add the drops: over the seeds that both sides have, or over all where they share none."""
    common = [seed for seed in stored[0] if seed in new[0]]
    evidence = []
    paired: dict[str | int, float] = {}
    if common:
        labels, before = _right(stored, common)
        _, after = _right(new, common)
        paired = deciding_p_values(labels, before, after)
        evidence.append(f"the same {len(labels)} test images, seeds {_list(common)}")
    # From two seeds on the paired test counts seeds itself, as long as there are no others.
    alike = len(common) > 1 and set(stored[0]) == set(new[0])
    drops = []
    for metric in METRICS:
        counted = [_scores(side, metric, common or side) for side, _ in (stored, new)]
        values = [paired[metric]] if common else []
        everything = [_scores(side, metric) for side, _ in (stored, new)]
        spread = None if alike else spread_p_value(everything[0], everything[1], spreads[metric])
        if spread is not None:
            values.append(spread if fmean(everything[0]) > fmean(everything[1]) else 1.0)
        p = max(values) if values else None
        drops.append(Drop(metric, fmean(counted[0]), fmean(counted[1]), p))
        told = "the spread over seeds of the stored methods" if spread is not None else ""
    if told:
        evidence.append(told)
    return replace(row, drops=tuple(drops), evidence="; ".join(evidence))


def _right(side: Side, seeds: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    records, answers = side
    return answers([records[seed] for seed in seeds])


def _scores(group: Seeds, metric: Metric, seeds: Iterable[int] | None = None) -> list[float]:
    """Return the last epoch's accuracy of each seed, in 0..1."""
    score = METRICS[metric]
    return [score(group[s].history[-1].test) for s in (group if seeds is None else seeds)]


def _adjusted(rows: Sequence[Row]) -> list[Row]:
    """Adjust the p-values over all drops (Holm), so that many cells raise no false alarm."""
    known = [drop.p for row in rows for drop in row.drops if drop.p is not None]
    adjusted = iter(holm(known))
    return [
        replace(
            row,
            drops=tuple(
                drop if drop.p is None else replace(drop, p=next(adjusted)) for drop in row.drops
            ),
        )
        for row in rows
    ]


def _verdict(row: Row, margin: float) -> Verdict:
    if row.differs:
        return Verdict.INCOMPARABLE
    if not row.reference:
        return Verdict.NO_REFERENCE
    if any(drop.fails(margin) for drop in row.drops):
        return Verdict.REGRESSED
    if any(drop.points > margin and drop.p is None for drop in row.drops):
        return Verdict.UNDECIDED
    return Verdict.HELD


def _list(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
