"""``fer-bench status``: what is in a store."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.commands.options import results_option


@click.command("status", short_help="Show which cells of a store are done or failed.")
@results_option
def command(results: Path) -> None:
    """Show which cells of a store are finished, begun or failed."""
    from rich.console import Console
    from rich.table import Table

    from benchmark.data.imbalance import factor_label
    from benchmark.metrics import mean_accuracy, overall_accuracy
    from benchmark.store import Store

    store = Store(results)
    records = store.records()
    table = Table(title=f"Finished cells in {results}", title_justify="left")
    for name in ("dataset", "protocol", "method", "factor", "seed"):
        table.add_column(name)
    for name in ("epochs", "overall", "mean", "seconds"):
        table.add_column(name, justify="right")
    for record in records:
        cell, final = record.cell, record.history[-1]
        table.add_row(
            cell.dataset,
            cell.protocol["name"],
            cell.method,
            factor_label(cell.factor),
            str(cell.seed),
            str(len(record.history)),
            f"{100 * overall_accuracy(final.test):.2f}",
            f"{100 * mean_accuracy(final.test):.2f}",
            f"{sum(record.seconds.values()):.0f}",
        )
    Console().print(table)
    unfinished, failures = store.unfinished(), store.failures()
    click.echo(f"{len(records)} finished, {len(unfinished)} begun, {len(failures)} failed")
    for slug in unfinished:
        click.echo(f"begun: {slug} (run the same command to go on)")
    for path in failures:
        reason = path.read_text(encoding="utf-8").strip().splitlines()[-1]
        click.echo(f"failed: {path.parent.name}: {reason} (traceback: {path})")
