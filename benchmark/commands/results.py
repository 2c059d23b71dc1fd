"""``fer-bench results``: check a store, and carry cells from one to another."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from benchmark.commands.options import FilePath, results_option
from benchmark.words import count


@click.group("results", short_help="Check a store; export and import finished cells.")
def command() -> None:
    """Check a store; export and import finished cells."""


@command.command("check")
@click.option("--move-aside", is_flag=True, help="Move damaged cells to the folder 'damaged'.")
@results_option
def check(results: Path, move_aside: bool) -> None:
    """Read every record and all logits, and name what is damaged; exit code 1 if anything is."""
    from benchmark.store import MEND, Store

    store = Store(results)
    store.require()
    records, damaged = store.survey(afresh=True)
    for entry in damaged:
        click.echo(f"{entry.state}: {entry.folder}: {entry.reason}")
        if move_aside and not entry.unread:
            click.echo(f"  moved to {store.set_aside(entry)}")
    whole = count(len(records), "cell is", "cells are")
    unread = sum(entry.unread for entry in damaged)
    more = f", {unread} cannot be read" if unread else ""
    click.echo(f"{whole} whole, {len(damaged) - unread} damaged{more}")
    if unread:
        click.echo(f"what cannot be read stays: {MEND}", err=True)
    left = len(damaged) > unread and not move_aside
    if left:
        click.echo("--move-aside moves them away; the next run trains them anew", err=True)
    if left or unread:
        sys.exit(1)


@command.command("export")
@click.argument("file", type=FilePath(dir_okay=False))
@click.option("--only", multiple=True, metavar="PATTERN", help="Only cells such as 'mek-*-150-*'.")
@results_option
def export(file: Path, only: tuple[str, ...], results: Path) -> None:
    """Write finished cells into one FILE (a zip archive)."""
    from benchmark.bundle import export_cells
    from benchmark.commands.sweep import matching
    from benchmark.errors import InputError
    from benchmark.store import Store

    store = Store(results)
    records = store.records()
    if not records:
        raise InputError(f"no finished cells in {results}; fill it with 'fer-bench run'")
    chosen = {cell.slug for cell in matching([record.cell for record in records], only)}
    kept = [record for record in records if record.cell.slug in chosen]
    export_cells(store, kept, file)
    click.echo(f"{count(len(kept), 'cell')} written to {file}")


@command.command("import")
@click.argument("file", type=FilePath(exists=True, dir_okay=False))
@results_option
def import_(file: Path, results: Path) -> None:
    """Put the cells of a FILE that 'export' wrote into a store, each checked first."""
    from benchmark.bundle import import_cells
    from benchmark.store import Store

    store = Store(results)
    store.prepare()
    arrival = import_cells(store, file)
    click.echo(
        f"{count(len(arrival.added), 'cell')} added to {results}, "
        f"{count(len(arrival.kept), 'was', 'were')} there already"
    )
