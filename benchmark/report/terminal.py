"""Tables for a terminal."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from benchmark.report.escape import plain_text
from benchmark.report.sheet import Piece, Table


def as_terminal(tables: Sequence[Table]) -> str:
    """Return tables as wide as the terminal, with its codes for bold and underlined.

    Whoever prints them to something else takes the codes out.
    """
    out = io.StringIO()
    width = shutil.get_terminal_size((200, 24)).columns
    # Names are Text, never markup, and no number is highlighted by itself.
    console = Console(
        file=out, width=width, force_terminal=True, color_system="standard", highlight=False
    )
    for table in tables:
        console.print(_grid(table))
        for note in table.notes:
            console.print(Text(f"- {plain_text(note)}"))
        console.print()
    return out.getvalue()


def _grid(table: Table) -> RichTable:
    title = f"{plain_text(table.title)}{' †' if table.dagger else ''}"
    grid = RichTable(box=SIMPLE_HEAD, title=Text(title, style="bold"), title_justify="left")
    for label in table.header:
        grid.add_column(Text(label))
    for column in table.columns:
        grid.add_column(Text(plain_text(column)), justify="right")
    for lines in table.lines:
        for line in lines:
            labels = [Text(plain_text(label)) for label in line.labels]
            grid.add_row(*labels, *map(_text, line.pieces))
        grid.add_section()
    return grid


def _text(piece: Piece) -> Text:
    style = " ".join(["bold"] * piece.best + ["underline"] * piece.second)
    text = Text(piece.text, style=style)
    return Text.assemble(text, f" {plain_text(piece.extra)}") if piece.extra else text
