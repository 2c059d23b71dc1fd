"""Tables for a terminal as wide as it is, or for a pipe or file as wide as they are."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from benchmark.encoding import printable
from benchmark.report.escape import plain_text
from benchmark.report.forms import Place
from benchmark.report.sheet import Line, Table

ENDINGS = (".txt",)
ALIASES = ("text",)
HELP = "aligned, with bold and underlined numbers"

WORDS = 100
"""Columns of a sentence where no terminal says how wide it is."""
_ANY = 100_000
"""Columns that no table has."""
_GAP = 2
"""Between two columns."""

_LINE_END = re.compile(r"(?<! )(?: |\x1b\[[0-9;]*m)+$", re.MULTILINE)
"""The spaces that fill a line up, and the codes among them."""

Shown = Callable[[str], str]


def write(tables: Sequence[Table], place: Place) -> str:
    """Return tables with a terminal's codes for bold and underlined.

    Whoever prints them to something else takes the codes out. What the encoding lacks is replaced
    here, before the columns are aligned.
    """
    out = io.StringIO()
    words = place.width or WORDS
    # Names are Text, never markup, and no number is highlighted by itself.
    console = Console(
        file=out,
        width=_ANY,
        height=_ANY,  # or COLUMNS and LINES are read, whatever they hold
        force_terminal=True,
        color_system="standard",
        highlight=False,
    )

    def shown(text: str) -> str:
        return printable(plain_text(text), place.encoding)

    for number, table in enumerate(tables):
        if number:
            console.print()
        if table.title:
            dagger = " " + shown("†") if table.dagger else ""
            console.print(Text(f"{shown(table.title)}{dagger}", style="bold"), width=words)
        if table.rows:
            grid = _grid(table, shown, place.width)
            console.print(grid, width=place.width and max(place.width, _least(grid)))
        if table.rows and table.notes:
            console.print()
        for note in table.notes:
            console.print(Text(f"- {shown(note)}"), width=words)
    return _LINE_END.sub(lambda end: end[0].replace(" ", ""), out.getvalue())


def _grid(table: Table, shown: Shown, width: int | None) -> RichTable:
    """Return the lines in columns that no word or number is broken or cut off in.

    Where even so the terminal is too narrow, its lines run on.
    """
    blocks = [
        [[*(Text(shown(label)) for label in line.labels), *_texts(line, shown)] for line in lines]
        for lines in table.lines
    ]
    grid = RichTable(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    right = (*table.right, *(True for _ in table.columns))
    for place, label in enumerate((*table.header, *table.columns)):
        cells = [cells[place].plain for block in blocks for cells in block]
        word = max(cell_len(word) for cell in cells for word in ("", *cell.split()))
        widest = max(cell_len(text) for text in (shown(label), *cells))
        grid.add_column(
            Text(shown(label)),
            justify="right" if right[place] else "left",
            overflow="fold",  # of a header
            min_width=word,
            max_width=None if width else max(word, WORDS),
            no_wrap=word == widest,
        )
    for block in blocks:
        for cells_of_line in block:
            grid.add_row(*cells_of_line)
        grid.add_section()
    return grid


def _least(grid: RichTable) -> int:
    """Return the columns that a table needs for its longest words; rich would leave some out."""
    return sum(column.min_width or 0 for column in grid.columns) + _GAP * (len(grid.columns) - 1)


def _texts(line: Line, shown: Shown) -> Iterator[Text]:
    for piece in line.pieces:
        style = " ".join(["bold"] * piece.best + ["underline"] * piece.second)
        text = Text(shown(piece.text), style=style)
        yield Text.assemble(text, f" {shown(piece.extra)}") if piece.extra else text
