"""``fer-bench claims``: the paper's sentences against numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import (
    out_option,
    results_option,
    select_option,
    text_format_option,
    write_out,
)
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.report.claims import AnyClaim
    from benchmark.report.margins import Source
    from benchmark.report.verdicts import Verdict

READING = {
    "paper": "Published numbers bear no uncertainty but their rounding to two decimals: two that "
    "print differently are in that order, and a tie is undecided.",
    "measured": "A cell holds if every margin that it asks for is distinguishable (p up to 0.05 "
    "each), does not hold if one is reversed (p up to 0.05 after Holm's method over the cell's "
    "margins), and is undecided otherwise. Nothing is adjusted for the number of cells. With one "
    "seed, p knows only the test images and speaks of these trained networks.",
}
OPEN_NOTE = (
    "Open: undecided for want of numbers, because a record is missing or ambiguous or the sentence "
    "says nothing of the cell."
)
OTHER_NOTE = (
    "* The sentence was made for the other dataset; where there are numbers, it is held here all "
    "the same."
)


@click.command("claims", short_help="Hold the paper's sentences against numbers.")
@click.option(
    "--source",
    type=click.Choice(["measured", "paper"]),
    default="measured",
    show_default=True,
    help="The stored records, or the published tables.",
)
@click.option("--brief", is_flag=True, help="A row for each sentence: how many cells stand how.")
@select_option
@results_option
@text_format_option
@out_option
def command(
    source: str, brief: bool, rule: str, results: Path, format_name: str, out: Path | None
) -> None:
    """Hold the checkable sentences of the paper against numbers, cell by cell.

    The sentences are data: results/paper/claims.toml. The verdict of a cell is 'holds', 'does not
    hold' or 'undecided', with the smallest margin it rests on.
    """
    from dataclasses import asdict

    from benchmark.commands.tables import flat_as
    from benchmark.report.claims import load_claims
    from benchmark.report.verdicts import hold, tallies

    claims = load_claims()
    sources = _sources(source, rule, results, claims)
    held = [(claim, [v for numbers in sources for v in hold(claim, numbers)]) for claim in claims]
    if format_name in ("csv", "json"):
        entries = [e for _, found in held for e in (tallies(found) if brief else found)]
        rows = [
            {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(entry).items()}
            for entry in entries
        ]
        write_out(flat_as(format_name, rows), out)
        return
    write_out(_text(held, sources, format_name, source, brief=brief), out)


def _sources(source: str, rule: str, results: Path, claims: Sequence[AnyClaim]) -> list[Source]:
    from benchmark.analysis.answers import Answers
    from benchmark.analysis.stored import stored_groups
    from benchmark.report.margins import Measured, Published
    from benchmark.report.verdicts import UNSPOKEN
    from benchmark.store import Store

    if source == "paper":
        return [Published()]
    store = Store(results)
    answers = Answers(store, rule)
    datasets = sorted({name for claim in claims for name in claim.cells})
    taken = {*datasets, *UNSPOKEN}
    groups = [group for group in stored_groups(store, rule) if group.shared.dataset in taken]
    if not groups:
        raise InputError(
            f"no records of {' or '.join(datasets)} in {results}, and the claims speak of no other "
            "dataset; --source paper holds them against the published tables"
        )
    return [Measured(group, answers) for group in groups]


def _text(
    held: Sequence[tuple[AnyClaim, Sequence[Verdict]]],
    sources: Sequence[Source],
    format_name: str,
    source: str,
    *,
    brief: bool,
) -> str:
    """Return what the numbers are and how to read them, then the claims."""
    from benchmark.commands.tables import as_items

    titles = {numbers.title: f"[{place}]" for place, numbers in enumerate(sources, start=1)}
    mark = titles if len(sources) > 1 else {}
    notes = [f"{mark[title]} {title}" if mark else title for title in titles] + [READING[source]]
    verdicts = [verdict for _, found in held for verdict in found]
    if brief:
        tables = [_brief(held, mark, format_name)]
    else:
        measured = source == "measured"
        tables = [_claim(*of_claim, mark, format_name, measured=measured) for of_claim in held]
    after = [OPEN_NOTE] * (brief and any(verdict.open for verdict in verdicts))
    after += [OTHER_NOTE] * any(not verdict.made_for for verdict in verdicts)
    before, behind = ([as_items(format_name, [n], bullet="") for n in of] for of in (notes, after))
    return "\n".join([*before, *tables, *behind])


def _brief(
    held: Sequence[tuple[AnyClaim, Sequence[Verdict]]], mark: Mapping[str, str], format_name: str
) -> str:
    """Return one table of how many cells stand how."""
    from benchmark.commands.tables import FORMATS, Table
    from benchmark.report.verdicts import BRIEF_HEADER, brief_row, tallies

    rows = [
        brief_row(claim, tally, mark=mark.get(tally.source, ""))
        for claim, verdicts in held
        for tally in tallies(verdicts)
    ]
    return FORMATS[format_name](Table(BRIEF_HEADER, rows))


def _claim(
    claim: AnyClaim,
    verdicts: Sequence[Verdict],
    mark: Mapping[str, str],
    format_name: str,
    *,
    measured: bool,
) -> str:
    """Return a claim, how its cells stand and a table of them."""
    from benchmark.commands.tables import FORMATS, Table, as_items
    from benchmark.report.verdicts import summary, table_header, table_row, wording

    head = f"{claim.id}: {wording(claim)} ({claim.where})"
    pieces = [as_items(format_name, [text], bullet="") for text in (head, summary(verdicts))]
    if verdicts:
        rows = [table_row(v, measured=measured, mark=mark.get(v.source, "")) for v in verdicts]
        pieces.append(FORMATS[format_name](Table(table_header(measured=measured), rows)))
    return "\n".join(pieces)
