"""Small tables of text, as a terminal, a CSV reader or a Markdown page wants them."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmark.report.escape import markdown_text


class Table(NamedTuple):
    """Rows of text under a header, with remarks below."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    remarks: Sequence[str] = ()


def as_text(table: Table) -> str:
    """Align the columns with spaces, numbers to the right."""
    lines = [tuple(map(_flat, line)) for line in (table.header, *table.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.header))]
    text = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, _numeric(table), strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*text, *(["", *table.remarks] if table.remarks else [])]) + "\n"


def as_markdown(table: Table) -> str:
    """Write a Markdown table, numbers to the right, the remarks as a paragraph each."""

    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(map(markdown_text, cells)) + " |"

    rule = ["---:" if right else "---" for right in _numeric(table)]
    lines = [row(table.header), f"| {' | '.join(rule)} |", *map(row, table.rows)]
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


def as_items(format_name: str, texts: Sequence[str], *, bullet: str = "- ") -> str:
    """Write texts as the items of a list, as ``text`` or ``markdown``."""
    if format_name == "markdown":
        return "".join(f"{bullet}{markdown_text(text)}\n" for text in texts)
    return "".join(
        textwrap.fill(_flat(text), 100, initial_indent=bullet, subsequent_indent="  ") + "\n"
        for text in texts
    )


def flat_as(format_name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows with the same keys as ``csv`` or ``json``; a list in a CSV cell has spaces."""
    if format_name == "json":
        return json.dumps(list(rows), indent=1) + "\n"
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {k: " ".join(map(str, v)) if isinstance(v, list) else v for k, v in row.items()}
        )
    return text.getvalue()


def _numeric(table: Table) -> list[bool]:
    """Say of each column whether it holds a number."""
    return [
        any(row[i].lstrip("+-<").replace(".", "").isdigit() for row in table.rows)
        for i in range(len(table.header))
    ]


def _flat(text: str) -> str:
    """Keep a name from breaking the line or steering the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)
