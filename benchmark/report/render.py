"""Tables as text: Markdown and LaTeX through templates, CSV and JSON from the frame."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmark.report.escape import latex_text, markdown_text
from benchmark.report.table import Table
from benchmark.resources import asset


def render_tables(tables: Sequence[Table], format_name: str) -> str:
    """Return tables as ``markdown`` or ``latex``."""
    template, escape = {
        "markdown": ("tables.md.j2", markdown_text),
        "latex": ("tables.tex.j2", latex_text),
    }[format_name]
    environment = Environment(
        loader=FileSystemLoader(asset("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # neither format is HTML; every text passes through `text` instead
    )
    environment.filters["text"] = escape
    return environment.get_template(template).render(tables=tables)


def render_frame(frame: pd.DataFrame, format_name: str) -> str:
    """Return the tidy frame as ``csv`` or ``json``, with numbers to four decimals."""
    rounded = frame.round(4)
    if format_name == "csv":
        text: str = rounded.to_csv(index=False, lineterminator="\n")
        return text
    rows = json.loads(rounded.to_json(orient="records"))
    return json.dumps(rows, indent=1) + "\n"
