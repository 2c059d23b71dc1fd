"""``fer-bench compare``: do two methods differ by more than chance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from benchmark.commands.options import (
    adjust_option,
    dataset_filter_option,
    factors_option,
    form_options,
    images_option,
    results_option,
    select_option,
)
from benchmark.commands.writing import write_tables

if TYPE_CHECKING:
    from benchmark.analysis.decoration import Tau
    from benchmark.choices import Images


@click.command("compare")
@click.argument("a")
@click.argument("b")
@click.option(
    "--metric",
    type=click.Choice(["mean", "overall"]),
    default="mean",
    show_default=True,
    help="Mean of the class recalls, or overall accuracy.",
)
@factors_option(None, " (default: all that are stored)")
@dataset_filter_option
@select_option
@images_option
@adjust_option("Take each method that is named NAME+la")
@results_option
@form_options
def command(
    a: str,
    b: str,
    metric: Literal["mean", "overall"],
    factors: tuple[float | None, ...] | None,
    dataset: str | None,
    rule: str,
    images: Images,
    adjust: Tau | None,
    results: Path,
    format_name: str | None,
    out: Path | None,
) -> None:
    """Say whether methods A and B differ by more than chance.

    They are compared at each factor on the same test images and the same seeds, within what shares
    dataset, protocol, weights and precision. NAME+la is a method with its logits adjusted after
    training, by what --adjust says: compare mek baseline+la --adjust tau=1.
    """
    from benchmark.analysis.answers import Answers
    from benchmark.analysis.compare import compare
    from benchmark.analysis.decoration import adjustment
    from benchmark.analysis.stored import stored_groups
    from benchmark.commands.studied import studied
    from benchmark.report.compare_table import compared_tables
    from benchmark.report.decoration_notes import decoration_notes
    from benchmark.report.forms import form_for
    from benchmark.store.store import Store

    form = form_for(format_name, out)
    store = Store(results)
    groups = stored_groups(studied(store), results, rule, dataset)
    answers = Answers(store, rule, images)
    how = None if adjust is None else adjustment(adjust)
    compared = compare(groups, answers, (a, b), metric, factors, how)
    notes = decoration_notes(compared.adjusted, answers)
    if form.name in ("csv", "json", "macros"):  # whose rows have no place for it
        for note in notes:
            click.echo(f"note: {note}", err=True)
        for reason in compared.skipped:
            click.echo(f"left out: {reason}", err=True)
    write_tables(compared_tables(compared, metric, rule, images, notes), form, out)
