"""Tables as LaTeX, with booktabs and siunitx."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.report.forms import Place
from benchmark.report.sheet import Table
from benchmark.report.template import render_template

ENDINGS = (".tex",)
HELP = "with booktabs and siunitx"


def write(tables: Sequence[Table], place: Place) -> str:
    """Return a ``table*`` for each table, to be read by a document."""
    return render_template("tables.tex.j2", tables=tables)
