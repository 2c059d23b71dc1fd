"""``fer-bench predictions``: what networks said of each image."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.commands.kinds import FilePath
from benchmark.commands.options import results_option, select_option
from benchmark.commands.writing import write_files
from benchmark.errors import InputError
from benchmark.words import count


@click.group("predictions")
def command() -> None:
    """Write what networks said of each test and validation image."""


@command.command("export")
@click.argument("folder", type=FilePath(file_okay=False))
@click.option("--only", multiple=True, metavar="PATTERN", help="Only cells such as 'mek-*-150-*'.")
@select_option
@results_option
def export(folder: Path, only: tuple[str, ...], rule: str, results: Path) -> None:
    """Write a CSV file for each finished cell into FOLDER, a row an image.

    Its columns are the split, the image, its label, the prediction, the probability of each class,
    and whether the image is clean or a copy of one in another part.
    """
    from benchmark.analysis.answers import Answers
    from benchmark.analysis.predictions import predictions_csv
    from benchmark.commands.studied import studied
    from benchmark.commands.sweep import matching
    from benchmark.store.store import Store

    store = Store(results)
    records = studied(store)
    chosen = {cell.id for cell in matching([record.cell for record in records], only)}
    answers = Answers(store, rule)
    files, without, unknown = {}, [], 0
    for record in (record for record in records if record.id in chosen):
        text = predictions_csv(record, answers)
        if text is None:
            without.append(record.cell.slug)
            continue
        unknown += answers.marks(record) is None
        files[f"{record.cell.slug}.csv"] = text
    if not files:
        raise InputError(f"no cell holds logits of --select {rule}; use last")
    write_files(files, folder, start="")
    if without:
        click.echo(f"left out, no logits of --select {rule}: {', '.join(without)}", err=True)
    if unknown:
        click.echo(
            f"{count(unknown, 'file')} without names and subsets of the images, which the store "
            "does not know; 'fer-bench data verify DATASET --results' keeps them",
            err=True,
        )
