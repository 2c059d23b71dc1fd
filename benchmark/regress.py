"""The gate: are new results worse than stored ones, by more than a margin and more than chance.

A drop counts only if it is larger than the margin *and* statistically separate, so that neither a
large set of test images makes a regression of a tenth of a point nor an unlucky seed one of three.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from benchmark.crossed import deciding_p_values
from benchmark.data.imbalance import factor_label
from benchmark.difference import differences
from benchmark.record import Cell, Record
from benchmark.report.answers import Answers, Labels, Right, accuracies
from benchmark.stats import Metric, holm

METRICS: tuple[Metric, ...] = ("overall", "mean")
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
    rows = [_row(group, answers, references) for group in _by_seed(records)]
    rows = [replace(row, verdict=_verdict(row, margin)) for row in _adjusted(rows)]
    met = {(row.reference, row.name) for row in rows}
    absent = [
        _start(group).name
        for reference in references
        if any(row.reference == reference.name for row in rows)
        for group in _by_seed(reference.records)
        if (reference.name, _start(group).name) not in met
    ]
    return Checked(margin, tuple(rows), tuple(dict.fromkeys(absent)))


def spread_p_value(stored: ArrayLike, new: ArrayLike) -> float | None:
    """Return the p-value of two groups of accuracies that share one spread over seeds.

    Student's t with the pooled variance of both groups, two-sided; None where neither group has
    two seeds, so that nothing tells how far seeds differ. A new result of one seed is judged by
    the stored spread, as a prediction interval would.

    Args:
        stored: (n,), one a seed.
        new: (m,), likewise.
    """
    from scipy.special import stdtr

    a, b = np.asarray(stored, dtype=np.float64), np.asarray(new, dtype=np.float64)
    freedom = len(a) + len(b) - 2
    if freedom < 1:
        return None
    squares = float(((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum())
    error = math.sqrt(squares / freedom * (1 / len(a) + 1 / len(b)))
    distance = abs(float(a.mean() - b.mean()))
    if error < 1e-12:
        return 1.0 if distance < 1e-12 else 0.0
    return float(2 * stdtr(freedom, -distance / error))


def _by_seed(records: Sequence[Record]) -> list[dict[int, Record]]:
    """Return the records of each method and training set by seed."""
    found: dict[str, dict[int, Record]] = {}
    for record in records:
        key = record.cell.model_dump_json(exclude={"seed", "method_version"})
        found.setdefault(key, {})[record.cell.seed] = record
    return [dict(sorted(group.items())) for group in found.values()]


def _start(group: Mapping[int, Record]) -> Row:
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


def _row(new: Mapping[int, Record], answers: Answers, references: Sequence[Reference]) -> Row:
    """Return one comparison, its p-values not adjusted yet."""
    row = _start(new)
    cell = next(iter(new.values())).cell
    for reference in references:
        same = [
            group
            for group in _by_seed(reference.records)
            if (_start(group).name, _start(group).protocol) == (row.name, row.protocol)
        ]
        if same:
            stored = min(same, key=lambda group: len(_differs(group, cell)))
            row = replace(row, reference=reference.name, stored_seeds=tuple(stored))
            differs = _differs(stored, cell)
            if differs:
                return replace(row, differs=tuple(differs))
            return _compared(row, (stored, reference.answers), (new, answers))
    return row


def _differs(stored: Mapping[int, Record], wanted: Cell) -> list[str]:
    """Return what makes a stored group another experiment than the new cell's.

    Neither the seed nor the version of the method's code: that one changes is what a gate is for.
    """
    cell = next(iter(stored.values())).cell
    alike = {"seed": wanted.seed, "method_version": wanted.method_version}
    return differences(cell.model_copy(update=alike), wanted, ("stored", "new"))


Side = tuple[Mapping[int, Record], Answers]


def _compared(row: Row, stored: Side, new: Side) -> Row:
    """Add the drops: over the seeds that both sides have, or over all where they share none."""
    common = [seed for seed in stored[0] if seed in new[0]]
    labels, before = _answers(stored)
    _, after = _answers(new)
    kept = ([list(stored[0]).index(s) for s in common], [list(new[0]).index(s) for s in common])
    paired: dict[str | int, float] = {}
    evidence = []
    if common:
        paired = deciding_p_values(labels, before[kept[0]], after[kept[1]])
        evidence.append(f"the same {len(labels)} test images, seeds {_list(common)}")
    else:
        kept = (list(range(len(before))), list(range(len(after))))
    # Seeds that both sides share are counted by the paired test itself, from two of them on.
    spread_counts = len(common) < 2 or not len(common) == len(before) == len(after)
    drops = []
    for metric in METRICS:
        scores = [accuracies(labels, right, metric) for right in (before, after)]
        values = [paired[metric]] if common else []
        if spread_counts:
            spread = spread_p_value(*scores)
            values += (
                [] if spread is None else [spread if scores[0].mean() > scores[1].mean() else 1]
            )
        means = [float(s[k].mean()) for s, k in zip(scores, kept, strict=True)]
        drops.append(Drop(metric, means[0], means[1], max(values) if values else None))
    if spread_counts and len(before) + len(after) > 2:
        evidence.append(f"the spread over seeds {_list(row.stored_seeds)} stored")
    return replace(row, drops=tuple(drops), evidence="; ".join(evidence))


def _answers(side: Side) -> tuple[Labels, Right]:
    records, answers = side
    return answers.of(list(records.values()))


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
