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
from benchmark.commands.writing import (
    begin_folder,
    write_files,
    write_out,
    write_tables,
    write_text,
)
from benchmark.errors import InputError
from benchmark.report.tables import details, split_of
from benchmark.selection import chooses_nothing, rules
from benchmark.words import count

if TYPE_CHECKING:
    from benchmark.analysis.decoration import Decoration, Tau
    from benchmark.analysis.measurements import Measurements
    from benchmark.choices import Images
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
    number: int | None,
    everything: bool,
    detail: str | None,
    format_name: str | None,
    rule: str,
    images: Images,
    against: str | None,
    oracle: bool,
    adjust: Tau | None,
    mixed: bool,
    page: Path | None,
    results: Path,
    data_root: Path | None,
    cache_dir: Path | None,
    device: str,
    out: Path | None,
) -> None:
    """Render the stored records as tables; nothing is trained.

    --detail attention shows each kept network the test images once, for which --data-root,
    --cache-dir and --device are; all else needs no images.

    As csv and json, without --table or --detail, every number of every cell and rule is given.
    """
    # Thousands of records leave no cycles, and looking for them takes a fifth of the time.
    gc.disable()
    click.get_current_context().call_on_close(gc.enable)
    if page is not None:
        _check_page(number, everything, detail, format_name, against, oracle, mixed, out, page)
    _check(number, everything, detail, format_name, rule, against, out)
    _check_images(images, number, detail, against)
    _check_last(detail, rule, mixed=mixed)
    _check_rows(adjust, oracle, number, detail, against, rule)
    from benchmark.analysis.measurements import Measurements
    from benchmark.report.forms import form_for
    from benchmark.store.store import Store

    form = form_for(format_name, None if everything else out, piped="markdown")
    store = Store(results)
    wants = {"against": against is not None, "mixed": mixed}
    if number in (4, 5):
        from benchmark.report.counts import counts_table

        records = store.records() if results.exists() else []
        write_tables([counts_table(records, number)], form, out)
        return
    records = _records(store, detail, mixed=mixed)
    decorations = _decorations(adjust, oracle)
    chosen = number or everything or detail or any(wants.values()) or decorations or page
    chosen = chosen or images != "all"
    if form.name in ("csv", "json") and not chosen:
        from benchmark.analysis.frame import frame_text, tidy

        write_out(frame_text(tidy(records), form.name), out)
        return
    measured = Measurements(
        records,
        rule,
        store,
        split=split_of(detail),
        older=mixed,
        images=images,
        decorations=decorations,
    )
    of_tries = bool(detail and details()[detail].facts.get("TRIES"))
    if not measured.records and not of_tries:
        if measured.split == "validation":
            raise InputError(
                f"no stored cell has a validation split, so --detail {detail} has nothing to show"
            )
        raise InputError(chooses_nothing(rule))
    if detail and details()[detail].facts.get("MAPS"):
        from benchmark.commands.maps import measure_maps

        measure_maps(store, measured.records.values(), data_root, cache_dir, device)
    if page is not None:
        from benchmark.report.page.document import document

        write_text(document(measured), page, "--page")
    elif everything and out is not None:
        from benchmark.report.every_table import every_table

        begin_folder(out)
        write_files(every_table(records, measured, **wants), out)
    else:
        tables = _tables(measured, number, detail, wants)
        if not tables:
            raise InputError(_nothing(number, detail, measured, results))
        write_tables(tables, form, out)
    if measured.left_out and not of_tries:
        cells = count(measured.left_out, "cell has", "cells have")
        click.echo(f"left out: {cells} no validation split", err=True)


def _check_page(
    number: int | None,
    everything: bool,
    detail: str | None,
    format_name: str | None,
    against: str | None,
    oracle: bool,
    mixed: bool,
    out: Path | None,
    page: Path,
) -> None:
    """Refuse what says what a table is to be: the page has all of them, each in its place."""
    if page.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--page {page}: the name must end in .html")
    given = {
        "--table": number,
        "--all": everything,
        "--detail": detail,
        "--format": format_name,
        "--against": against,
        "--oracle": oracle,
        "--mixed": mixed,
        "--out": out,
    }
    named = [option for option, value in given.items() if value]
    if named:
        raise InputError(
            f"--page writes the page and nothing else; leave {' and '.join(named)} away"
        )


