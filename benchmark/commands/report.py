"""``fer-bench report``: stored records as tables."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands.kinds import FilePath
from benchmark.commands.options import (
    adjust_option,
    cache_dir_option,
    data_root_option,
    device_option,
    form_option,
    images_option,
    results_option,
    select_option,
)
from benchmark.commands.report_choice import ReportChoice
from benchmark.commands.writing import (
    begin_folder,
    write_files,
    write_out,
    write_tables,
    write_text,
)
from benchmark.errors import InputError
from benchmark.report.tables import details
from benchmark.selection import chooses_nothing, lacking
from benchmark.words import count

if TYPE_CHECKING:
    from benchmark.analysis.decoration import Decoration
    from benchmark.analysis.measurements import Measurements
    from benchmark.report.forms import Form
    from benchmark.report.sheet import Table
    from benchmark.store.record import Record
    from benchmark.store.store import Store


@click.command("report")
@click.option(
    "--table",
    "number",
    type=click.IntRange(1, 5),
    help="A table of the paper: 1 RAF-DB and 2 FERPlus at the factors 50, 100, 150; 3 unmodified "
    "FERPlus; 4 RAF-DB's and 5 FERPlus's training images of each class. Without it, a table for "
    "each group of cells that can be compared.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Write every table that the records can fill, in every form, and an index into --out.",
)
@click.option(
    "--detail",
    type=click.Choice(list(details())),
    help="Say more instead. "
    + "; ".join(f"{name}: {offer.facts['HELP']}" for name, offer in details().items())
    + ".",
)
@form_option("terminal on a terminal and markdown into a pipe")
@select_option
@images_option
@click.option(
    "--against",
    type=click.Choice(["paper"]),
    help="Put the published number and the difference beside each measured one.",
)
@click.option(
    "--oracle",
    is_flag=True,
    help="With --against paper: below each measured row that of the best TEST epoch, which "
    "published rows may be of.",
)
@adjust_option("Below each row one more, 'NAME + LA',")
@click.option(
    "--mixed",
    is_flag=True,
    help="Put cells that cannot be compared into one table, marked row by row, none in bold.",
)
@click.option(
    "--page",
    type=FilePath(dir_okay=False),
    help="Write one HTML file that needs nothing besides itself: leaderboards to sort and filter, "
    "every cell behind its row, the trade-off by tau, the paper's sentences, the audit.",
)
@results_option
@data_root_option
@cache_dir_option
@device_option
@click.option(
    "--out",
    type=FilePath(),
    help="Write to this file instead of the terminal, its ending says the form; with --all, a "
    "folder.",
)
def command(
    results: Path, data_root: Path | None, cache_dir: Path | None, device: str, **options: Any
) -> None:
    """Render the stored records as tables; nothing is trained.

    --detail attention shows each kept network the test images once, for which --data-root,
    --cache-dir and --device are; all else needs no images.

    As csv and json, without --table or --detail, every number of every cell and rule is given.
    """
    # Thousands of records leave no cycles, and looking for them takes a fifth of the time.
    gc.disable()
    click.get_current_context().call_on_close(gc.enable)
    asked = ReportChoice(**options)
    asked.check()
    from benchmark.report.forms import form_for
    from benchmark.store.store import Store

    form = form_for(asked.format_name, None if asked.everything else asked.out, piped="markdown")
    store = Store(results)
    if asked.number and asked.of_training_images:
        from benchmark.commands.studied import studied
        from benchmark.report.counts import counts_table

        records = studied(store, may_be_empty=True) if results.exists() else []
        write_tables([counts_table(records, asked.number)], form, asked.out)
        return
    records = _records(store, asked)
    if form.name in ("csv", "json") and asked.plain:
        from benchmark.analysis.frame import frame_text, tidy

        write_out(frame_text(tidy(records), form.name), asked.out)
        return
    measured = _measured(records, store, asked)
    if asked.facts.get("MAPS"):
        from benchmark.commands.maps import measure_maps

        measure_maps(store, measured.records.values(), data_root, cache_dir, device)
    _write(records, measured, asked, form, results)
    if measured.left_out and not asked.facts.get("TRIES"):
        cells = count(measured.left_out, "cell has", "cells have")
        click.echo(f"left out: {cells} {lacking(asked.rule)}", err=True)


def _measured(records: list[Record], store: Store, asked: ReportChoice) -> Measurements:
    """Return what the records measured, read as was asked for.

    Raises:
        InputError: none of them can be read so.
    """
    from benchmark.analysis.measurements import Measurements

    measured = Measurements(
        records,
        asked.rule,
        store,
        split=asked.split,
        older=asked.mixed,
        images=asked.images,
        decorations=_decorations(asked),
    )
    if not measured.records and not asked.facts.get("TRIES"):
        if not any(record.history[-1].confusion(asked.split) for record in records):
            raise InputError(
                f"no stored cell has a validation split, so --detail {asked.detail} has nothing to "
                "show"
            )
        raise InputError(chooses_nothing(asked.rule))
    return measured


def _write(
    records: list[Record], measured: Measurements, asked: ReportChoice, form: Form, results: Path
) -> None:
    """Write the page, the folder of all tables, or the tables that were asked for."""
    wants = {"against": asked.against is not None, "mixed": asked.mixed}
    if asked.page is not None:
        from benchmark.report.page.document import document

        write_text(document(measured), asked.page, "--page")
    elif asked.everything and asked.out is not None:
        from benchmark.report.every_table import every_table

        begin_folder(asked.out)
        write_files(every_table(records, measured, **wants), asked.out)
    else:
        tables = _tables(measured, asked, wants)
        if not tables:
            raise InputError(_nothing(measured, asked, results))
        write_tables(tables, form, asked.out)


def _decorations(asked: ReportChoice) -> list[Decoration]:
    """Return the further rows below each row, in their order."""
    from benchmark.analysis.decoration import BEST_TEST_EPOCH, adjustment

    adjusted = [] if asked.adjust is None else [adjustment(asked.adjust)]
    return [*adjusted, *([BEST_TEST_EPOCH] if asked.oracle else [])]


def _records(store: Store, asked: ReportChoice) -> list[Record]:
    """Return the records that are shown: of tries nothing but their validation numbers ever is.

    These stand in no row of a study either, whose seeds chose nothing: --mixed shows whatever is
    there.
    """
    from benchmark.commands.studied import studied
    from benchmark.store.ledger import ids_of_tries

    if asked.facts.get("TRIES"):
        return store.records()
    if asked.split != "validation" or not asked.mixed:
        return studied(store)
    records = store.records()
    if not records:
        raise InputError(f"no finished cells in {store.root}; fill it with 'fer-bench run'")
    tries = len(ids_of_tries(store.root) & {record.id for record in records})
    if 0 < tries < len(records):
        told = f"{count(tries, 'try', 'tries')} of 'fer-bench tune', by which values were chosen"
        click.echo(f"among these: {told}", err=True)
    return records


def _tables(measured: Measurements, asked: ReportChoice, wants: dict[str, bool]) -> list[Table]:
    if asked.detail:
        tables: list[Table] = details()[asked.detail].function("build")(
            measured, number=asked.number, mixed=asked.mixed
        )
        return tables
    from benchmark.report.tables import accuracies

    return accuracies.build(measured, number=asked.number, **wants)


def _nothing(measured: Measurements, asked: ReportChoice, results: Path) -> str:
    """Return why there is no table."""
    from benchmark.report.scope import scopes

    empty = asked.facts.get("NOTHING")
    if empty and (asked.number is None or scopes(measured, number=asked.number, plain=True)):
        return str(empty)
    where = {1: "RAF-DB at factor 50, 100 or 150", 2: "FERPlus at factor 50, 100 or 150"}
    cells = where.get(asked.number or 0, "the unmodified FERPlus")
    split = " with a validation split" if asked.split == "validation" else ""
    return (
        f"--table {asked.number}: no finished cell of {cells}{split} in {results}; train one with "
        "'fer-bench run', or leave --table away for what is there"
    )
