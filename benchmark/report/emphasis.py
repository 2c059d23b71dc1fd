"""What is printed in bold and underlined.

With one seed: the largest number of its column within a factor, and the second largest. With
several: everything that a paired test does not tell apart from the largest, and the second largest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmark.analysis.groups import Entry
from benchmark.analysis.measurements import Judge
from benchmark.paper.published import RECALL_PREFIX
from benchmark.report.sheet import percent
from benchmark.stats import ALPHA

Values = Callable[[Entry, str], Sequence[float]]
"""The numbers of an entry's runs in a column, without missing ones."""


@dataclass(frozen=True)
class Emphasis:
    """How one number is printed."""

    best: bool = False
    second: bool = False


@dataclass(frozen=True)
class TableEmphasis:
    """The marks of a table and how they were made.

    Attributes:
        of: by block, column and place of the entry in its block; what is not there has no mark.
        tested: comparisons of overall and mean accuracy, and of recalls, that were tested.
        left_out: whether entries took no part, as they have fewer than two runs.
    """

    of: dict[tuple[int, str, int], Emphasis]
    tested: tuple[int, int]
    left_out: bool


@dataclass(frozen=True)
class _Contest:
    """One column of one block, to be decided by tests: who is the largest, and who is tested."""

    block: int
    column: str
    best: int
    ties: frozenset[int]
    p_values: dict[int, float]


def plain_emphasis(
    blocks: Sequence[Sequence[Entry]], columns: Sequence[str], values: Values
) -> TableEmphasis:
    """Mark the largest printed number and the second largest, ties all; where all agree, none."""
    marks: dict[tuple[int, str, int], Emphasis] = {}
    for index, column, printed in _printed(blocks, columns, values, runs=1):
        ranks = sorted(set(printed.values()), reverse=True)
        if len(ranks) > 1:
            for place, value in printed.items():
                marks[index, column, place] = Emphasis(value == ranks[0], value == ranks[1])
    return TableEmphasis(marks, (0, 0), False)


def tested_emphasis(
    blocks: Sequence[Sequence[Entry]], columns: Sequence[str], values: Values, judge: Judge
) -> TableEmphasis | None:
    """Emphasis what is not told apart from the largest; None where no two entries share two runs.

    Holm's correction is over all comparisons of overall and mean accuracy of the table, and apart
    from them over all of its recalls. An entry with fewer than two runs, or fewer than two that
    it shares with the largest, takes no part.
    """
    from benchmark.stats.significance import holm

    contests = [
        contest
        for index, column, printed in _printed(blocks, columns, values, runs=2)
        if (contest := _contest(blocks[index], index, column, printed, judge)) is not None
    ]
    if not contests:
        return None
    marks: dict[tuple[int, str, int], Emphasis] = {}
    counts = []
    for recall in (False, True):
        family = [c for c in contests if c.column.startswith(RECALL_PREFIX) == recall]
        keys = [(c, place) for c in family for place in c.p_values]
        adjusted = holm([c.p_values[place] for c, place in keys]) if keys else []
        for (contest, place), p in zip(keys, adjusted, strict=True):
            marks[contest.block, contest.column, place] = Emphasis(
                best=bool(p > ALPHA) or place in contest.ties
            )
        for contest in family:
            marks[contest.block, contest.column, contest.best] = Emphasis(best=True)
        counts.append(len(keys))
    for index, column, printed in _printed(blocks, columns, values, runs=2):
        ranks = sorted(set(printed.values()), reverse=True)
        for place, value in printed.items():
            if len(ranks) > 1 and value == ranks[1]:
                mark = marks.get((index, column, place), Emphasis())
                marks[index, column, place] = Emphasis(mark.best, second=True)
    short = any(0 < len(entry.runs) < 2 for block in blocks for entry in block)
    return TableEmphasis(marks, (counts[0], counts[1]), short)


def _printed(
    blocks: Sequence[Sequence[Entry]], columns: Sequence[str], values: Values, *, runs: int
) -> list[tuple[int, str, dict[int, float]]]:
    """Return block, column and the printed means by place, of entries with so many runs."""
    result = []
    for index, block in enumerate(blocks):
        for column in columns:
            measured = {place: values(entry, column) for place, entry in enumerate(block)}
            means = {
                place: float(percent(math.fsum(numbers) / len(numbers)))
                for place, numbers in measured.items()
                if len(numbers) >= runs
            }
            if means:
                result.append((index, column, means))
    return result


def _contest(
    block: Sequence[Entry], index: int, column: str, printed: dict[int, float], judge: Judge
) -> _Contest | None:
    best = max(printed, key=lambda place: printed[place])
    p_values = {}
    for place in printed:
        shared = sorted(block[best].runs.keys() & block[place].runs.keys())
        if place != best and len(shared) >= 2:
            p = judge(block[best], block[place], shared, column)
            if p is not None:
                p_values[place] = p
    ties = frozenset(place for place in printed if printed[place] == printed[best])
    return _Contest(index, column, best, ties, p_values) if p_values else None
