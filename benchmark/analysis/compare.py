"""Two methods on the same test images: by how much they differ, and whether that is chance."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from benchmark.analysis.answers import Answers
from benchmark.analysis.decorated import with_decorations
from benchmark.analysis.decoration import Decoration
from benchmark.analysis.groups import Entry, Factor, Group, replaced
from benchmark.data.imbalance import factor_label
from benchmark.errors import InputError
from benchmark.stats import ALPHA
from benchmark.stats.accuracy import Metric, accuracies
from benchmark.stats.paired import PairedDifference, paired_difference
from benchmark.stats.significance import holm_within
from methods.registry import ALIASES, BUILT_IN, canonical

ADJUSTED = "+la"
"""Behind a method's name: with its logits adjusted after training."""


@dataclass(frozen=True)
class Side:
    """One of the two methods of a comparison.

    Attributes:
        method: its name, with ``+la`` where its logits are adjusted.
        title: its name in tables, and what tells it from other entries of its method.
        accuracy: averaged over the seeds used, in 0..1.
        records: ids of the records used, a record a seed.
        left_out: the seeds of its runs that the other one does not have.
    """

    method: str
    title: str
    accuracy: float
    records: tuple[str, ...]
    left_out: tuple[int | str, ...]


@dataclass(frozen=True)
class Comparison:
    """One row: two methods at one factor of one group.

    Attributes:
        group: what both share, for people.
        factor: as people write it.
        a: the first method.
        b: the second.
        seeds: of the runs used.
        difference: a minus b.
        p_holm: its deciding p-value, adjusted over all rows of several seeds, or of one.
    """

    group: str
    factor: str
    a: Side
    b: Side
    seeds: tuple[int | str, ...]
    difference: PairedDifference
    p_holm: float

    @property
    def distinguishable(self) -> bool:
        """Whether the methods' difference is more than chance; one seed says nothing of it."""
        return self.difference.seeds > 1 and self.p_holm <= ALPHA

    @property
    def verdict(self) -> str:
        """What the numbers say, in words."""
        found = self.difference
        first, second = self.a, self.b
        if found.estimate < 0:
            first, second = second, first
        points = 100 * abs(found.estimate)
        if self.p_holm <= ALPHA:
            text = f"{first.title} is ahead of {second.title} by {points:.2f} points"
        elif points < 0.005:
            text = f"{first.title} and {second.title} do not differ"
        else:
            text = (
                f"{first.title} and {second.title} cannot be told apart: the {points:.2f} points "
                f"{first.title} is ahead may be chance"
            )
        if found.seeds == 1:
            text = (
                "Whether the methods differ is undecided (one seed); of these two networks on "
                f"these images: {text}"
            )
        else:
            text += f" ({found.seeds} seeds each)"
        for side, other in ((self.a, self.b), (self.b, self.a)):
            if side.left_out:
                listed = ", ".join(map(str, side.left_out))
                text += (
                    f"; seeds of {side.title} left out because {other.title} lacks them: {listed}"
                )
        return text


@dataclass(frozen=True)
class Compared:
    """The rows, in words what could not become one, and the entries that are adjusted."""

    rows: tuple[Comparison, ...]
    skipped: tuple[str, ...]
    adjusted: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class _Wanted:
    """What one side of a comparison is to be: a method, and how its records are read."""

    method: str
    decoration: Decoration | None

    @property
    def name(self) -> str:
        return self.method if self.decoration is None else f"{self.method}{ADJUSTED}"

    def at(self, group: Group, factor: Factor) -> list[Entry]:
        found = group.at(factor, self.method)
        return [entry for entry in found if entry.decoration == self.decoration]


def find_method(name: str, stored: Collection[str]) -> str:
    """Return the stored method that a name stands for, in any case or by its alias.

    Raises:
        InputError: no record is of such a method.
    """
    wanted = canonical(name)
    if name in stored:
        return name
    for method in sorted(stored):
        if canonical(method) == wanted:
            return method
    known = ", ".join(sorted(stored))
    if wanted in BUILT_IN:
        raise InputError(f"no results of method '{name}'; stored: {known}")
    near = difflib.get_close_matches(wanted, [*stored, *BUILT_IN, *ALIASES], n=1, cutoff=0.4)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    raise InputError(f"unknown method '{name}'{hint}; stored: {known}")


