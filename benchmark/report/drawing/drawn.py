"""What one figure is drawn from: the cells of one comparable group, as series and factors."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from benchmark.analysis.answers import Answers
from benchmark.analysis.decorated import with_decorations
from benchmark.analysis.decoration import Decoration, rule_of
from benchmark.analysis.frame import tidy
from benchmark.analysis.groups import Entry, Group, group_records, method_rank, sorted_factors
from benchmark.data.imbalance import factor_label
from benchmark.errors import InputError
from benchmark.report.drawing.style import plain
from benchmark.selection import chooses_nothing, rules
from benchmark.store.outdated import Outdated
from benchmark.store.record import Confusion, Record
from methods.registry import BUILT_IN, canonical, members


@dataclass(frozen=True)
class Series:
    """One method with one set of hyper-parameters, read in one way.

    Attributes:
        method: its name.
        hyper: its hyper-parameters as text.
        apart: in what it differs from other series of its method.
        label: what the legend says.
        slot: which look it has; a method of the paper keeps its own in every figure.
        decoration: how its records are read where that is not the plain way.
    """

    method: str
    hyper: str
    apart: str
    label: str
    slot: int
    decoration: Decoration | None = None


@dataclass(frozen=True, eq=False)
class Drawn:
    """One comparable group at one selection rule, as series and factors.

    Attributes:
        group: the cells.
        frame: from :func:`benchmark.analysis.frame.tidy`, a row a cell.
        rule: the selection rule.
        series: in the order of the registry's methods.
        answers: of the records' store, None where there is none.
        outdated: what the store says of records of older versions of a method.
        decorated: further frames of the same cells, as each decoration of the series reads them.
    """

    group: Group
    frame: pd.DataFrame
    rule: str
    series: tuple[Series, ...]
    answers: Answers | None = None
    outdated: tuple[Outdated, ...] = ()
    decorated: Mapping[Decoration, pd.DataFrame] = field(default_factory=dict)

    @property
    def records(self) -> dict[str, Record]:
        """The records behind the rows, by id."""
        return self.group.records

    @property
    def factors(self) -> tuple[float | None, ...]:
        """Ascending, None (the unmodified set) last."""
        return self.group.factors

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the columns."""
        return self.group.classes

    def rows(self, series: Series, factor: float | None) -> pd.DataFrame:
        """Return the rows of one cell of the table, a run each, by seed; none if it is missing."""
        ids = [record.id for record in self.runs(series, factor)]
        frame = self.frame if series.decoration is None else self.decorated[series.decoration]
        return frame.set_index("id").loc[ids]

    def runs(self, series: Series, factor: float | None) -> list[Record]:
        """Return the records of one cell of the table, by seed."""
        return [r for entry in self.entries(series, factor) for r in entry.runs.values()]

    def entries(self, series: Series, factor: float | None) -> list[Entry]:
        """Return the entries behind one cell of the table: one, or none."""
        return [
            entry
            for entry in self.group.at(factor, series.method)
            if (entry.hyper, entry.apart, entry.decoration)
            == (series.hyper, series.apart, series.decoration)
        ]

    def chosen(self, record: Record) -> int:
        """Return the index of the epoch that the rule picks."""
        index = rules()[self.rule].choose(record.history)
        assert index is not None  # a record that the rule cannot follow has no entry
        return index

    def confusions(self, series: Series, factor: float | None) -> list[Confusion]:
        """Return each run's test confusion matrix at the epoch that the rule picks, by seed."""
        runs = self.runs(series, factor)
        if self.answers is not None:
            return list(map(self.answers.read(series.decoration).confusion, runs))
        return [record.history[self.chosen(record)].test for record in runs]

    def measured(self, what: str) -> str:
        """Return the name of a measured value, with the dagger where the test set chose it."""
        return f"{what}†" if rules()[self.rule].by_test else what


