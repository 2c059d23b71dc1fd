"""``fer-bench run``: train what is missing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.choices import CELLS_OPTION
from benchmark.commands.kinds import FilePath
from benchmark.commands.sweep import SweepChoice, matching
from benchmark.commands.sweep_options import sweep_options
from benchmark.commands.training import (
    Training,
    tell_first_stages,
    tell_precision,
    training_options,
)
from benchmark.interrupt import heed_all
from benchmark.trackers import trackers_told
from benchmark.words import clock, count

if TYPE_CHECKING:
    from benchmark.store.record import Cell
    from benchmark.store.store import Store
    from benchmark.sweep.executors import Order
    from benchmark.sweep.plan import Sweep
    from benchmark.sweep.stages import Work


@click.command("run")
@sweep_options()
@click.option("--only", multiple=True, metavar="PATTERN", help="Only cells such as 'mek-*-150-*'.")
@click.option("--limit", type=click.IntRange(min=1), help="Train at most so many cells.")
@click.option("--dry-run", is_flag=True, help="Say what would be trained and how long it may take.")
@click.option(
    "--keep-weights", is_flag=True, help="Keep the final weights and a model card beside a record."
)
@click.option(
    "--log",
    "logs",
    multiple=True,
    metavar="NAME",
    help=f"Tell a tracker of the training. {trackers_told()}; or one of another package.",
)
@training_options
@click.option(CELLS_OPTION, "cells_file", type=FilePath(), hidden=True)
def command(
    only: tuple[str, ...],
    limit: int | None,
    dry_run: bool,
    keep_weights: bool,
    logs: tuple[str, ...],
    cells_file: Path | None,
    **options: Any,
) -> None:
    """Train every cell of methods x factors x seeds that is not finished yet.

    Finished cells are kept in the store and never trained again; stop at any time and run the same
    command to go on. Several processes, also on several machines that share the store, divide the
    cells among them.
    """
    heed_all()
    from benchmark.sweep.stages import work

    training = Training.take(options, keep_weights=keep_weights, logs=logs)
    choice = SweepChoice(**options, elsewhere=training.elsewhere)
    store, results = training.store, training.results
    if cells_file is not None:
        sys.exit(1 if _train_share(cells_file, choice, training) else 0)
    sweep = choice.plan()
    left = work(matching(sweep.cells, only), sweep, store)
    cells, missing = left.cells, left.missing
    lacking = {cell.id for cell in missing}
    finished = [cell for cell in cells if cell.id not in lacking]
    if not dry_run:
        store.begun.settle(finished)
    todo = missing[:limit]
    click.echo(_summary(sweep, cells, missing, todo, results))
    _tell_tries(finished, store)
    tell_first_stages(left)
    if keep_weights:
        _tell_weightless(finished, store)
    for note in sweep.dataset.notes:
        click.echo(f"Dataset: {note.rstrip('.')}.")
    if dry_run:
        training.check_place()
        _refuse_early(choice, sweep, todo)
        if not training.elsewhere:
            tell_precision(todo, choice.device)
        order = training.order(choice, sweep, todo)
        _show_plan(left, todo, order, elsewhere=training.elsewhere)
        if todo:
            training.show(order)
        return
    if not todo:
        return
    training.prepare(choice, sweep, todo)
    _announce(todo)
    if not training.run(choice, sweep, todo):
        return
    if keep_weights:  # other processes may have finished some without
        _tell_weightless(todo, store)
    _close(todo, store, left)


def _tell_tries(cells: Sequence[Cell], store: Store) -> None:
    """Name finished cells that tables of results do not count."""
    from benchmark.store.ledger import ids_of_tries

    tries = ids_of_tries(store.root)
    slugs = [cell.slug for cell in cells if cell.id in tries]
    if slugs:
        click.echo(
            f"Tries of 'fer-bench tune', which no table of results counts: {', '.join(slugs)}; "
            "train a study with other seeds."
        )


def _tell_weightless(cells: Sequence[Cell], store: Store) -> None:
    """Name finished cells whose weights are not there: they are not trained again for them.

    Raises:
        InputError: weights that are there are damaged.
    """
    lacking = []
    for record in filter(None, map(store.find, cells)):
        if store.has_weights(record):
            store.weights(record)
        else:
            lacking.append(record.cell.slug)
    if lacking:
        click.echo(
            f"Finished without weights, and left as they are: {', '.join(lacking)}. To have their "
            f"weights, move these folders out of {store.cells} and run again."
        )


def _refuse_early(choice: SweepChoice, sweep: Sweep, todo: Sequence[Cell]) -> None:
    """Refuse in a dry run what the run itself would not begin with."""
    from benchmark.engine.compiled import check_compiles
    from benchmark.engine.device import resolve_device
    from benchmark.sweep.buildable import check_buildable

    if not choice.elsewhere:
        check_compiles(todo, resolve_device(choice.device))
    if not _as_shipped(choice, sweep):
        for note in check_buildable(todo, sweep):
            click.echo(f"Weights: {note}.")


def _as_shipped(choice: SweepChoice, sweep: Sweep) -> bool:
    """Whether nothing was chosen but what comes with the package, which is known to work."""
    from benchmark.protocols import shipped
    from methods.registry import BUILT_IN

    plain = choice.weights is None and not choice.overrides and set(sweep.methods) <= set(BUILT_IN)
    return plain and choice.protocol_name in (None, *shipped())


def _train_share(file: Path, choice: SweepChoice, training: Training) -> list[str]:
    """Train the cells that another process planned, and return the names of those that failed.

    Raises:
        InputError: the same plan comes to other cells here: data, weights or code are not the same;
            or a cell is to be compiled, and nothing can be on this machine.
    """
    from benchmark.sweep.share import Share
    from benchmark.sweep.work import train_here

    share = Share.read(file)
    sweep = choice.plan(share.precision)
    todo = share.find(sweep, file)
    tally = train_here(training.order(choice, sweep, todo), alone=False, wait=share.wait)
    for slug in tally.held:
        click.echo(f"{slug}: another process trains it, and this one does not wait for it")
    return tally.failed


def _summary(
    sweep: Sweep,
    cells: Sequence[Cell],
    missing: Sequence[Cell],
    todo: Sequence[Cell],
    results: Path,
) -> str:
    first = sweep.cells[0]
    limited = f" ({len(todo)} now)" if len(todo) < len(missing) else ""
    return (
        f"{count(len(cells), 'cell')} on {first.dataset} "
        f"(protocol {first.protocol.name}): "
        f"{len(cells) - len(missing)} finished, {len(missing)} to train{limited}; results in "
        f"{results}"
    )


def _announce(todo: Sequence[Cell]) -> None:
    """Say what is going to be trained, before anything is."""
    from benchmark.data.imbalance import factor_label

    for name, values in (
        ("method", [cell.method for cell in todo]),
        ("factor", [factor_label(cell.factor) for cell in todo]),
        ("seed", [str(cell.seed) for cell in todo]),
    ):
        several = list(dict.fromkeys(values))
        click.echo(f"  {name}{'s'[: len(several) > 1]}: {', '.join(several)}")


def _show_plan(left: Work, todo: Sequence[Cell], order: Order, *, elsewhere: bool) -> None:
    from benchmark.environment import usable_cores
    from benchmark.sweep.estimate import (
        cost_elsewhere,
        cost_here,
        expected_seconds,
        telling_records,
    )

    running = order.store.begun.slugs()
    threads = order.threads or usable_cores()
    expected = dict.fromkeys(cell.slug for cell in todo)
    records = telling_records(order.store)
    if not elsewhere:
        expected = expected_seconds(todo, records, order.device, threads)
    missing = {cell.id for cell in left.missing}
    for cell in left.cells:
        if cell.slug not in expected:
            state = "left for later" if cell.id in missing else "finished"
        else:
            seconds = expected[cell.slug]
            begun = "begun" if cell.slug in running else "to train"
            begun += " again" if cell in left.again else ""
            state = begun if seconds is None else f"{begun}, about {clock(seconds)}"
        first = order.sweep.first_stage(cell)
        start = "" if first is None else f", from the final weights of {first.slug}"
        click.echo(f"  {cell.slug}: {state}{start}")
    if not todo:
        return
    told = (
        cost_elsewhere(todo, records)
        if elsewhere
        else cost_here(expected, todo, records, order.device)
    )
    for line in told:
        click.echo(line)


def _close(asked: Sequence[Cell], store: Store, left: Work) -> None:
    """Say what came of the cells; exit code 1 unless all of them are finished."""
    from benchmark.sweep.stages import has_weights

    known = {cell.id for cell in store.missing(asked)}
    known |= {cell.id for cell in left.again if not has_weights(cell, store)}
    missing = [cell for cell in asked if cell.id in known]
    failed = [cell for cell in missing if (store.begun.failed(cell) / "error.txt").exists()]
    unfinished = len(missing) - len(failed)
    more = f", {unfinished} not finished" if unfinished else ""
    click.echo(f"{len(asked) - len(missing)} trained, {len(failed)} failed{more}.")
    if failed:
        click.echo(
            f"Failed cells keep their traceback in {store.root / 'failed'} and are tried again by "
            "the next run.",
            err=True,
        )
    if unfinished:
        click.echo("Give the same command again to go on.", err=True)
    if missing:
        sys.exit(1)
    click.echo(f"Show the tables with: fer-bench report --results {store.root}")
