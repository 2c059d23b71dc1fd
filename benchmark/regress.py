"""The gate: are new results worse than stored ones, by more than a margin and more than chance.

A drop counts only if it is larger than the margin *and* statistically separate, so that neither a
large set of test images makes a regression of a tenth of a point nor an unlucky seed one of three.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean

import numpy as np

from benchmark.answers import Answers
from benchmark.checked import Checked, Drop, Row, Verdict
from benchmark.difference import differences
from benchmark.errors import InputError
from benchmark.patterns import check_patterns, fits
from benchmark.record import Cell, Confusion, Record, show_value
from benchmark.stats.accuracy import Metric, accuracy_weights, mean_accuracy, overall_accuracy
from benchmark.stats.crossed import image_variance
from benchmark.stats.significance import holm
from benchmark.stats.spread import drop_p_value, spread_of
from benchmark.words import count

METRICS: dict[Metric, Callable[[Confusion], float]] = {
    "overall": overall_accuracy,
    "mean": mean_accuracy,
}
Seeds = Mapping[int, Record]
"""The records of one method on one training set, by seed, ascending."""

_MACHINE = ("cpu", "gpu", "device", "threads", "packages", "python")


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


def check(
    records: Sequence[Record],
    answers: Answers,
    references: Sequence[Reference],
    margin: float,
    allow: Sequence[str] = (),
) -> Checked:
    """Hold new results against stored ones.

    Args:
        records: the new ones.
        answers: of their store.
        references: the stored ones; a new result is held against the one of its method, dataset
            and factor that differs from it least.
        margin: points that an accuracy may fall by.
        allow: patterns of the names of stored cells that the new results may lack.

    Raises:
        InputError: logits are damaged, belong to other test images, a record has no accuracy, or a
            pattern fits nothing that is stored.
    """
    stored = [record.cell for reference in references for record in reference.records]
    check_patterns("--allow-missing", allow, stored, "the stored")
    groups = by_seed(records)
    rows = _adjusted([_row(group, answers, references) for group in groups])
    rows = [replace(row, verdict=_verdict(row, margin)) for row in rows]
    missing = _missing(rows, groups, references, lambda cell: not fits(cell, allow))
    allowed = _missing(rows, groups, references, lambda cell: fits(cell, allow))
    twice = {name for name, count in Counter(row.name for row in rows).items() if count > 1}
    rows = [
        replace(row, hyper=_hyper(group)) if row.name in twice else row
        for row, group in zip(rows, groups, strict=True)
    ]
    return Checked(margin, tuple(rows), missing, allowed)


def by_seed(records: Sequence[Record]) -> list[Seeds]:
    """Return the records of each method and training set by seed.

    Of a method whose version has risen only the highest counts: what older code computed is
    another result.
    """
    found: dict[str, dict[int, Record]] = {}
    newest: dict[str, int] = {}
    for record in sorted(records, key=lambda record: -record.cell.method_version):
        key = _experiment({record.cell.seed: record})
        if newest.setdefault(key, record.cell.method_version) == record.cell.method_version:
            found.setdefault(key, {})[record.cell.seed] = record
    groups = [dict(sorted(group.items())) for group in found.values()]
    return sorted(groups, key=lambda group: _cell(group).slug)


def _cell(group: Seeds) -> Cell:
    return next(iter(group.values())).cell


def _start(group: Seeds) -> Row:
    cell = _cell(group)
    title = next(iter(group.values())).method_title
    return Row(cell.dataset, cell.protocol.name, cell.factor, cell.method, title)


def _hyper(group: Seeds) -> str:
    return " ".join(f"{key}={show_value(value)}" for key, value in _cell(group).hyper.items())


def _row(new: Seeds, answers: Answers, references: Sequence[Reference]) -> Row:
    """Return one comparison, its p-values not adjusted yet."""
    row, cell = _start(new), _cell(new)
    same = [(r, group) for r in references for group in r.groups if _start(group).name == row.name]
    if not same:
        return row
    reference, stored = min(same, key=lambda pair: len(_differs(pair[1], cell)))
    row = replace(row, reference=reference.name)
    differs = _differs(stored, cell)
    if differs:
        return replace(row, differs=tuple(differs))
    alike = [group for group in reference.groups if _trained_like(_cell(group), cell)]
    return _compared(row, (stored, reference.answers), (new, answers), alike)


def _differs(stored: Seeds, wanted: Cell) -> list[str]:
    """Return what makes a stored group another experiment than the new cell's.

    Neither the seed nor the version of the method's code: that one changes is what a gate is for.
    """
    alike = {"seed": wanted.seed, "method_version": wanted.method_version}
    return differences(_cell(stored).model_copy(update=alike), wanted, ("stored", "new"))


def _trained_like(cell: Cell, other: Cell) -> bool:
    apart = {"method", "hyper", "seed", "method_version"}
    return cell.model_dump(exclude=apart) == other.model_dump(exclude=apart)


def _compared(
    row: Row, stored: tuple[Seeds, Answers], new: tuple[Seeds, Answers], alike: Sequence[Seeds]
) -> Row:
    """Add the drops: seed by seed where all new seeds are stored, else of the means of both."""
    before, after = stored[0], new[0]
    paired = set(after) <= set(before)
    chosen = [before[seed] for seed in (after if paired else before)]
    labels, right = stored[1].of(chosen)
    new_labels, new_right = new[1].of(list(after.values()))
    if not np.array_equal(labels, new_labels):
        raise InputError(
            f"{row.name}: the stored logits and the new ones belong to different test images "
            "though their datasets are the same; run it again"
        )
    drops, known = [], ""
    for metric in METRICS:
        scores = _scores(chosen, metric), _scores(after.values(), metric)
        drop = fmean(scores[0]) - fmean(scores[1])
        weights = accuracy_weights(np.bincount(labels), metric)
        images = image_variance(labels, right.mean(axis=0), new_right.mean(axis=0), weights)
        spread = spread_of(
            _scores(before.values(), metric), [_scores(g.values(), metric) for g in alike]
        )
        p: float | None = None
        if spread is not None:
            seeds = spread.variance * (1 / len(scores[0]) + 1 / len(scores[1]))
            p = drop_p_value(drop, images, seeds, spread.freedom)
            known = "the spread of the stored seeds"
        elif paired and all(_same_machine(before[seed], after[seed]) for seed in after):
            p = drop_p_value(drop, images, 0.0, math.inf)
            known = "the same seeds on the same machine with the same libraries"
        drops.append(Drop(metric, fmean(scores[0]), fmean(scores[1]), p))
    listed = ", ".join(map(str, after)) if paired else "of both sides, which are not the same"
    evidence = (
        f"{count(len(labels), 'test image')}; seeds {listed}; {known or 'no spread of seeds known'}"
    )
    return replace(row, drops=tuple(drops), evidence=evidence)


def _same_machine(stored: Record, new: Record) -> bool:
    """Whether the same seed trains the same network on both: else it is as good as another seed."""
    return all(stored.provenance.get(key) == new.provenance.get(key) for key in _MACHINE)


def _scores(records: Iterable[Record], metric: Metric) -> list[float]:
    """Return the last epoch's accuracy of each record, in 0..1."""
    scores = []
    for record in records:
        scores.append(METRICS[metric](record.history[-1].test))
        if not math.isfinite(scores[-1]):
            raise InputError(f"{record.cell.slug}: a class has no test images, so no accuracy")
    return scores


