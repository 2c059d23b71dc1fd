"""Which rows a table has: the paper's, in its order, and what the records add to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from benchmark.analysis.groups import Entry, Factor, Group, method_rank, sorted_factors, tell_apart
from benchmark.data.imbalance import factor_label
from benchmark.paper import published
from benchmark.paper.published import RECALL_PREFIX


@dataclass(frozen=True)
class Layout:
    """The rows and columns that a table has whether or not there are records for them.

    Attributes:
        number: the paper's table, None for a table of whatever the records hold.
        factors: in order, None for the unmodified set.
        methods: in order, with the title and the conference of each.
        values: columns of the frame, in order.
        added: methods that the records have and the paper's table lacks.
    """

    number: int | None
    factors: tuple[Factor, ...]
    methods: dict[str, tuple[str, str]]
    values: tuple[str, ...]
    added: frozenset[str] = frozenset()


def paper_layout(number: int) -> Layout:
    """Return the rows and columns of Table 1, 2 or 3."""
    table = published.results(number)
    factors: tuple[Factor, ...] = (None,)
    if number < 3:
        factors = tuple(map(float, dict.fromkeys(table["factor"])))
    named = zip(table["method"], table["title"], table["venue"], strict=True)
    methods = {name: ("MEK" if title == "Ours" else title, venue) for name, title, venue in named}
    values = tuple(str(c) for c in table if c not in ("method", "title", "factor", "venue"))
    return Layout(number, factors, methods, values)


def own_layout(groups: Sequence[Group], frame: pd.DataFrame) -> Layout:
    """Return the rows and columns that the records themselves have."""
    factors = sorted_factors(factor for group in groups for factor in group.factors)
    recalls = [
        column
        for column in map(str, frame)
        if column.startswith(RECALL_PREFIX) and frame[column].notna().any()
    ]
    return Layout(None, factors, {}, (*recalls, "overall", "mean"))


def with_records(layout: Layout, groups: Sequence[Group]) -> Layout:
    """Append the methods that have records and no row yet, in the registry's order."""
    named = {
        entry.method: (entry.title, entry.venue)
        for group in groups
        for factor in layout.factors
        for entry in group.at(factor)
    }
    missing = sorted(named.keys() - layout.methods.keys(), key=method_rank)
    more = {name: named[name] for name in missing}
    added = frozenset(more if layout.number is not None else ())
    return replace(layout, methods=layout.methods | more, added=added)


def laid_out(layout: Layout, groups: Sequence[Group]) -> list[list[Entry]]:
    """Return the entries of each factor, in the order of the layout.

    Args:
        layout: names the rows; one without a record gives an entry without runs.
        groups: one comparable group or, on request, several of one dataset.
    """
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in tell_apart([entry for group in groups for entry in group.entries]):
        found.setdefault((factor_label(entry.factor), entry.method), []).append(entry)
    return [
        [
            entry
            for method, (title, venue) in layout.methods.items()
            for entry in found.get((factor_label(factor), method))
            or [Entry(groups[0].shared, method, title, venue, factor, "", 0, {})]
        ]
        for factor in layout.factors
    ]
