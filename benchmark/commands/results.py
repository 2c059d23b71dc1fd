"""``fer-bench results``: check a store, and carry cells from one to another."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.kinds import FilePath
from benchmark.commands.options import results_option
from benchmark.words import count

if TYPE_CHECKING:
    from benchmark.store.record import Record
    from benchmark.store.record_file import Damaged
    from benchmark.store.store import Store


@click.group("results")
def command() -> None:
    """Check a store; export and import finished cells."""


@command.command("check")
@click.option("--move-aside", is_flag=True, help="Move damaged cells to the folder 'damaged'.")
@results_option
def check(results: Path, move_aside: bool) -> None:
    """Read every record, all logits, kept weights and attention measures; name what is damaged.

    Exit code 1 if anything is.
    """
    from benchmark.store.attention_file import KeptAttention
    from benchmark.store.faults import MEND
    from benchmark.store.ledger import ids_of_tries
    from benchmark.store.store import Store

    store = Store(results)
    store.require()
    records, damaged = store.survey(afresh=True)
    beside = {
        "weights": store.damaged_weights(records),
        "attention measures": KeptAttention(store).damaged(records),
    }
    found = [*damaged, *(entry for entries in beside.values() for entry in entries)]
    for entry in found:
        click.echo(f"{entry.state}: {entry.folder}: {entry.reason}")
        if move_aside and not entry.unread:
            click.echo(f"  moved to {store.set_aside(entry)}")
    ids_of_tries(store.root)  # refuses a list that cannot be read
    click.echo(", ".join(_tally(len(records), damaged, beside)))
    _tell_absent(records, store)
    unread = sum(entry.unread for entry in found)
    if unread:
        click.echo(f"what cannot be read stays: {MEND}", err=True)
    left = len(found) > unread and not move_aside
    if left:
        click.echo("--move-aside moves them away; the next run trains damaged cells anew", err=True)
    if left or unread:
        sys.exit(1)


@command.command("export")
@click.argument("file", type=FilePath(dir_okay=False))
@click.option("--only", multiple=True, metavar="PATTERN", help="Only cells such as 'mek-*-150-*'.")
@click.option("--weights", is_flag=True, help="Take kept weights along.")
@results_option
def export(file: Path, only: tuple[str, ...], weights: bool, results: Path) -> None:
    """Write finished cells into one FILE (a zip archive), without their weights unless asked."""
    from benchmark.commands.sweep import matching
    from benchmark.errors import InputError
    from benchmark.store.bundle import export_cells
    from benchmark.store.store import Store

    store = Store(results)
    records = store.records()
    if not records:
        raise InputError(f"no finished cells in {results}; fill it with 'fer-bench run'")
    chosen = {cell.slug for cell in matching([record.cell for record in records], only)}
    kept = [record for record in records if record.cell.slug in chosen]
    taken = export_cells(store, kept, file, weights=weights)
    click.echo(f"{count(len(kept), 'cell')} written to {file}{_with_weights(len(taken))}")
    behind = [record for record in kept if not weights and store.has_weights(record)]
    if behind:
        click.echo(f"weights of {count(len(behind), 'cell')} left out; --weights takes them along")
    if weights and len(taken) < len(kept):
        without = [record.cell.slug for record in kept if record.cell.slug not in set(taken)]
        click.echo(f"no weights were kept of {', '.join(without)}")


@command.command("import")
@click.argument("file", type=FilePath(exists=True, dir_okay=False))
@results_option
def import_(file: Path, results: Path) -> None:
    """Put the cells of a FILE that 'export' wrote into a store, each checked first."""
    from benchmark.store.bundle import import_cells
    from benchmark.store.store import Store

    store = Store(results)
    store.prepare()
    arrival = import_cells(store, file)
    click.echo(
        f"{count(len(arrival.added), 'cell')} added to {results}, "
        f"{count(len(arrival.kept), 'was', 'were')} there already"
        f"{_with_weights(len(arrival.weights))}"
    )
    if arrival.searches:
        told = count(len(arrival.searches), "list", "lists")
        click.echo(
            f"{told} of tries by which values were chosen: fer-bench report --detail tuning; the "
            "same 'fer-bench tune' writes their protocol anew"
        )
    if arrival.taken:
        click.echo(
            "Results of this store until now, and tries by that list, which no table of results "
            f"counts: {', '.join(arrival.taken)}."
        )


def _tally(
    whole: int, damaged: Sequence[Damaged], beside: Mapping[str, Sequence[Damaged]]
) -> list[str]:
    """Return how many cells are whole and what is damaged, of files beside records by name."""
    unread = sum(entry.unread for entry in damaged)
    tally = [f"{count(whole, 'cell is', 'cells are')} whole", f"{len(damaged) - unread} damaged"]
    tally += [f"{unread} cannot be read"] if unread else []
    for what, entries in beside.items():
        unread = sum(entry.unread for entry in entries)
        wrong = len(entries) - unread
        tally += [f"damaged {what} of {wrong}"] if wrong else []
        tally += [f"{what} of {unread} cannot be read"] if unread else []
    return tally


def _tell_absent(records: Sequence[Record], store: Store) -> None:
    absent = [r for r in records if r.weights_sha256 is not None and not store.has_weights(r)]
    if absent:
        click.echo(f"weights of {count(len(absent), 'cell')} were kept but are not here")


def _with_weights(cells: int) -> str:
    return f", with the weights of {cells}" if cells else ""
