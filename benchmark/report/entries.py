"""Which rows a table has: the paper's, in its order, and what the records add to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import pandas as pd

from benchmark.data.imbalance import factor_label
from benchmark.report import published
from benchmark.report.frame import GROUP, RECALL_PREFIX
from benchmark.words import count
from methods.registry import BUILT_IN

Run = tuple[int, int, int]
"""What tells the runs of one entry apart: the training seed, the seed of the drawn set, and a count
of runs that share both."""

FrameRow = dict[str, Any]
Variant = tuple[int, str, int]
"""Group, hyper-parameters, training images: what one method's rows at a factor differ in."""


@dataclass(frozen=True)
class Layout:
    """The rows and columns that a table has whether or not there are records for them.

    Attributes:
        number: the paper's table, None for a table of whatever the records hold.
        factors: in order, nan for the unmodified set.
        methods: in order, with the title and the conference of each.
        values: columns of the frame, in order.
    """

    number: int | None
    factors: tuple[float, ...]
    methods: dict[str, tuple[str, str]]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One row: the runs of one method with one set of hyper-parameters at one factor.

    Attributes:
        method: its name.
        title: its name in the table, with the hyper-parameters in which it differs from other rows
            of its method.
        venue: conference and year.
        factor: nan for the unmodified set.
        group: which comparable group it belongs to, in the order of the frame.
        runs: rows of the frame by run; empty where no record is.
    """

    method: str
    title: str
    venue: str
    factor: float
    group: int
    runs: dict[Run, FrameRow]

    def values(self, column: str) -> list[float]:
        """Return the runs' numbers in one column, without those that have none."""
        found = [float(run.get(column, math.nan)) for run in self.runs.values()]
        return [value for value in found if not math.isnan(value)]

    @cached_property
    def ids(self) -> dict[Run, str]:
        """The records' ids by run."""
        return {run: str(row["id"]) for run, row in self.runs.items()}


def paper_layout(number: int) -> Layout:
    """Return the rows and columns of Table 1, 2 or 3."""
    table = published.results(number)
    factors = tuple(dict.fromkeys(table["factor"])) if number < 3 else (math.nan,)
    named = zip(table["method"], table["title"], table["venue"], strict=True)
    methods = {name: ("MEK" if title == "Ours" else title, venue) for name, title, venue in named}
    values = tuple(str(c) for c in table if c not in ("method", "title", "factor", "venue"))
    return Layout(number, tuple(map(float, factors)), methods, values)


def own_layout(frame: pd.DataFrame) -> Layout:
    """Return the rows and columns that the records themselves have."""
    factors = sorted({float(f) for f in frame["factor"].dropna()})
    if frame["factor"].isna().any():
        factors.append(math.nan)
    recalls = [
        column
        for column in map(str, frame)
        if column.startswith(RECALL_PREFIX) and frame[column].notna().any()
    ]
    return Layout(None, tuple(factors), {}, (*recalls, "overall", "mean"))


def with_records(layout: Layout, frame: pd.DataFrame) -> Layout:
    """Append the methods that have records and no row yet, in the registry's order."""
    inside = frame[[_is_in(float(f), layout.factors) for f in frame["factor"]]]
    named = {
        str(method): (str(title), str(venue))
        for method, title, venue in zip(
            inside["method"], inside["title"], inside["venue"], strict=True
        )
    }
    added = {name: named[name] for name in sorted(named.keys() - layout.methods.keys(), key=_rank)}
    return Layout(layout.number, layout.factors, layout.methods | added, layout.values)


def entries(layout: Layout, frame: pd.DataFrame) -> list[list[Entry]]:
    """Return the entries of each factor, in the order of the layout.

    Args:
        layout: names the rows; one without a record gives an entry without runs.
        frame: rows of one selection rule, of one comparable group or, on request, of several.
    """
    # One pass over the frame: thousands of records must not be searched once for each row.
    found: dict[tuple[str, str], dict[Variant, list[FrameRow]]] = {}
    groups = frame.groupby(list(GROUP), sort=True).ngroup()
    for row, group in zip(frame.to_dict("records"), groups, strict=True):
        place = found.setdefault((factor_name(row["factor"]), row["method"]), {})
        variant = (int(group), str(row["hyper"]), int(row["train_images"]))
        place.setdefault(variant, []).append(cast(FrameRow, row))
    hypers = frame.groupby("method")["hyper"].unique()
    return [
        [
            entry
            for method in layout.methods
            for entry in _variants(
                layout,
                factor,
                method,
                found.get((factor_name(factor), method), {}),
                [str(hyper) for hyper in hypers.get(method, ())],
            )
        ]
        for factor in layout.factors
    ]


def _variants(
    layout: Layout,
    factor: float,
    method: str,
    variants: dict[Variant, list[FrameRow]],
    hypers: Sequence[str],
) -> list[Entry]:
    """Return the entries of one method at one factor; one without runs if there is no record.

    Args:
        layout: names the method.
        factor: nan for the unmodified set.
        method: its name.
        variants: rows of the frame, told apart.
        hypers: every set of hyper-parameters that the method has in the table, at any factor.
    """
    if not variants:
        return [Entry(method, *layout.methods[method], factor, 0, {})]
    groups, _, images = (set(column) for column in zip(*variants, strict=True))
    shared = set.intersection(*(set(hyper.split()) for hyper in hypers))
    result = []
    for (group, hyper, size), rows in sorted(variants.items()):
        own = [value for value in hyper.split() if value not in shared]
        apart = [" ".join(own)] if own else []
        # The same factor can be reached in two ways, and their sets are not the same.
        apart += [count(size, "training image")] if len(images) > len(groups) else []
        title = f"{rows[0]['title']} ({'; '.join(apart)})" if apart else str(rows[0]["title"])
        result.append(Entry(method, title, str(rows[0]["venue"]), factor, group, _runs(rows)))
    return result


def _runs(rows: list[FrameRow]) -> dict[Run, FrameRow]:
    runs: dict[Run, FrameRow] = {}
    for row in sorted(rows, key=lambda row: (row["seed"], row["split_seed"], row["id"])):
        seeds = int(row["seed"]), int(row["split_seed"])
        runs[*seeds, sum(run[:2] == seeds for run in runs)] = row
    return runs


def factor_name(factor: float) -> str:
    """Return the factor as the command line takes it."""
    return factor_label(None if math.isnan(factor) else factor)


def _is_in(factor: float, factors: Sequence[float]) -> bool:
    return factor_name(factor) in {factor_name(f) for f in factors}


def _rank(method: str) -> tuple[int, str]:
    order = list(BUILT_IN)
    return (order.index(method) if method in order else len(order), method)
