"""``fer-bench status``: what is in a store."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.commands.options import results_option


@click.command("status", short_help="Show which cells of a store are done or failed.")
@results_option
def command(results: Path) -> None:
    """Show which cells of a store are finished, begun or failed."""
    from benchmark.commands.tables import Table, as_text
    from benchmark.data.imbalance import factor_label
    from benchmark.metrics import mean_accuracy, overall_accuracy
    from benchmark.store import Store

    header = (
        "dataset", "protocol", "method", "factor", "seed",
        "epochs", "overall", "mean", "seconds", "id", "changed",
    )  # fmt: skip
    store = Store(results)
    records = store.records()
    rows = [
        (
            record.cell.dataset,
            str(record.cell.protocol["name"]),
            record.cell.method,
            factor_label(record.cell.factor),
            str(record.cell.seed),
            str(len(record.history)),
            f"{100 * overall_accuracy(record.history[-1].test):.2f}",
            f"{100 * mean_accuracy(record.history[-1].test):.2f}",
            f"{sum(record.seconds.values()):.0f}",
            record.id[:12],
            " ".join(record.cell.protocol["overrides"]) or "-",
        )
        for record in records
    ]
    if rows:
        click.echo(as_text(Table(header, rows)))
    unfinished, failures = store.unfinished(), store.failures()
    click.echo(f"{len(records)} finished, {len(unfinished)} begun, {len(failures)} failed")
    for slug in unfinished:
        click.echo(f"begun: {slug} (run the same command to go on)")
    for path in failures:
        reason = path.read_text(encoding="utf-8").strip().splitlines()[-1]
        click.echo(f"failed: {path.parent.name}: {reason} (traceback: {path})")
