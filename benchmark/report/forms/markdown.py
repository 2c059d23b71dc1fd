"""Tables as Markdown, for pages and pull requests."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.report.forms import Place
from benchmark.report.sheet import Table
from benchmark.report.template import render_template

ENDINGS = (".md",)
HELP = "for pages and pull requests"


def write(tables: Sequence[Table], place: Place) -> str:
    """Return the tables one below the other, notes as a list."""
    return render_template("tables.md.j2", tables=tables)
