"""Tables as a web page that stands alone."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.report.forms import Place
from benchmark.report.sheet import Table
from benchmark.report.template import render_template

ENDINGS = (".html",)
HELP = "a page that stands alone"


def write(tables: Sequence[Table], place: Place) -> str:
    """Return a page; what the encoding lacks is a character reference."""
    page = render_template("tables.html.j2", tables=tables)
    if place.encoding.lower().replace("-", "") == "utf8":
        return page
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")
