"""The page as one file: tables by a template, values for a script, a policy that bars all else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from jinja2.utils import htmlsafe_json_dumps

from benchmark.analysis.claims import AnyClaim, load_claims
from benchmark.analysis.margins import Measured, Source
from benchmark.analysis.measurements import Measurements
from benchmark.analysis.published_margins import Published
from benchmark.analysis.verdicts import Verdict, decide_claim
from benchmark.errors import InputError
from benchmark.paper.audit import TABLES, audit
from benchmark.report.audit_table import audit_tables
from benchmark.report.claims_table import brief_tables, claim_tables
from benchmark.report.drawing.draw import Drawing, Wanted, drawings
from benchmark.report.page.board import MEANINGS, Board, board, warnings
from benchmark.report.page.cells import embedded
from benchmark.report.page.inline import inline_svg
from benchmark.report.scope import scopes
from benchmark.report.sheet import Table
from benchmark.report.template import render_template
from benchmark.resources import asset
from benchmark.selection import rules
from benchmark.words import count

FIGURES = {
    "factor": "Overall and mean accuracy against the imbalance factor",
    "recall": "Recall of each class, with 95 % intervals",
    "tradeoff": "Overall against mean accuracy as logits are adjusted by tau",
}
MOST_DRAWN = 24
"""Rows of a group that a figure is drawn of; a legend of more is not read."""


class Shown(NamedTuple):
    """A figure as an element, or why there is none."""

    svg: str
    why: str


def document(measured: Measurements) -> str:
    """Return the page: leaderboards, figures, the paper's sentences, the audit.

    Raises:
        InputError: logits or marks are damaged, or a decoration needs what is not kept.
    """
    boards = [board(scope, measured) for scope in scopes(measured)]
    held, titles = _held(measured)
    style, script = (_asset(name) for name in ("page.css", "page.js"))
    return render_template(
        "page/page.html.j2",
        boards=boards,
        drawn=_figures(boards, measured),
        meanings=MEANINGS,
        marks=[mark for mark in MEANINGS if any(mark in one.marks for one in boards)],
        warnings=warnings(measured),
        dagger=rules()[measured.rule].by_test,
        sentences=_sentences(held, titles),
        audits=audit_tables([audit(number) for number in TABLES]),
        style=style,
        script=script,
        style_hash=_policy_hash(style),
        script_hash=_policy_hash(script),
        values=htmlsafe_json_dumps(embedded(boards, held, measured), separators=(",", ":")),
    )


def _asset(name: str) -> str:
    return (asset("templates/page") / name).read_text(encoding="utf-8")


def _policy_hash(text: str) -> str:
    """Return how a content security policy names the one script or style that it lets in."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


Held = list[tuple[AnyClaim, list[Verdict]]]


def _held(measured: Measurements) -> tuple[Held, list[str]]:
    """Return the paper's sentences with their verdicts, and what the numbers are."""
    claims = load_claims()
    if measured.answers is None:
        return [], []
    sources = [Measured(group, measured.answers) for group in measured.groups]
    held = [(claim, _decided(claim, sources)) for claim in claims]
    return held, [source.title for source in sources]


def _decided(claim: AnyClaim, sources: Sequence[Source]) -> list[Verdict]:
    return [verdict for source in sources for verdict in decide_claim(claim, source)]


def _sentences(held: Held, titles: list[str]) -> dict[str, list[Table]]:
    """Return the tables of the sentences: held against the records, and against the paper."""
    spoken = any(verdicts for _, verdicts in held)
    published = Published()
    own = [(claim, _decided(claim, [published])) for claim, _ in held]
    return {
        "brief": brief_tables(held, titles, "measured") if spoken else [],
        "each": claim_tables(held, titles, "measured")[1:] if spoken else [],
        "paper": brief_tables(own, [published.title], "paper"),
    }


def _figures(boards: Sequence[Board], measured: Measurements) -> list[dict[str, Shown]]:
    """Return each group's figures by name."""
    records = list(measured.records.values())
    wanted = Wanted(rule=measured.rule, images=measured.images)
    found: list[dict[str, Shown]] = [{} for _ in boards]
    for name, title in FIGURES.items():
        drawn = drawings(name, records, wanted, measured.store)
        for place, (one, drawing) in enumerate(zip(boards, drawn, strict=True)):
            label = f"{title}: {one.title}"
            found[place][name] = _shown(drawing, one, label, f"f{place}{name}")
    return found


def _shown(drawing: Drawing, one: Board, label: str, name: str) -> Shown:
    lines = len({(entry.method, entry.hyper) for entry in one.scope.groups[0].entries})
    if lines > MOST_DRAWN:
        return Shown(
            "",
            f"Not drawn of {count(lines, 'row')}, which no legend tells apart; 'fer-bench figure' "
            "draws those that --methods names.",
        )
    try:
        return Shown(inline_svg(drawing.render("svg"), name, label), "")
    except InputError as error:
        return Shown("", f"Not drawn: {error}.")
