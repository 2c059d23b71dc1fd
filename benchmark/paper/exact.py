"""Published accuracies as exact numbers: the counts behind percentages of two decimals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import pandas as pd

from benchmark.data.dataset import Part
from benchmark.data.imbalance import factor_label
from benchmark.data.known import KNOWN
from benchmark.paper.published import RECALL_PREFIX, RESULT_TABLES, results

TEST_COUNTS = {name: KNOWN[name].of(Part.TEST) for name in RESULT_TABLES.values()}
"""Test images of each class: what every published recall is a share of."""

HALF = Fraction(1, 2)  # of the last printed digit


def count_behind(printed: float, total: int) -> int | None:
    """Return the k whose share k / total prints as this percentage to two decimals, if one does.

    Args:
        printed: a percentage with two decimals.
        total: below 10000, so that no two k print the same.
    """
    hundredths = round(100 * printed)
    k = round(Fraction(hundredths * total, 10_000))
    return k if _prints(Fraction(10_000 * k, total), hundredths) else None


@dataclass(frozen=True)
class PublishedRow:
    """One row of accuracies, in exact numbers.

    Attributes:
        title: the method as the table names it.
        method: as this project does.
        factor: as people write it.
        shares: each class's printed recall.
        overall: as printed.
        mean: as printed.
        sizes: test images of each class.
    """

    title: str
    method: str
    factor: str
    shares: Mapping[str, float]
    overall: float
    mean: float
    sizes: Mapping[str, int]

    @property
    def total(self) -> int:
        """Test images."""
        return sum(self.sizes.values())

    @property
    def name(self) -> str:
        """What a reader finds the row by."""
        return self.title if self.factor == "full" else f"{self.title}, factor {self.factor}"

    def right(self, name: str) -> int | None:
        """Return how many of a class its recall stands for, None where no number does."""
        return count_behind(self.shares[name], self.sizes[name])

    def odd(self) -> list[str]:
        """Return the classes whose recall is no share of their images."""
        return [name for name in self.sizes if self.right(name) is None]

    def range_of(self, name: str) -> tuple[Fraction, Fraction]:
        """Return the bounds of a recall in hundredths of a percent: one value where k is known."""
        k = self.right(name)
        if k is not None:
            exact = Fraction(10_000 * k, self.sizes[name])
            return exact, exact
        printed = round(100 * self.shares[name])
        return printed - HALF, printed + HALF

    def overall_range(self) -> tuple[Fraction, Fraction]:
        """Return the bounds of the overall accuracy that the recalls give."""
        parts = [(self.range_of(c), Fraction(n, self.total)) for c, n in self.sizes.items()]
        return sum_of(low * w for (low, _), w in parts), sum_of(high * w for (_, high), w in parts)

    def mean_range(self) -> tuple[Fraction, Fraction]:
        """Return the bounds of the mean accuracy that the recalls give."""
        parts = [self.range_of(c) for c in self.sizes]
        k = len(parts)
        return sum_of(low for low, _ in parts) / k, sum_of(high for _, high in parts) / k

    def wrong(self) -> list[str]:
        """Return the columns that do not follow."""
        found = self.odd()
        for column, bounds, printed in (
            ("overall", self.overall_range(), self.overall),
            ("mean", self.mean_range(), self.mean),
        ):
            hundredths = round(100 * printed)
            if bounds[1] < hundredths - HALF or bounds[0] > hundredths + HALF:
                found.append(column)
        return found

    def implied_by_overall(self, name: str) -> int | None:
        """Return how many of a class the printed overall leaves, if all other recalls hold."""
        whole = count_behind(self.overall, self.total)
        others = [self.right(c) for c in self.sizes if c != name]
        if whole is None or None in others:
            return None
        return whole - sum(k for k in others if k is not None)

    def implied_by_mean(self, name: str) -> int | None:
        """Return how many of a class the printed mean asks for, if a whole number does."""
        others = [self.right(c) for c in self.sizes if c != name]
        if None in others:
            return None
        rest = sum_of(self.range_of(c)[0] for c in self.sizes if c != name)  # exact: each has its k
        asked = (len(self.sizes) * round(100 * self.mean) - rest) * self.sizes[name] / 10_000
        k = round(asked)
        mean = (rest + Fraction(10_000 * k, self.sizes[name])) / len(self.sizes)
        return k if _prints(mean, round(100 * self.mean)) else None


def sum_of(values: Iterable[Fraction]) -> Fraction:
    """Add up exactly."""
    return sum(values, Fraction(0))


def _prints(value: Fraction, hundredths: int) -> bool:
    """Whether a value, in hundredths of a percent, prints as a number; a tie may go either way."""
    return abs(value - hundredths) <= HALF


def rows_of(table: int) -> list[PublishedRow]:
    """Return the rows of Table 1, 2 or 3."""
    sizes = TEST_COUNTS[RESULT_TABLES[table]]
    return [
        PublishedRow(
            title=str(row["title"]),
            method=str(row["method"]),
            factor=factor_label(None if pd.isna(row["factor"]) else float(row["factor"])),
            shares={name: float(row[f"{RECALL_PREFIX}{name}"]) for name in sizes},
            overall=float(row["overall"]),
            mean=float(row["mean"]),
            sizes=sizes,
        )
        for row in results(table).to_dict("records")
    ]
