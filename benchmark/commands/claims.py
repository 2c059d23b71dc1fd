"""``fer-bench claims``: the paper's sentences against numbers."""

from __future__ import annotations

from collections.abc import Sequence
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
OTHER_NOTE = "* The sentence was made for the other dataset; it is held here all the same."


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
    from benchmark.report.verdicts import hold

    claims = load_claims()
    sources = _sources(source, rule, results, claims)
    if brief:
        write_out(_brief(claims, sources, format_name, READING[source]), out)
        return
    held = [(claim, [v for numbers in sources for v in hold(claim, numbers)]) for claim in claims]
    if format_name in ("csv", "json"):
        rows = [
            {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(verdict).items()}
            for _, verdicts in held
            for verdict in verdicts
        ]
        write_out(flat_as(format_name, rows), out)
        return
    write_out(_text(held, sources, format_name, source), out)


def _sources(source: str, rule: str, results: Path, claims: Sequence[AnyClaim]) -> list[Source]:
    from benchmark.report.answers import Answers, stored_groups
    from benchmark.report.margins import Measured, Published
    from benchmark.store import Store

    if source == "paper":
        return [Published()]
    store = Store(results)
    answers = Answers(store, rule)
    datasets = sorted({name for claim in claims for name in claim.cells})
    groups = [group for group in stored_groups(store, rule) if group.dataset in datasets]
    if not groups:
        raise InputError(
            f"no records of {' or '.join(datasets)} in {results}, and the claims speak of no other "
            "dataset; --source paper holds them against the published tables"
        )
    return [Measured(group, answers) for group in groups]


def _brief(
    claims: Sequence[AnyClaim], sources: Sequence[Source], format_name: str, reading: str
) -> str:
    """Return a table of the claims for each source."""
    from dataclasses import asdict

    from benchmark.commands.tables import FORMATS, Table, as_items, flat_as
    from benchmark.report.verdicts import BRIEF_HEADER, OPEN_NOTE, brief_row, hold, tallies

    found = [
        (numbers.title, [(claim, t) for claim in claims for t in tallies(hold(claim, numbers))])
        for numbers in sources
    ]
    if format_name in ("csv", "json"):
        return flat_as(format_name, [asdict(t) for _, counted in found for _, t in counted])
    pieces = []
    for title, counted in found:
        pieces.append(as_items(format_name, [title], bullet=""))
        rows = [brief_row(claim, tally) for claim, tally in counted]
        pieces.append(FORMATS[format_name](Table(BRIEF_HEADER, rows)))
    everything = [tally for _, counted in found for _, tally in counted]
    notes = [reading]
    notes += [OPEN_NOTE] * any(tally.open for tally in everything)
    notes += [OTHER_NOTE] * any(not tally.made_for for tally in everything)
    return "\n".join([*pieces, *(as_items(format_name, [note], bullet="") for note in notes)])


def _text(
    held: Sequence[tuple[AnyClaim, Sequence[Verdict]]],
    sources: Sequence[Source],
    format_name: str,
    source: str,
) -> str:
    """Return each claim, how its cells stand and a table of them."""
    from benchmark.commands.tables import FORMATS, Table, as_items
    from benchmark.report.verdicts import summary, table_header, table_row

    measured = source == "measured"
    titles = {numbers.title: f"[{place}]" for place, numbers in enumerate(sources, start=1)}
    mark = titles if len(sources) > 1 else {}
    names = [f"{mark[title]} {title}" if mark else title for title in titles]
    pieces = [as_items(format_name, [text], bullet="") for text in (*names, READING[source])]
    for claim, verdicts in held:
        means = f" That is: {claim.definition}." if claim.definition else ""
        head = f"{claim.id}: {claim.sentence}{means} ({claim.where})"
        pieces.append(as_items(format_name, [head], bullet=""))
        pieces.append(as_items(format_name, [summary(verdicts)], bullet=""))
        if verdicts:
            rows = [table_row(v, measured=measured, mark=mark.get(v.source, "")) for v in verdicts]
            pieces.append(FORMATS[format_name](Table(table_header(measured=measured), rows)))
    if any(not v.made_for for _, verdicts in held for v in verdicts):
        pieces.append(as_items(format_name, [OTHER_NOTE], bullet=""))
    return "\n".join(pieces)
