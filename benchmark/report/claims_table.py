"""Claims and their verdicts as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmark.analysis.claims import AnyClaim
from benchmark.analysis.verdicts import Tally, Verdict, summary, tallies, wording
from benchmark.data.known import dataset_title
from benchmark.report.compare_table import show_p
from benchmark.report.sheet import MISSING, Number, Row, Table

READING = {
    "paper": "Published numbers bear no uncertainty but their rounding to two decimals: two that "
    "print differently are in that order, and a tie is undecided.",
    "measured": "A cell holds if every margin that it asks for is distinguishable, does not hold "
    "if one is reversed, and is undecided otherwise. p (Holm) decides, up to 0.05: it is adjusted "
    "over the cells of the sentence (those of several seeds apart from those of one) and, where a "
    "margin is reversed, over the margins of its cell before; nothing is adjusted for the number "
    "of sentences. From two seeds on, p counts test images and seeds as chance. With one seed it "
    "knows the test images alone: the cell says what these networks do on these images, and what "
    "the methods do is undecided (one seed).",
}
OPEN_NOTE = (
    "Open: undecided for want of numbers, because a record is missing or ambiguous or the sentence "
    "says nothing of the cell."
)
OTHER_NOTE = (
    "* The sentence was made for the other dataset; where there are numbers, it is held here all "
    "the same."
)
BRIEF = {
    "cells": "Cells",
    "hold": "Hold",
    "do_not_hold": "Do not hold",
    "undecided": "Undecided",
    "one_seed": "One seed",
    "open": "Open",
}
MEASURED = {"margin": "Margin [95 % interval]", "p": "p", "p_holm": "p (Holm)"}
Held = Sequence[tuple[AnyClaim, Sequence[Verdict]]]
"""Claims, each with its verdicts."""


def brief_tables(held: Held, titles: Sequence[str], source: str) -> list[Table]:
    """Return one table of how many cells stand how.

    Args:
        held: the claims.
        titles: what the numbers are, for each place that they come from.
        source: ``paper`` or ``measured``.
    """
    marks = _marks(titles)
    counted = [(claim, tally) for claim, found in held for tally in tallies(found)]
    rows = tuple(_brief_row(claim, tally, marks.get(tally.source, "")) for claim, tally in counted)
    verdicts = [verdict for _, found in held for verdict in found]
    open_note = [OPEN_NOTE] * any(verdict.open for verdict in verdicts)
    return [
        _intro(titles, source),
        Table(
            title="",
            labels=("Sentence", "Dataset"),
            columns=tuple(BRIEF.values()),
            keys=tuple(BRIEF),
            blocks=(rows,),
            notes=(*open_note, *_other_note(verdicts)),
            name="claims",
            data=tuple(_plain(tally) for _, tally in counted),
        ),
    ]


def claim_tables(held: Held, titles: Sequence[str], source: str) -> list[Table]:
    """Return a table for each claim, a row for each of its cells; arguments as above."""
    marks = _marks(titles)
    tables = [_intro(titles, source)]
    for claim, verdicts in held:
        rows = tuple(_row(v, marks.get(v.source, ""), source) for v in verdicts)
        measured = source == "measured"
        tables.append(
            Table(
                title=f"{claim.id}: {wording(claim)} ({claim.where})",
                labels=("Dataset", "Factor", "Method", "Verdict", "Why", *["Records"] * measured),
                columns=tuple(MEASURED.values()) if measured else ("Margin",),
                keys=tuple(MEASURED) if measured else ("margin",),
                blocks=(rows,) if rows else (),
                notes=(summary(verdicts),),
                name=f"claim {claim.id}",
                data=tuple(map(_plain, verdicts)),
            )
        )
    notes = _other_note([verdict for _, found in held for verdict in found])
    return [*tables, *([Table("", (), (), (), (), notes)] if notes else [])]


def _intro(titles: Sequence[str], source: str) -> Table:
    """Return what the numbers are and how to read them: a table without rows."""
    marks = _marks(titles)
    listed = [f"{marks[title]} {title}" if marks else title for title in titles]
    return Table("", (), (), (), (), (*listed, READING[source]))


def _marks(titles: Sequence[str]) -> dict[str, str]:
    """Return what tells the places of numbers apart, nothing where there is one."""
    unique = list(dict.fromkeys(titles))
    return {t: f"[{place}]" for place, t in enumerate(unique, 1)} if len(unique) > 1 else {}


def _other_note(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    return (OTHER_NOTE,) * any(not verdict.made_for for verdict in verdicts)


def _brief_row(claim: AnyClaim, tally: Tally, mark: str) -> Row:
    title = _dataset_title(tally.dataset, mark, made_for=tally.made_for)
    numbers = tuple(Number(str(getattr(tally, name))) for name in BRIEF)
    return Row((wording(claim), title), numbers, (claim.id, title))


def _row(verdict: Verdict, mark: str, source: str) -> Row:
    dataset = _dataset_title(verdict.dataset, mark, made_for=verdict.made_for)
    effect = "" if verdict.effect is None else f"{verdict.effect:+.2f}"
    low, high = ("" if end is None else f"{end:+.2f}" for end in (verdict.low, verdict.high))
    margin = Number(effect or MISSING, low=low, high=high)
    labels = (dataset, verdict.factor, verdict.title, verdict.shown, verdict.reason)
    name = (dataset, verdict.method, verdict.factor)
    if source != "measured":
        return Row(labels, (margin,), name)
    shown = (MISSING if p is None else show_p(p) for p in (verdict.p, verdict.p_holm))
    ids = " ".join(identity[:8] for identity in verdict.records) or "-"
    return Row((*labels, ids), (margin, *map(Number, shown)), name)


def _plain(entry: Verdict | Tally) -> Mapping[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(entry).items()}


def _dataset_title(dataset: str, mark: str, *, made_for: bool) -> str:
    title = dataset_title(dataset) + ("" if made_for else "*")
    return f"{title} {mark}".strip()