def compare(
    groups: Sequence[Group],
    answers: Answers,
    names: tuple[str, str],
    metric: Metric,
    factors: Sequence[float | None] | None = None,
    adjustment: Decoration | None = None,
) -> Compared:
    """Compare two methods at every factor of every group that has both.

    Args:
        groups: from :func:`benchmark.analysis.groups.group_records`.
        answers: of the same store and rule.
        names: of the two methods; ``NAME+la`` is one with its logits adjusted after training.
        metric: ``overall`` or ``mean``.
        factors: only these; None for all.
        adjustment: by how much those are.

    Raises:
        InputError: nothing can be compared: which of names, factors, seeds or logits it is.
    """
    wanted = _wanted(groups, names, adjustment)
    a, b = (side.name for side in wanted)
    _check_factors(groups, factors)
    groups = _with_adjusted(groups, wanted, factors, answers)
    rows: list[Comparison] = []
    skipped: list[str] = []
    used: list[Entry] = []
    for group in groups:
        for factor in group.factors if factors is None else factors:
            of_a, of_b = (side.at(group, factor) for side in wanted)
            if bool(of_a) != bool(of_b):
                missing = b if of_a else a
                skipped.append(f"{group.shared.title}, factor {factor_label(factor)}: no {missing}")
            pairs = [(x, y) for x in of_a for y in of_b if x.train_images == y.train_images]
            if of_a and of_b and not pairs:
                where = f"{group.shared.title}, factor {factor_label(factor)}"
                skipped.append(f"{where}: {a} and {b} were trained on sets of other sizes")
            for one, other in pairs:
                row = _row(group, answers, one, other, metric)
                if isinstance(row, str):
                    skipped.append(row)
                else:
                    rows.append(row)
                    used += [one, other]
    if not rows:
        reason = f" ({skipped[0]})" if skipped else ""
        raise InputError(
            f"{a} and {b} share no dataset, protocol, factor and seed{reason}; train what is "
            "missing with 'fer-bench run'"
        )
    if told := replaced(groups):
        skipped.append(told)
    # What one seed says of networks is no further question about methods.
    adjusted = holm_within([row.p_holm for row in rows], [len(row.seeds) == 1 for row in rows])
    return Compared(
        tuple(replace(row, p_holm=p) for row, p in zip(rows, adjusted, strict=True)),
        tuple(skipped),
        tuple(dict.fromkeys(entry for entry in used if entry.decoration is not None)),
    )


def _wanted(
    groups: Sequence[Group], names: tuple[str, str], adjustment: Decoration | None
) -> tuple[_Wanted, _Wanted]:
    """Return the two sides.

    Raises:
        InputError: no record is of such a method, both are the same, or it is not said which side
            is adjusted, or by how much.
    """
    asked = [name.lower().endswith(ADJUSTED) for name in names]
    if any(asked) and adjustment is None:
        name = names[asked.index(True)]
        raise InputError(f"'{name}' needs --adjust tau=1, another number, or --adjust tau=val")
    if adjustment is not None and not any(asked):
        raise InputError(
            f"--adjust is of methods named with {ADJUSTED}, and here is none; write "
            f"'{names[0]} {names[1]}{ADJUSTED}', or put it behind both"
        )
    stored = {method for group in groups for method in group.methods}
    a, b = (
        _Wanted(find_method(name[: -len(ADJUSTED)] if with_it else name, stored), how)
        for name, with_it in zip(names, asked, strict=True)
        for how in [adjustment if with_it else None]
    )
    if a == b:
        raise InputError(f"'{names[0]}' and '{names[1]}' are the same method; name two")
    return a, b


def _with_adjusted(
    groups: Sequence[Group],
    wanted: Sequence[_Wanted],
    factors: Sequence[Factor] | None,
    answers: Answers,
) -> list[Group]:
    """Return groups that have the sides which are adjusted as well."""
    methods = {side.method: side.decoration for side in wanted if side.decoration is not None}

    def asked(entry: Entry) -> bool:
        return entry.method in methods and (factors is None or entry.factor in factors)

    return with_decorations(groups, list(set(methods.values())), answers, asked)


def _check_factors(groups: Sequence[Group], factors: Sequence[float | None] | None) -> None:
    stored = dict.fromkeys(factor for group in groups for factor in group.factors)
    for factor in factors or ():
        if factor not in stored:
            known = ", ".join(factor_label(f) for f in stored)
            raise InputError(f"no results at factor {factor_label(factor)}; stored: {known}")


def _row(group: Group, answers: Answers, a: Entry, b: Entry, metric: Metric) -> Comparison | str:
    """Return one comparison, its p-value not adjusted yet, or why there is none."""
    factor = factor_label(a.factor)
    runs = [run for run in a.runs if run in b.runs]
    if not runs:
        have = " and ".join(f"{entry.method} has {_seeds(entry)}" for entry in (a, b))
        return f"{group.shared.title}, factor {factor}: no common seeds, {have}"
    labels, *right = answers.side_by_side(a, b, runs)
    difference = paired_difference(labels, right[0], right[1], metric)
    sides = [
        Side(
            method=_Wanted(entry.method, entry.decoration).name,
            title=entry.label,
            accuracy=float(accuracies(labels, of, len(group.classes))[metric == "mean"].mean()),
            records=tuple(entry.ids[run] for run in runs),
            left_out=tuple(run.shown for run in entry.runs if run not in runs),
        )
        for entry, of in zip((a, b), right, strict=True)
    ]
    return Comparison(
        group=group.shared.title,
        factor=factor,
        a=sides[0],
        b=sides[1],
        seeds=tuple(run.shown for run in runs),
        difference=difference,
        p_holm=difference.p,
    )


def _seeds(entry: Entry) -> str:
    return ", ".join(str(run.shown) for run in entry.runs)
