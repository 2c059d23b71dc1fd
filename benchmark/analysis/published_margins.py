"""By how much one published number is above another: the paper's own tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pandas as pd

from benchmark.analysis.attention import CLAIMED
from benchmark.analysis.margins import ACCURACIES, Margin, Missing, Term, factor_words, method_title
from benchmark.data.imbalance import factor_label
from benchmark.paper.audit import audit
from benchmark.paper.published import COUNT_TABLES, RECALL_PREFIX, RESULT_TABLES, counts, results


def published_methods(dataset: str, factor: float | None) -> list[str]:
    """Return the methods that the paper's table has at a factor."""
    return [method for method, _ in _published_rows(dataset, factor)]


@cache
def _published_rows(dataset: str, factor: float | None) -> list[tuple[str, pd.Series[Any]]]:
    rows: list[tuple[str, pd.Series[Any]]] = []
    for table, name in RESULT_TABLES.items():
        frame = results(table)
        at = frame["factor"].isna() if factor is None else frame["factor"] == factor
        if name == dataset:
            rows += [(str(row["method"]), row) for _, row in frame[at].iterrows()]
    return rows


class Published:
    """The paper's own numbers: two decimals, no uncertainty."""

    title = "published numbers"

    def __init__(self) -> None:
        # What the audit finds not to fit its row: (dataset, method, factor) -> columns.
        self._odd = {
            (RESULT_TABLES[table], finding.method, finding.factor): finding.columns
            for table in RESULT_TABLES
            for finding in audit(table).findings
        }

    def holds(self, dataset: str) -> bool:
        """Whether there is a table of a dataset."""
        return dataset in RESULT_TABLES.values()

    def methods(self, dataset: str, factor: float | None) -> list[str]:
        """Return the methods of the table at a factor."""
        return published_methods(dataset, factor)

    def name(self, method: str) -> str:
        """Return a method's name in tables."""
        return method_title(method)

    def classes(self, dataset: str) -> list[str]:
        """Return the names of the classes."""
        table = next(t for t, name in RESULT_TABLES.items() if name == dataset)
        columns = [c for c in results(table) if str(c).startswith(RECALL_PREFIX)]
        return [str(column).removeprefix(RECALL_PREFIX) for column in columns]

    def train_counts(self, dataset: str, factor: float | None) -> Mapping[str, int]:
        """Return the row of Table 4 or 5."""
        frame = counts(next(t for t, name in COUNT_TABLES.items() if name == dataset))
        at = frame["factor"].isna() if factor is None else frame["factor"] == factor
        if not at.any():
            raise Missing(f"no published counts at factor {factor_label(factor)}")
        row = frame[at].drop(columns=["factor", "total"]).iloc[0]
        return {str(name): int(n) for name, n in row.items()}

    def margin(self, dataset: str, first: Term, second: Term) -> Margin:
        """Return the difference of two printed numbers, exact to the printed digits."""
        numbers = [self._number(dataset, term) for term in (first, second)]
        # Each printed number may be half a hundredth off; a gap is made of two.
        printed = sum(2 if term.measure == "gap" else 1 for term in (first, second))
        doubts = dict.fromkeys(d for t in (first, second) if (d := self._doubt(dataset, t)))
        return Margin(
            first=numbers[0],
            second=numbers[1],
            effect=round(numbers[0] - numbers[1], 2),
            rounding=0.005 * printed,
            doubt="; ".join(doubts),
        )

    def _number(self, dataset: str, term: Term) -> float:
        if term.measure in CLAIMED:
            raise Missing("the paper has figures of attention maps and no numbers")
        for method, row in _published_rows(dataset, term.factor):
            if method == term.method:
                if term.measure == "gap":
                    return round(float(row["overall"] - row["mean"]), 2)
                accuracy = term.measure in ACCURACIES
                value = row[term.measure if accuracy else f"{RECALL_PREFIX}{term.measure}"]
                if not pd.isna(value):
                    return float(value)
        raise Missing(f"no published {self.name(term.method)} {factor_words(term)}")

    def _doubt(self, dataset: str, term: Term) -> str:
        columns = self._odd.get((dataset, term.method, factor_label(term.factor)), ())
        parts = ("overall", "mean") if term.measure == "gap" else (term.measure,)
        odd = [part for part in parts if part in columns]
        if not odd:
            return ""
        what = f"{self.name(term.method)}'s {' and '.join(odd)} {factor_words(term)}"
        return f"{what} does not fit its row"
