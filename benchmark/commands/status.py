"""``fer-bench status``: what is in a store, and what a sweep still lacks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from benchmark.commands.options import form_options, results_option
from benchmark.commands.sweep import SweepChoice
from benchmark.commands.sweep_options import sweep_options
from benchmark.commands.writing import write_tables
from benchmark.words import short

if TYPE_CHECKING:
    from benchmark.report.sheet import Number, Row, Table
    from benchmark.store.record import Epoch, Record
    from benchmark.store.store import Store
    from benchmark.sweep.plan import Sweep

_TRIED = "–: a try of 'fer-bench tune', whose numbers 'report --detail tuning' shows"
COLUMNS = ("epochs", "overall", "mean", "seconds")


@click.command("status")
@sweep_options()
@results_option
@form_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    results: Path,
    format_name: str | None,
    out: Path | None,
    **options: Any,
) -> None:
    """Show what a store holds; with options of a sweep, what of that sweep is done.

    A cell of a sweep is done, running, begun, failed, stale (its square of the table was trained,
    but by another protocol, dataset or method: what differs is shown) or missing. Exit code 1 if a
    record is damaged.
    """
    from benchmark.errors import InputError
    from benchmark.report.forms import form_for
    from benchmark.store.faults import MEND
    from benchmark.store.store import Store

    form = form_for(format_name, out)
    store = Store(results)
    given = [n for n in options if ctx.get_parameter_source(n) is ParameterSource.COMMANDLINE]
    if not store.root.is_dir() and not given:
        raise InputError(
            f"no results in {results}; name the store with --results or fill it with "
            "'fer-bench run'"
        )
    records, damaged = store.survey()
    store.begun.settle(record.cell for record in records)
    if given:
        tables = [_sweep_table(SweepChoice(**options).plan(), records, store)]
    else:
        tables = _store_tables(records, store)
    write_tables(tables, form, out)
    for entry in damaged:
        click.echo(f"{entry.state}: {entry.folder}: {entry.reason}", err=True)
    if any(entry.unread for entry in damaged):
        click.echo(MEND, err=True)
    if not all(entry.unread for entry in damaged):
        click.echo("'fer-bench results check --move-aside' moves damaged cells away", err=True)
    if damaged:
        sys.exit(1)


def _store_tables(records: Sequence[Record], store: Store) -> list[Table]:
    """Return the finished cells, and those that are not."""
    from benchmark.report.sheet import Table, text_table
    from benchmark.store.ledger import without_tries

    results = {record.id for record in without_tries(records, store.root)}
    begun, failures = store.begun.slugs(), store.begun.failures()
    running = sum(begun.values())
    summary = (
        f"{len(records)} finished, {running} running, {len(begun) - running} begun, "
        f"{len(failures)} failed"
    )
    finished = Table(
        title="",
        labels=("dataset", "protocol", "method", "factor", "seed", "id", "changed"),
        columns=tuple(COLUMNS),
        keys=tuple(COLUMNS),
        blocks=(tuple(_row(one, tried=one.id not in results) for one in records),)
        if records
        else (),
        notes=(
            summary,
            *([_TRIED] if len(results) < len(records) else []),
            *_held_out({record.cell.dataset for record in records}),
        ),
        name="status",
    )
    rows = [
        ("running", slug, "") if held else ("begun", slug, "run the same command to go on")
        for slug, held in begun.items()
    ]
    rows += [
        ("failed", path.parent.name, f"{_reason(path)} (traceback: {path})") for path in failures
    ]
    return [finished, *([text_table("", ("state", "cell", "detail"), rows)] if rows else [])]


def _row(record: Record, *, tried: bool) -> Row:
    """Return the row of a finished cell; of a try no number of the test split."""
    from benchmark.data.imbalance import factor_label
    from benchmark.report.sheet import Number, Row

    cell, last = record.cell, record.history[-1]
    labels = (
        cell.dataset,
        cell.protocol.name,
        cell.method,
        factor_label(cell.factor),
        str(cell.seed),
        short(record.id),
        " ".join(cell.protocol.overrides) or "-",
    )
    numbers = (
        Number(str(len(record.history))),
        *([Number(), Number()] if tried else _accuracies(last)),
        Number(f"{sum(record.seconds.values()):.0f}"),
    )
    return Row(labels, numbers, (cell.method, labels[3], labels[4]))


def _accuracies(epoch: Epoch) -> list[Number]:
    from benchmark.report.sheet import Number
    from benchmark.stats.accuracy import mean_accuracy, overall_accuracy

    found = (overall_accuracy(epoch.test), mean_accuracy(epoch.test))
    return [Number(f"{100 * accuracy:.2f}") for accuracy in found]


def _sweep_table(sweep: Sweep, records: Sequence[Record], store: Store) -> Table:
    """Return how each cell of a sweep stands."""
    from collections import Counter

    from benchmark.report.sheet import text_table
    from benchmark.store.difference import closest, differences

    done = {record.id: record for record in records}
    begun = store.begun.slugs()
    failures = {path.parent.name: path for path in store.begun.failures()}
    rows = []
    for cell in sweep.cells:
        state, detail = "missing", ""
        first = sweep.first_stage(cell)
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
        if first is not None:
            kept = first.id not in done or store.has_weights(done[first.id])
            start = f"from the final weights of {first.slug}"
            again = "" if kept or state == "done" else ", trained again as they were not kept"
            detail = "; ".join(filter(None, (detail, start + again)))
        rows.append((state, cell.slug, detail))
    counts = Counter(row[0] for row in rows)
    note = ", ".join(f"{number} {state}" for state, number in counts.items())
    notes = [note, *_held_out({sweep.dataset.name})]
    return text_table("", ("state", "cell", "detail"), rows, notes, name="sweep")


def _held_out(datasets: Iterable[str]) -> list[str]:
    """Return which datasets have a validation split that this program drew."""
    from benchmark.data.holdout import held_out_note

    return [f"{name}: {note}" for name in sorted(datasets) if (note := held_out_note(name))]


def _reason(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except FileNotFoundError:
        return "tried again meanwhile"
    return lines[-1] if lines else "no reason was kept"
