"""``fer-bench report``: stored records as tables."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.commands.options import out_option, results_option, write_out


@click.command("report", short_help="Render the stored records as tables.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["markdown", "latex", "csv", "json"]),
    default="markdown",
    show_default=True,
    help="csv and json hold every number of every cell and rule.",
)
@click.option(
    "--select",
    "rule",
    type=click.Choice(["last", "val", "oracle"]),
    default="last",
    show_default=True,
    help="Which epoch is reported: the last, the best on the validation split, or the best on the "
    "test split (marked with a dagger).",
)
@results_option
@out_option
def command(format_name: str, rule: str, results: Path, out: Path | None) -> None:
    """Render the stored records as tables; nothing is trained."""
    from benchmark.errors import InputError
    from benchmark.report.frame import tidy
    from benchmark.report.render import render_frame, render_tables
    from benchmark.report.table import build_tables
    from benchmark.store import Store

    records = Store(results).records()
    if not records:
        raise InputError(f"no finished cells in {results}; fill it with 'fer-bench run'")
    if format_name in ("csv", "json"):
        write_out(render_frame(tidy(records), format_name), out)
        return
    frame = tidy(records, [rule])
    tables = build_tables(frame, rule)
    if not tables:
        raise InputError(
            "no stored cell has a validation split, so --select val chooses nothing; use last"
        )
    left_out = len(records) - len(frame)
    if left_out:
        click.echo(f"{left_out} cells have no validation split and are left out", err=True)
    write_out(render_tables(tables, format_name), out)
