"""Small tables of text, as a terminal, a CSV reader or a Markdown page wants them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmark.report.escape import markdown_text


class Table(NamedTuple):
    """Rows of text under a header, with remarks below."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    remarks: Sequence[str] = ()


def as_text(table: Table) -> str:
    """Align the columns with spaces, numbers to the right."""
    lines = [table.header, *table.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.header))]
    numeric = [
        any(row[i].replace(".", "").isdigit() for row in table.rows) for i in range(len(widths))
    ]
    text = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*text, *(["", *table.remarks] if table.remarks else [])]) + "\n"


def as_markdown(table: Table) -> str:
    """Write a Markdown table, the remarks as a paragraph each."""

    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(map(markdown_text, cells)) + " |"

    lines = [row(table.header), row(["---"] * len(table.header)), *map(row, table.rows)]
    for remark in table.remarks:
        lines += ["", remark]
    return "\n".join(lines) + "\n"


def as_csv(table: Table) -> str:
    """Write the rows as CSV. Remarks have no place in it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows(table.rows)
    return text.getvalue()


FORMATS: dict[str, Callable[[Table], str]] = {
    "text": as_text,
    "csv": as_csv,
    "markdown": as_markdown,
}