def drawn_groups(
    records: Sequence[Record],
    rule: str,
    methods: Sequence[str] = (),
    factors: Sequence[float | None] = (),
    answers: Answers | None = None,
    outdated: tuple[Outdated, ...] = (),
    decorations: Sequence[Decoration] = (),
) -> list[Drawn]:
    """Return the groups of cells that can be compared, in a fixed order.

    Args:
        records: of one store.
        rule: a selection rule; a record that it cannot follow is left out.
        methods: names in any case, none for all that are stored.
        factors: none for all that are stored.
        answers: of the records' store, None where there is none.
        outdated: what the store says of records of older versions of a method.
        decorations: other readings of each series, which stand beside it; they need answers.

    Raises:
        InputError: nothing is stored of a method or a factor, nothing is left, or a decoration
            needs what the records do not keep.
    """
    kept = _with_factors(_with_methods(records, methods), factors)
    if not kept:
        raise InputError(
            "no stored cell has these methods at these factors; see 'fer-bench status'"
        )
    groups = group_records(kept, rule)
    if not groups:
        raise InputError(chooses_nothing(rule))
    groups = with_decorations(groups, decorations, answers)
    return [
        Drawn(
            group,
            _frame(group, rule, answers, None),
            rule,
            series_of(group),
            answers,
            outdated,
            {one: _frame(group, rule, answers, one) for one in decorations},
        )
        for group in groups
    ]


def _frame(
    group: Group, rule: str, answers: Answers | None, decoration: Decoration | None
) -> pd.DataFrame:
    """Return the frame of what a group has entries of with a decoration, or without one."""
    records = [
        record
        for entry in group.entries
        if entry.decoration == decoration
        for record in entry.runs.values()
    ]
    counted = None if answers is None else answers.read(decoration).confusion
    return tidy(records, [rule_of(decoration, rule)], confusion_of=counted)


def file_stems(drawn: Sequence[Drawn]) -> list[str]:
    """Return a file name for each group: dataset and protocol, and a hash where these agree."""
    keys = [one.group.shared for one in drawn]
    names = [slug(f"{key.dataset}-{key.protocol}") for key in keys]
    marks = [
        hashlib.sha256("\n".join(map(str, key.columns().values())).encode()).hexdigest()[:8]
        for key in keys
    ]
    return [
        f"{name}-{mark}" if names.count(name) > 1 else name
        for name, mark in zip(names, marks, strict=True)
    ]


def slug(text: str) -> str:
    """Return text as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text)[:80]


def series_of(group: Group) -> tuple[Series, ...]:
    """Return a line for each entry, whatever its factor."""
    lines = {(e.method, e.hyper, e.apart, e.decoration): e.label for e in group.entries}
    fixed = {method: rank for rank, method in enumerate(BUILT_IN)}
    series: list[Series] = []
    # Plain ones first, so that a decoration takes no look from them.
    ordered = sorted(lines.items(), key=lambda one: (one[0][3] is not None, one[0][:3], one[1]))
    for (method, hyper, apart, decoration), label in ordered:
        # The first variant of a method of the registry takes the method's own look.
        slot = fixed.pop(method, None)
        if slot is None:
            slot = len(BUILT_IN) + sum(one.slot >= len(BUILT_IN) for one in series)
        series.append(Series(method, hyper, apart, plain(label, 80), slot, decoration))
    return tuple(sorted(series, key=lambda one: (method_rank(one.method), one.hyper, one.apart)))


def _with_methods(records: Sequence[Record], methods: Sequence[str]) -> list[Record]:
    stored = {record.cell.method for record in records}
    by_key = {canonical(name): name for name in stored}
    wanted = set()
    for name in methods:
        inside = members(name)
        keys = [canonical(name)] if inside is None else list(map(canonical, inside))
        found = {by_key[key] for key in keys if key in by_key}
        if not found:
            near = difflib.get_close_matches(canonical(name), by_key, n=1, cutoff=0.4)
            hint = f" (did you mean '{by_key[near[0]]}'?)" if near else ""
            raise InputError(
                f"--methods: no stored cell of '{name}'{hint}; stored: {', '.join(sorted(stored))}"
            )
        wanted |= found
    return [record for record in records if not wanted or record.cell.method in wanted]


def _with_factors(records: Sequence[Record], factors: Sequence[float | None]) -> list[Record]:
    stored = {record.cell.factor for record in records}
    for factor in factors:
        if factor not in stored:
            known = ", ".join(map(factor_label, sorted_factors(stored))) or "none"
            raise InputError(
                f"--factors: no stored cell at factor {factor_label(factor)}; stored: {known}"
            )
    return [record for record in records if not factors or record.cell.factor in factors]
