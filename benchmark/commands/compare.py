"""``fer-bench compare``: do two methods differ by more than chance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from benchmark.commands.options import (
    dataset_filter_option,
    factors_option,
    out_option,
    results_option,
    select_option,
    text_format_option,
    write_out,
)

if TYPE_CHECKING:
    from benchmark.report.compare import Compared

READING = (
    "p decides: it counts test images and, from two seeds on, seeds as chance. "
    "p (Holm) is p adjusted for the rows shown; up to 0.05 the difference is distinguishable.",
    "p (images) is the paired bootstrap over test images alone; p (seeds) the sign-flip test over "
    "seeds alone, which needs 6 seeds to fall below 0.05.",
)


@click.command("compare", short_help="Say whether two methods differ by more than chance.")
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
@results_option
@text_format_option
@out_option
def command(
    a: str,
    b: str,
    metric: Literal["mean", "overall"],
    factors: tuple[float | None, ...] | None,
    dataset: str | None,
    rule: str,
    results: Path,
    format_name: str,
    out: Path | None,
) -> None:
    """Say whether methods A and B differ by more than chance.

    They are compared at each factor on the same test images and the same seeds, within what shares
    dataset, protocol, weights and precision.
    """
    from benchmark.analysis.answers import Answers
    from benchmark.analysis.stored import stored_groups
    from benchmark.commands.tables import flat_as
    from benchmark.report.compare import compare
    from benchmark.report.compare_text import flat
    from benchmark.store import Store

    store = Store(results)
    groups = stored_groups(store, rule, dataset)
    compared = compare(groups, Answers(store, rule), (a, b), metric, factors)
    if format_name in ("csv", "json"):
        for reason in compared.skipped:
            click.echo(f"left out: {reason}", err=True)
        write_out(flat_as(format_name, [flat(row) for row in compared.rows]), out)
        return
    write_out(_tables(compared, format_name, metric, rule), out)


def _tables(compared: Compared, format_name: str, metric: str, rule: str) -> str:
    """Return a table for each group, with the verdicts below, and how to read them."""
    from benchmark.commands.tables import FORMATS, Table, as_items
    from benchmark.report.compare_text import HEADER, table_row

    render = FORMATS[format_name]
    pieces = []
    for group in dict.fromkeys(row.group for row in compared.rows):
        rows = [row for row in compared.rows if row.group == group]
        what = "mean of the recalls" if metric == "mean" else "overall accuracy"
        reported = {"last": "last epoch", "val": "best validation epoch"}.get(
            rule, "epoch chosen on the TEST set †, too optimistic"
        )
        pieces.append(as_items(format_name, [f"{group}: {what}, {reported}"], bullet=""))
        pieces.append(render(Table(HEADER, [table_row(row) for row in rows])))
        verdicts = [f"Factor {row.factor}: {row.verdict}." for row in rows]
        pieces.append(as_items(format_name, verdicts))
    notes = [*READING, *(f"Left out: {reason}." for reason in compared.skipped)]
    pieces.append(as_items(format_name, notes))
    return "\n".join(pieces)
