"""The gate: are new results worse than stored ones, by more than a margin and more than chance.

A drop counts only if it is larger than the margin *and* statistically separate, so that neither a
large set of test images makes a regression of a tenth of a point nor an unlucky seed one of three.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean

import numpy as np

from benchmark.analysis.answers import Answers
from benchmark.analysis.groups import Entry, Run, group_records, replaced
from benchmark.errors import InputError
from benchmark.gate.checked import Checked, Drop, GateVerdict, Row
from benchmark.stats.accuracy import Metric, accuracy_weights, mean_accuracy, overall_accuracy
from benchmark.stats.crossed import image_variance
from benchmark.stats.significance import holm
from benchmark.stats.spread import drop_p_value, spread_of
from benchmark.store.difference import differences
from benchmark.store.record import Cell, Confusion, Record, Stage
from benchmark.sweep.patterns import check_patterns, fits
from benchmark.words import count

METRICS: dict[Metric, Callable[[Confusion], float]] = {
    "overall": overall_accuracy,
    "mean": mean_accuracy,
}
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
    def entries(self) -> list[Entry]:
        """The rows that they give."""
        return entries_of(self.records)


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
    new = entries_of(records)
    rows = _adjusted([_row(entry, answers, references) for entry in new])
    rows = [replace(row, verdict=_verdict(row, margin)) for row in rows]
    missing = _missing(rows, new, references, lambda cell: not fits(cell, allow))
    allowed = _missing(rows, new, references, lambda cell: fits(cell, allow))
    twice = {name for name, count in Counter(row.name for row in rows).items() if count > 1}
    rows = [
        replace(row, hyper=entry.hyper) if row.name in twice else row
        for row, entry in zip(rows, new, strict=True)
    ]
    everything = [group_records(records), *(group_records(r.records) for r in references)]
    told = replaced(group for groups in everything for group in groups)
    return Checked(margin, tuple(rows), missing, allowed, told)


def entries_of(records: Sequence[Record]) -> list[Entry]:
    """Return the rows of all groups, sorted by the name of their first cell."""
    entries = [entry for group in group_records(records) for entry in group.entries]
    return sorted(entries, key=lambda entry: entry.first.cell.slug)


def _start(entry: Entry) -> Row:
    shared = entry.group
    return Row(shared.dataset, shared.protocol, entry.factor, entry.method, entry.title)


def _row(new: Entry, answers: Answers, references: Sequence[Reference]) -> Row:
    """Return one comparison, its p-values not adjusted yet."""
    row = _start(new)
    same = [(r, e) for r in references for e in r.entries if _start(e).name == row.name]
    if not same:
        return row
    reference, stored = min(same, key=lambda pair: len(_differs(pair[1], new)))
    row = replace(row, reference=reference.name)
    differs = _differs(stored, new)
    if differs:
        return replace(row, differs=tuple(differs))
    alike = [entry for entry in reference.entries if _trained_like(entry, new)]
    return _compared(row, (stored, reference.answers), (new, answers), alike)


def _differs(stored: Entry, new: Entry) -> list[str]:
    """Return what makes a stored entry another experiment than the new one.

    Neither the runs nor the version of the method's code: that one changes is what a gate is for.
    """
    before, after = _of_one_draw(stored, new)
    alike = {"seed": after.seed, "method_version": after.method_version}
    before = _of_first_stage(before.model_copy(update=alike), after.stage)
    return differences(before, after, ("stored", "new"))


def _of_first_stage(cell: Cell, stage: Stage | None) -> Cell:
    """Return a cell that starts from the same one: which that is goes with seed and version."""
    if cell.stage is None or stage is None:
        return cell
    same = {"first": stage.first, "version": stage.version}
    return cell.model_copy(update={"stage": cell.stage.model_copy(update=same)})


def _of_one_draw(stored: Entry, new: Entry) -> tuple[Cell, Cell]:
    """Return a cell of each whose training sets were drawn by the same seed, if there are such."""
    pairs = [(s, n) for n in new.runs for s in stored.runs if s.split_seed == n.split_seed]
    before, after = pairs[0] if pairs else (next(iter(stored.runs)), next(iter(new.runs)))
    return stored.runs[before].cell, new.runs[after].cell


def _experiment(entry: Entry) -> str:
    """Name what an entry trained, whatever its runs and the version of the method's code."""
    drawn = {"seed": 0, "split_seed": 0, "split_hash": "", "class_counts": (entry.train_images,)}
    cell = entry.first.cell.model_copy(update={**drawn, "method_version": 1})
    first = (
        None if cell.stage is None else cell.stage.model_copy(update={"first": "", "version": 1})
    )
    return _of_first_stage(cell, first).model_dump_json()