def _check(
    number: int | None,
    everything: bool,
    detail: str | None,
    format_name: str | None,
    rule: str,
    against: str | None,
    out: Path | None,
) -> None:
    """Refuse options that say nothing together."""
    if everything and (number or detail or format_name):
        raise InputError(
            "--all writes every table in every form; leave --table, --detail and --format away"
        )
    if everything and out is None:
        raise InputError("--all needs --out DIR, the folder that the files go to")
    if not everything and out is not None and out.is_dir():
        raise InputError(f"--out {out} is a folder; name a file, or write everything with --all")
    if detail and number in (4, 5):
        raise InputError(f"--table {number} has no --detail: it holds training images; use 1 to 3")
    if split_of(detail) == "validation" and rules()[rule].by_test:
        raise InputError(
            f"--select {rule} chooses the epoch on the test set, and --detail {detail} must not "
            "look at it; use last or val"
        )
    if detail and details()[detail].facts.get("MAPS") and not rules()[rule].final:
        raise InputError(
            f"--detail {detail} is of the final weights, and --select {rule} of another epoch; use "
            "--select last"
        )
    if against and (detail or number in (4, 5)):
        raise InputError("--against stands beside accuracies: --table 1 to 3, or no --table")


def _check_images(
    images: Images, number: int | None, detail: str | None, against: str | None
) -> None:
    """Refuse chosen images beside numbers that are of all of them."""
    if images == "all":
        return
    if against:
        raise InputError(
            f"--against paper: published numbers are of all test images, and --images {images} "
            "counts fewer; leave one of the two away"
        )
    if number in (4, 5) or split_of(detail) == "validation":
        what = f"--table {number}" if number else f"--detail {detail}"
        raise InputError(f"{what} counts no test images; leave --images away")


def _check_last(detail: str | None, rule: str, *, mixed: bool) -> None:
    """Refuse to choose epochs and rows where there is one way to read cells."""
    why = details()[detail].facts.get("LAST") if detail else None
    if why and (not rules()[rule].final or mixed):
        raise InputError(f"--detail {detail}: {why}; leave --select and --mixed away")


def _check_rows(
    adjust: Tau | None,
    oracle: bool,
    number: int | None,
    detail: str | None,
    against: str | None,
    rule: str,
) -> None:
    """Refuse further rows where there can be none."""
    if oracle and not against:
        raise InputError(
            "--oracle stands beside published numbers: add --against paper, or take --select oracle"
        )
    if oracle and rules()[rule].by_test:
        raise InputError(f"--oracle: with --select {rule} every row is of that epoch already")
    if adjust is None:
        return
    if number in (4, 5):
        raise InputError(f"--adjust: --table {number} holds training images; use 1 to 3")
    why = details()[detail].facts.get("PLAIN") if detail else None
    if why:
        raise InputError(f"--adjust has no rows in --detail {detail}: {why}; leave one of the two")


def _decorations(adjust: Tau | None, oracle: bool) -> list[Decoration]:
    """Return the further rows below each row, in their order."""
    from benchmark.analysis.decoration import BEST_TEST_EPOCH, adjustment

    adjusted = [] if adjust is None else [adjustment(adjust)]
    return [*adjusted, *([BEST_TEST_EPOCH] if oracle else [])]


def _records(store: Store, detail: str | None, *, mixed: bool) -> list[Record]:
    """Return the records that are shown: of tries nothing but their validation numbers ever is.

    These stand in no row of a study either, whose seeds chose nothing: --mixed shows whatever is
    there.
    """
    from benchmark.commands.studied import studied
    from benchmark.store.ledger import ids_of_tries

    if detail and details()[detail].facts.get("TRIES"):
        return store.records()
    if split_of(detail) != "validation" or not mixed:
        return studied(store)
    records = store.records()
    if not records:
        raise InputError(f"no finished cells in {store.root}; fill it with 'fer-bench run'")
    tries = len(ids_of_tries(store.root) & {record.id for record in records})
    if 0 < tries < len(records):
        told = f"{count(tries, 'try', 'tries')} of 'fer-bench tune', by which values were chosen"
        click.echo(f"among these: {told}", err=True)
    return records


def _tables(
    measured: Measurements, number: int | None, detail: str | None, wants: dict[str, Any]
) -> list[Table]:
    if detail:
        tables: list[Table] = details()[detail].function("build")(
            measured, number=number, mixed=wants["mixed"]
        )
        return tables
    from benchmark.report.tables import accuracies

    return accuracies.build(measured, number=number, **wants)


def _nothing(number: int | None, detail: str | None, measured: Measurements, results: Path) -> str:
    from benchmark.report.scope import scopes

    empty = details()[detail].facts.get("NOTHING") if detail else None
    if empty and (number is None or scopes(measured, number=number, plain=True)):
        return str(empty)
    where = {1: "RAF-DB at factor 50, 100 or 150", 2: "FERPlus at factor 50, 100 or 150"}
    cells = where.get(number or 0, "the unmodified FERPlus")
    split = " with a validation split" if measured.split == "validation" else ""
    return (
        f"--table {number}: no finished cell of {cells}{split} in {results}; train one with "
        "'fer-bench run', or leave --table away for what is there"
    )