def _adjusted(rows: Sequence[Row]) -> list[Row]:
    """Adjust the p-values over all drops (Holm), so that many cells raise no false alarm."""
    adjusted = iter(holm([drop.p for row in rows for drop in row.drops if drop.p is not None]))
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
    found = {drop.verdict(margin) for drop in row.drops}
    order = (Verdict.REGRESSED, Verdict.UNDECIDED, Verdict.HELD)
    return next((verdict for verdict in order if verdict in found), Verdict.NO_REFERENCE)


def _missing(
    rows: Sequence[Row],
    groups: Sequence[Seeds],
    references: Sequence[Reference],
    counts: Callable[[Cell], bool],
) -> tuple[Row, ...]:
    """Return what is stored of the datasets and protocols of the new results and not among these.

    Args:
        rows: one for each of ``groups``.
        groups: the new results.
        references: the stored ones.
        counts: whether a stored cell is looked for.
    """
    there: dict[str, set[int]] = defaultdict(set)
    for row, group in zip(rows, groups, strict=True):
        # What is there and incomparable is said already, and is no second finding.
        there[row.name if row.differs else _experiment(group)] |= set(group)
    found = []
    for reference in references:
        met = {(row.dataset, row.protocol) for row in rows if row.reference == reference.name}
        names = Counter(_start(group).name for group in reference.groups)
        for stored in reference.groups:
            row = replace(_start(stored), reference=reference.name, verdict=Verdict.MISSING)
            known = there[_experiment(stored)] | there[row.name]
            lacking = [s for s, r in stored.items() if s not in known and counts(r.cell)]
            if (row.dataset, row.protocol) in met and lacking:
                hyper = _hyper(stored) if names[row.name] > 1 else ""
                found.append(replace(row, hyper=hyper, seeds=tuple(lacking)))
    return tuple(found)


def _experiment(group: Seeds) -> str:
    """Name what a group trained, whatever the seed and the version of the method's code."""
    return _cell(group).model_dump_json(exclude={"seed", "method_version"})