def _trained_like(entry: Entry, other: Entry) -> bool:
    return (entry.group, entry.factor, entry.train_images) == (
        other.group,
        other.factor,
        other.train_images,
    )


def _compared(
    row: Row, stored: tuple[Entry, Answers], new: tuple[Entry, Answers], alike: Sequence[Entry]
) -> Row:
    """Add the drops: seed by seed where all new seeds are stored, else of the means of both."""
    before, after = stored[0].runs, new[0].runs
    paired = set(after) <= set(before)
    chosen = [before[run] for run in (after if paired else before)]
    labels, right = stored[1].of(chosen)
    new_labels, new_right = new[1].of(list(after.values()))
    if not np.array_equal(labels, new_labels):
        raise InputError(
            f"{row.name}: the stored logits and the new ones belong to different test images "
            "though their datasets are the same; run it again"
        )
    drops, known = [], ""
    for metric in METRICS:
        scores = _scores(chosen, stored[1], metric), _scores(after.values(), new[1], metric)
        drop = fmean(scores[0]) - fmean(scores[1])
        weights = accuracy_weights(np.bincount(labels), metric)
        images = image_variance(labels, right.mean(axis=0), new_right.mean(axis=0), weights)
        spread = spread_of(
            _scores(before.values(), stored[1], metric),
            [_scores(e.runs.values(), stored[1], metric) for e in alike],
        )
        p: float | None = None
        if spread is not None:
            seeds = spread.variance * (1 / len(scores[0]) + 1 / len(scores[1]))
            p = drop_p_value(drop, images, seeds, spread.freedom)
            known = "the spread of the stored seeds"
        elif paired and all(_same_machine(before[run], after[run]) for run in after):
            p = drop_p_value(drop, images, 0.0, math.inf)
            known = "the same seeds on the same machine with the same libraries"
        drops.append(Drop(metric, fmean(scores[0]), fmean(scores[1]), p))
    listed = (
        ", ".join(str(run.shown) for run in after)
        if paired
        else "of both sides, which are not the same"
    )
    judged = f"{count(len(labels), 'test image')}{_which(new[1])}"
    measured = f"{judged}; seeds {listed}; {known or 'no spread of seeds known'}"
    return replace(row, drops=tuple(drops), measured=measured)


def _which(answers: Answers) -> str:
    """Return which test images count, nothing where all do."""
    return "" if answers.images == "all" else f" ({answers.images})"


def _same_machine(stored: Record, new: Record) -> bool:
    """Whether the same seed trains the same network on both: else it is as good as another seed."""
    return all(stored.provenance.get(key) == new.provenance.get(key) for key in _MACHINE)


def _scores(records: Iterable[Record], answers: Answers, metric: Metric) -> list[float]:
    """Return the last epoch's accuracy of each record, in 0..1."""
    scores = []
    for record in records:
        scores.append(METRICS[metric](answers.confusion(record)))
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


def _verdict(row: Row, margin: float) -> GateVerdict:
    if row.differs:
        return GateVerdict.INCOMPARABLE
    found = {drop.verdict(margin) for drop in row.drops}
    order = (GateVerdict.REGRESSED, GateVerdict.UNDECIDED, GateVerdict.HELD)
    return next((verdict for verdict in order if verdict in found), GateVerdict.NO_REFERENCE)


def _missing(
    rows: Sequence[Row],
    new: Sequence[Entry],
    references: Sequence[Reference],
    counts: Callable[[Cell], bool],
) -> tuple[Row, ...]:
    """Return what is stored of the datasets and protocols of the new results and not among these.

    Args:
        rows: one for each of ``new``.
        new: the new results.
        references: the stored ones.
        counts: whether a stored cell is looked for.
    """
    there: dict[str, set[Run]] = defaultdict(set)
    for row, entry in zip(rows, new, strict=True):
        # What is there and incomparable is said already, and is no second finding.
        there[row.name if row.differs else _experiment(entry)] |= set(entry.runs)
    found = []
    met = {(row.dataset, row.protocol) for row in rows}
    for reference in references:
        names = Counter(_start(entry).name for entry in reference.entries)
        for stored in reference.entries:
            row = replace(_start(stored), reference=reference.name, verdict=GateVerdict.MISSING)
            known = there[_experiment(stored)] | there[row.name]
            lacking = [run for run, r in stored.runs.items() if run not in known and counts(r.cell)]
            if (row.dataset, row.protocol) in met and lacking:
                hyper = stored.hyper if names[row.name] > 1 else ""
                found.append(replace(row, hyper=hyper, seeds=tuple(run.shown for run in lacking)))
    return tuple(found)
