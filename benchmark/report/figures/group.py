"""What one figure is drawn from: the cells of one comparable group, as series and factors."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmark.data.imbalance import factor_label
from benchmark.errors import InputError
from benchmark.record import Confusion, Record
from benchmark.report.figures.style import plain
from benchmark.report.frame import GROUP, tidy
from benchmark.selection import RULES
from methods.registry import ALIASES, BUILT_IN


@dataclass(frozen=True)
class Series:
    """One method with one set of hyper-parameters.

    Attributes:
        method: its name.
        hyper: its hyper-parameters as text.
        label: what the legend says.
        slot: which look it has; a method of the paper keeps its own in every figure.
    """

    method: str
    hyper: str
    label: str
    slot: int


@dataclass(frozen=True, eq=False)
class Group:
    """The cells of one comparable group at one selection rule.

    Attributes:
        frame: from :func:`benchmark.report.frame.tidy`, a row a cell.
        records: the records behind the rows, by id.
        rule: the selection rule.
        series: in the order of the paper's methods.
        factors: ascending, None (the unmodified set) last.
    """

    frame: pd.DataFrame
    records: dict[str, Record]
    rule: str
    series: tuple[Series, ...]
    factors: tuple[float | None, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the columns."""
        return next(iter(self.records.values())).classes

    def rows(self, series: Series, factor: float | None) -> pd.DataFrame:
        """Return the rows of one cell of the table, a run each, by seed; none if it is missing."""
        frame = self.frame
        here = frame["factor"].isna() if factor is None else frame["factor"] == factor
        of = (frame["method"] == series.method) & (frame["hyper"] == series.hyper)
        return frame[here & of].sort_values("seed")

    def runs(self, series: Series, factor: float | None) -> list[Record]:
        """Return the records of one cell of the table, by seed."""
        return [self.records[str(name)] for name in self.rows(series, factor)["id"]]

    def chosen(self, record: Record) -> int:
        """Return the index of the epoch that the rule picks."""
        index = RULES[self.rule](record.history)
        assert index is not None  # a record that the rule cannot follow has no row
        return index

    def confusion(self, record: Record) -> Confusion:
        """Return the test confusion matrix of the epoch that the rule picks."""
        return record.history[self.chosen(record)].test

    def measured(self, what: str) -> str:
        """Return the name of a measured value, with the dagger where the test set chose it."""
        return f"{what}†" if self.rule == "oracle" else what


def make_groups(
    records: Sequence[Record],
    rule: str,
    methods: Sequence[str] = (),
    factors: Sequence[float | None] = (),
) -> list[Group]:
    """Return the groups of cells that can be compared, in a fixed order.

    Args:
        records: of one store.
        rule: a selection rule; a record that it cannot follow is left out.
        methods: names in any case, none for all that are stored.
        factors: none for all that are stored.

    Raises:
        InputError: nothing is stored of a method or a factor, or nothing is left.
    """
    kept = _with_factors(_with_methods(records, methods), factors)
    if not kept:
        raise InputError(
            "no stored cell has these methods at these factors; see 'fer-bench status'"
        )
    frame = tidy(kept, [rule])
    if not len(frame):
        raise InputError(
            f"none of these cells has a validation split, so --select {rule} chooses nothing; "
            "use last"
        )
    by_id = {record.id: record for record in kept}
    return [_group(part, by_id, rule) for _, part in frame.groupby(list(GROUP), sort=True)]


def file_stems(groups: Sequence[Group]) -> list[str]:
    """Return a file name for each group: dataset and protocol, and a hash where these agree."""
    keys = [[str(group.frame[name].iloc[0]) for name in GROUP] for group in groups]
    names = [slug(f"{key[0]}-{key[GROUP.index('protocol')]}") for key in keys]
    marks = [hashlib.sha256("\n".join(key).encode()).hexdigest()[:8] for key in keys]
    return [
        f"{name}-{mark}" if names.count(name) > 1 else name
        for name, mark in zip(names, marks, strict=True)
    ]


def slug(text: str) -> str:
    """Return text as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text)[:80]


def sorted_factors(values: Sequence[Any]) -> tuple[float | None, ...]:
    """Return distinct factors ascending; nan and None are the unmodified set and stand last."""
    numbers = {math.inf if value is None or math.isnan(value) else float(value) for value in values}
    return tuple(None if math.isinf(number) else number for number in sorted(numbers))


def _group(frame: pd.DataFrame, by_id: dict[str, Record], rule: str) -> Group:
    records = {str(name): by_id[str(name)] for name in frame["id"]}
    return Group(frame, records, rule, _series(frame), sorted_factors(list(frame["factor"])))


def _series(frame: pd.DataFrame) -> tuple[Series, ...]:
    order = {method: rank for rank, method in enumerate(BUILT_IN)}
    titles = {
        (str(method), str(hyper)): str(part["title"].iloc[0])
        for (method, hyper), part in frame.groupby(["method", "hyper"], sort=True)
    }
    variants: dict[str, list[set[str]]] = {}
    for method, hyper in titles:
        variants.setdefault(method, []).append(set(hyper.split(" ")))
    fixed = dict(order)  # the first variant of a method of the paper takes the method's own slot
    series: list[Series] = []
    for (method, hyper), title in titles.items():
        slot = fixed.pop(method, None)
        if slot is None:
            slot = len(order) + sum(one.slot >= len(order) for one in series)
        # Variants of one method are told apart by the hyper-parameters in which they differ.
        shared = set.intersection(*variants[method])
        own = " ".join(word for word in hyper.split(" ") if word not in shared)
        label = f"{title} ({own})" if own else title
        series.append(Series(method, hyper, plain(label, 80), slot))
    return tuple(sorted(series, key=lambda one: order.get(one.method, len(order))))


def _with_methods(records: Sequence[Record], methods: Sequence[str]) -> list[Record]:
    stored = {record.cell.method for record in records}
    by_lower = {name.lower(): name for name in stored}
    wanted = set()
    for name in methods:
        key = name.lower()
        found = by_lower.get(key) or by_lower.get(ALIASES.get(key, key))
        if found is None:
            near = difflib.get_close_matches(key, by_lower, n=1, cutoff=0.4)
            hint = f" (did you mean '{by_lower[near[0]]}'?)" if near else ""
            raise InputError(
                f"--methods: no stored cell of '{name}'{hint}; stored: {', '.join(sorted(stored))}"
            )
        wanted.add(found)
    return [record for record in records if not wanted or record.cell.method in wanted]


def _with_factors(records: Sequence[Record], factors: Sequence[float | None]) -> list[Record]:
    stored = {record.cell.factor for record in records}
    for factor in factors:
        if factor not in stored:
            known = ", ".join(map(factor_label, sorted_factors(list(stored)))) or "none"
            raise InputError(
                f"--factors: no stored cell at factor {factor_label(factor)}; stored: {known}"
            )
    return [record for record in records if not factors or record.cell.factor in factors]
