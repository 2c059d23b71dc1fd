"""``fer-bench audit``: what the published tables must satisfy."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.commands.options import form_options
from benchmark.commands.writing import write_tables


@click.command("audit")
@click.option(
    "--table",
    "tables",
    type=click.IntRange(1, 5),
    multiple=True,
    help="A table of the paper, 1 to 5; may be given several times (default: all).",
)
@form_options
def command(tables: tuple[int, ...], format_name: str | None, out: Path | None) -> None:
    """Recompute the published tables from their own numbers.

    Every recall must be a share of its class's test images, overall and mean accuracy and totals
    must follow from their row, and the training counts from the formula. What does not is named,
    with what the other numbers imply. Findings are about the published tables: the exit code is 0.
    """
    from benchmark.paper.audit import TABLES, audit
    from benchmark.report.audit_table import audit_tables
    from benchmark.report.forms import form_for

    form = form_for(format_name, out)
    chosen = sorted(set(tables)) or TABLES
    write_tables(audit_tables([audit(table) for table in chosen]), form, out)
