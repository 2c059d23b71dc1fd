"""``fer-bench status``: what is in a store, and what a sweep still lacks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from benchmark.commands.options import results_option
from benchmark.commands.sweep import SweepChoice, sweep_options

if TYPE_CHECKING:
    from benchmark.record import Cell, Record
    from benchmark.store import Store


@click.command("status", short_help="Show which cells of a store or sweep are done, or why not.")
@sweep_options
@results_option
@click.pass_context
def command(ctx: click.Context, /, results: Path, **options: Any) -> None:
    """Show what a store holds; with options of a sweep, what of that sweep is done.

    A cell of a sweep is done, running, begun, failed, stale (its square of the table was trained,
    but by another protocol, dataset or method: what differs is shown) or missing. Exit code 1 if a
    record is damaged.
    """
    from benchmark.errors import InputError
    from benchmark.store import MEND, Store

    store = Store(results)
    given = [n for n in options if ctx.get_parameter_source(n) is ParameterSource.COMMANDLINE]
    if not store.root.is_dir() and not given:
        raise InputError(
            f"no results in {results}; name the store with --results or fill it with "
            "'fer-bench run'"
        )
    records, damaged = store.survey()
    store.settle(record.cell for record in records)
    if given:
        _show_sweep(SweepChoice(**options).plan().cells, records, store)
    else:
        _show_store(records, store)
    for entry in damaged:
        click.echo(f"{entry.state}: {entry.folder}: {entry.reason}", err=True)
    if any(entry.unread for entry in damaged):
        click.echo(MEND, err=True)
    if not all(entry.unread for entry in damaged):
        click.echo("'fer-bench results check --move-aside' moves damaged cells away", err=True)
    if damaged:
        sys.exit(1)


def _show_store(records: Sequence[Record], store: Store) -> None:
    from benchmark.commands.tables import Table, as_text
    from benchmark.data.imbalance import factor_label
    from benchmark.stats.accuracy import mean_accuracy, overall_accuracy

    header = (
        "dataset", "protocol", "method", "factor", "seed",
        "epochs", "overall", "mean", "seconds", "id", "changed",
    )  # fmt: skip
    rows = [
        (
            record.cell.dataset,
            record.cell.protocol.name,
            record.cell.method,
            factor_label(record.cell.factor),
            str(record.cell.seed),
            str(len(record.history)),
            f"{100 * overall_accuracy(record.history[-1].test):.2f}",
            f"{100 * mean_accuracy(record.history[-1].test):.2f}",
            f"{sum(record.seconds.values()):.0f}",
            record.id[:12],
            " ".join(record.cell.protocol.overrides) or "-",
        )
        for record in records
    ]
    if rows:
        click.echo(as_text(Table(header, rows)))
    begun, failures = store.unfinished(), store.failures()
    running = sum(begun.values())
    click.echo(
        f"{len(records)} finished, {running} running, {len(begun) - running} begun, "
        f"{len(failures)} failed"
    )
    for slug, held in begun.items():
        click.echo(f"running: {slug}" if held else f"begun: {slug} (run the same command to go on)")
    for path in failures:
        click.echo(f"failed: {path.parent.name}: {_reason(path)} (traceback: {path})")


def _show_sweep(cells: Sequence[Cell], records: Sequence[Record], store: Store) -> None:
    from collections import Counter

    from benchmark.difference import closest, differences

    done = {record.id for record in records}
    begun = store.unfinished()
    failures = {path.parent.name: path for path in store.failures()}
    counts: Counter[str] = Counter()
    for cell in cells:
        state, detail = "missing", ""
        if cell.id in done:
            state = "done"
        elif cell.slug in begun:
            state = "running" if begun[cell.slug] else "begun"
        elif cell.slug in failures:
            state, detail = "failed", _reason(failures[cell.slug])
        else:
            other = closest([record.cell for record in records], cell)
            if other is not None:
                state, detail = "stale", "; ".join(differences(other, cell))
        counts[state] += 1
        click.echo(f"{state:8}{cell.slug}{': ' if detail else ''}{detail}")
    click.echo(", ".join(f"{number} {state}" for state, number in counts.items()))


def _reason(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "no reason was kept"
