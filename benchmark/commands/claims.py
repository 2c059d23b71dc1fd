"""``fer-bench claims``: the paper's sentences against numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import form_options, images_option, results_option, select_option
from benchmark.commands.writing import write_tables
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.analysis.claims import AnyClaim
    from benchmark.analysis.margins import Source
    from benchmark.choices import Images


@click.command("claims")
@click.option(
    "--source",
    type=click.Choice(["measured", "paper"]),
    default="measured",
    show_default=True,
    help="The stored records, or the published tables.",
)
@click.option("--brief", is_flag=True, help="A row for each sentence: how many cells stand how.")
@select_option
@images_option
@results_option
@form_options
def command(
    source: str,
    brief: bool,
    rule: str,
    images: Images,
    results: Path,
    format_name: str | None,
    out: Path | None,
) -> None:
    """Hold the checkable sentences of the paper against numbers, cell by cell.

    The sentences are data: results/paper/claims.toml. The verdict of a cell is 'holds', 'does not
    hold' or 'undecided', with the smallest margin it rests on.
    """
    from benchmark.analysis.claims import load_claims
    from benchmark.analysis.verdicts import decide_claim
    from benchmark.report.claims_table import brief_tables, claim_tables
    from benchmark.report.forms import form_for

    form = form_for(format_name, out)
    claims = load_claims()
    sources, told = _sources(source, rule, images, results, claims)
    held = [
        (claim, [v for numbers in sources for v in decide_claim(claim, numbers)])
        for claim in claims
    ]
    make = brief_tables if brief else claim_tables
    write_tables(make(held, [numbers.title for numbers in sources], source), form, out)
    if told:
        click.echo(f"left out: {told}", err=True)


def _sources(
    source: str, rule: str, images: Images, results: Path, claims: Sequence[AnyClaim]
) -> tuple[list[Source], str]:
    """Return where numbers come from, and which cells take no part."""
    from benchmark.analysis.answers import Answers
    from benchmark.analysis.groups import replaced
    from benchmark.analysis.margins import Measured
    from benchmark.analysis.published_margins import Published
    from benchmark.analysis.stored import stored_groups
    from benchmark.analysis.verdicts import UNSPOKEN
    from benchmark.commands.studied import studied
    from benchmark.data.known import dataset_title
    from benchmark.store.store import Store

    if source == "paper":
        if images != "all":
            raise InputError("--source paper: published numbers are of all images; leave --images")
        return [Published()], ""
    store = Store(results)
    answers = Answers(store, rule, images)
    datasets = sorted({name for claim in claims for name in claim.cells})
    taken = {*datasets, *UNSPOKEN}
    stored = stored_groups(studied(store), results, rule)
    groups = [group for group in stored if group.shared.dataset in taken]
    if not groups:
        raise InputError(
            f"no records of {' or '.join(datasets)} in {results}, and the claims speak of no other "
            "dataset; --source paper holds them against the published tables"
        )
    others = {group.shared.dataset for group in stored} - taken
    unspoken = [f"{dataset_title(name)}: the paper says nothing of it" for name in sorted(others)]
    told = "; ".join(filter(None, [*unspoken, replaced(groups)]))
    return [Measured(group, answers) for group in groups], told
