"""Tables as text through templates: Markdown, LaTeX and HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmark.report.escape import latex_text, markdown_text, plain_text
from benchmark.report.sheet import Line, Piece, Table
from benchmark.resources import asset


def render_template(name: str, **values: object) -> str:
    """Return a template filled with values; HTML escapes every text by itself."""
    html = name.endswith(".html.j2")
    environment = Environment(
        loader=FileSystemLoader(asset("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=html,  # in the other forms every text passes through `text` instead
    )
    if html:
        environment.filters["text"] = plain_text
    else:
        latex = name.endswith(".tex.j2")
        environment.filters["text"] = latex_text if latex else markdown_text
    environment.filters["piece"] = latex_piece
    environment.globals["widths"] = latex_widths
    environment.globals["is_repeated"] = is_repeated
    return environment.get_template(name).render(**values)


def latex_widths(table: Table) -> list[tuple[str, bool]]:
    """Return siunitx's table-format of each column, and whether one for small type follows it."""
    formats = []
    for place in range(len(table.columns)):
        pieces = [line.pieces[place] for block in table.lines for line in block]
        numbers = [piece.text for piece in pieces if _is_number(piece.text)] or ["0.00"]
        sign = "+" if any(text[0] in "+-" for text in numbers) else ""
        whole = max(len(text.lstrip("+-").partition(".")[0]) for text in numbers)
        decimals = max(len(text.partition(".")[2]) for text in numbers)
        formats.append((f"{sign}{whole}.{decimals}", any(piece.extra for piece in pieces)))
    return formats


def latex_piece(piece: Piece, small: bool) -> str:
    """Return a number for an ``S`` column, and what stands behind it in a column of its own."""
    if small and piece.text.startswith("["):
        return rf"\multicolumn{{2}}{{c}}{{\footnotesize {latex_text(piece.text)}}}"
    if not _is_number(piece.text):
        # Braces keep siunitx from reading it.
        return f"{{{latex_text(piece.text)}}}" + (" &" if small else "")
    text = rf"\bfseries {piece.text}" if piece.best else piece.text
    if piece.second:
        # The rule has no width, so that the number keeps its place in the column.
        text += rf"{{\llap{{\underline{{\phantom{{{piece.text}}}}}}}}}"
    if not small:
        return text
    return f"{text} & {latex_text(piece.extra)}" if piece.extra else f"{text} &"


def is_repeated(table: Table, lines: Sequence[Line], line: int, label: int) -> bool:
    """Whether a label says again what the line above it says, where LaTeX leaves it out."""
    if line == 0 or lines[line].labels[label] != lines[line - 1].labels[label]:
        return False
    return table.header[label] in ("Factor", "True class") or lines[line].continued


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text) is not None
