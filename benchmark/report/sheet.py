"""What a table is before it has a form: labels, printed numbers, notes.

Every form (Markdown, LaTeX, HTML, terminal, CSV, JSON, macros) prints the digits that stand here:
none can differ from another.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean, stdev

MISSING = "–"
NUMBERED = ("Factor", "Seeds")
"""Text columns that hold numbers, even where there is a word in each row."""
_NUMBER = re.compile(r"[<+-]?[0-9]+(\.[0-9]+)?")
DIFFERENCE_KINDS = ("measured", "published", "difference", "95 % interval")
"""The lines of one row where published numbers stand beside the measured ones."""


@dataclass(frozen=True)
class Number:
    """One number of a table, as it is printed.

    Attributes:
        text: the measured number, or the sign of a missing one.
        spread: sample standard deviation over seeds, empty for one seed.
        low: lower end of the 95 % interval: of the number, or of its difference from the published
            one where there is such; empty where none is shown.
        high: upper end, likewise.
        remark: a word that belongs to the number, such as the name of the worst class.
        best: whether it is printed in bold.
        second: whether it is underlined.
        published: the published number, never mixed with the measured one.
        difference: measured minus published, with its sign.
    """

    text: str = MISSING
    spread: str = ""
    low: str = ""
    high: str = ""
    remark: str = ""
    best: bool = False
    second: bool = False
    published: str = ""
    difference: str = ""

    @property
    def interval(self) -> str:
        """The interval in brackets, empty where there is none."""
        return f"[{self.low}, {self.high}]" if self.low else ""


@dataclass(frozen=True)
class Row:
    """The numbers of one method (or one class) in the order of the columns.

    Attributes:
        labels: what stands before the numbers, in the order of the table's labels.
        numbers: one for each column.
        name: what a machine calls the row: method, and factor where there is one.
    """

    labels: tuple[str, ...]
    numbers: tuple[Number, ...]
    name: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """What is printed in one place: a number, and what stands behind it in smaller type."""

    text: str
    extra: str = ""
    best: bool = False
    second: bool = False


@dataclass(frozen=True)
class Line:
    """One printed line: a row, or a part of one."""

    labels: tuple[str, ...]
    pieces: tuple[Piece, ...]
    continued: bool = False


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        title: one line, without a full stop.
        labels: headers of the text columns.
        columns: headers of the number columns.
        keys: what machines call those columns.
        blocks: the rows of each imbalance factor; a rule stands between them, where a form has one.
        notes: what was done and what the numbers are worth, a sentence or two each.
        dagger: whether the epoch was chosen on the test set.
        against: whether published numbers stand beside the measured ones.
        name: how files and macros call it: ``table2``, or the dataset.
        facts: what its cells share, for machines.
        data: rows for machines (CSV and JSON) where they hold more than is printed, else None.
    """

    title: str
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    blocks: tuple[tuple[Row, ...], ...]
    notes: tuple[str, ...]
    dagger: bool = False
    against: bool = False
    name: str = ""
    facts: dict[str, object] = field(default_factory=dict)
    data: tuple[Mapping[str, object], ...] | None = None

    @property
    def header(self) -> tuple[str, ...]:
        """The headers of the text columns of the printed lines."""
        return (*self.labels, "Value") if self.against else self.labels

    @cached_property
    def right(self) -> tuple[bool, ...]:
        """Whether each text column stands to the right: it holds numbers."""
        lines = [line.labels for block in self.lines for line in block]
        return tuple(
            name in NUMBERED or any(_NUMBER.fullmatch(labels[place]) for labels in lines)
            for place, name in enumerate(self.header)
        )

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, in order."""
        return tuple(row for block in self.blocks for row in block)

    @cached_property
    def lines(self) -> tuple[tuple[Line, ...], ...]:
        """The printed lines of each block."""
        return tuple(tuple(_lines(block, self.against)) for block in self.blocks)


def text_table(
    title: str,
    labels: Sequence[str],
    rows: Iterable[Sequence[str]],
    notes: Sequence[str] = (),
    *,
    name: str = "",
) -> Table:
    """Return a table of words alone."""
    block = tuple(Row(tuple(row), ()) for row in rows)
    return Table(title, tuple(labels), (), (), (block,) if block else (), tuple(notes), name=name)


def percent(value: float) -> str:
    """Print a percentage as everywhere: two decimals, or the sign of a missing number."""
    return MISSING if math.isnan(value) else f"{value:.2f}"


def mean_number(values: Sequence[float], remark: str = "") -> Number:
    """Return the mean of percentages over seeds with its deviation; nan is a value not known."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Number()
    spread = f"{stdev(known):.2f}" if len(known) > 1 else ""
    return Number(percent(fmean(known)), spread, remark=remark)


def _lines(block: tuple[Row, ...], against: bool) -> Iterator[Line]:
    for row in block:
        numbers = row.numbers
        if not against:
            yield Line(row.labels, tuple(_piece(n, n.interval) for n in numbers))
            continue
        yield Line((*row.labels, DIFFERENCE_KINDS[0]), tuple(_piece(n) for n in numbers))
        if not any(n.published for n in numbers):
            continue
        other = (
            [n.published or MISSING for n in numbers],
            [n.difference or MISSING for n in numbers],
            [n.interval or MISSING for n in numbers],
        )
        for kind, texts in zip(DIFFERENCE_KINDS[1:], other, strict=True):
            if kind == "published" or any(text != MISSING for text in texts):
                yield Line((*row.labels, kind), tuple(map(Piece, texts)), continued=True)


def _piece(number: Number, interval: str = "") -> Piece:
    spread = f"± {number.spread}" if number.spread else ""
    extra = " ".join(part for part in (spread, interval, number.remark) if part)
    return Piece(number.text, extra, number.best, number.second)
