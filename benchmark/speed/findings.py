"""What was measured, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Spread:
    """Several measurements of one value.

    Attributes:
        median: the middle one, which is what counts.
        low: the first quartile.
        high: the third quartile.
        best: the best one.
        pieces: how many there are.
    """

    median: float
    low: float
    high: float
    best: float
    pieces: int


def spread(values: Sequence[float], *, at_least: bool = True) -> Spread:
    """Return median, quartiles and best of some measurements.

    Args:
        values: one or more.
        at_least: whether a larger value is a better one.
    """
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return Spread(median, low, high, max(values) if at_least else min(values), len(values))


@dataclass(frozen=True)
class Finding:
    """One measured value.

    Attributes:
        what: is measured.
        unit: of the value; ``x`` for a ratio.
        value: its measurements.
        goal: that the median should reach, or nothing.
        at_least: whether more is better.
    """

    what: str
    unit: str
    value: Spread
    goal: float | None = None
    at_least: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the goal, None where there is none."""
        if self.goal is None:
            return None
        return self.value.median >= self.goal if self.at_least else self.value.median <= self.goal


def finding(
    what: str,
    unit: str,
    values: Sequence[float],
    goal: float | None = None,
    *,
    at_least: bool = True,
) -> Finding:
    """Return the finding that some measurements of one value make."""
    return Finding(what, unit, spread(values, at_least=at_least), goal, at_least)


@dataclass(frozen=True)
class Findings:
    """What one part found out.

    Attributes:
        rows: the values.
        remarks: what else is to be said, a line each.
    """

    rows: Sequence[Finding]
    remarks: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the values as a record keeps them."""
        rows = [{**asdict(row), "met": row.met} for row in self.rows]
        return {"findings": rows, "remarks": list(self.remarks)}
