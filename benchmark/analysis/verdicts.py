"""Claims held cell by cell against published or measured numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.analysis.claims import AnyClaim
from benchmark.analysis.decide import (
    FAILS,
    HOLDS,
    ONE_SEED,
    UNDECIDED,
    VERDICTS,
    Cell,
    Decision,
    decide,
    look,
)
from benchmark.analysis.margins import Source
from benchmark.data.known import KNOWN, dataset_title
from benchmark.paper.published import RESULT_TABLES
from benchmark.words import count

UNSPOKEN = tuple(name for name in KNOWN if name not in RESULT_TABLES.values())
"""Known sets that the paper has no results of."""


@dataclass(frozen=True)
class Verdict:
    """What one cell says of a claim.

    Attributes:
        claim: its id.
        source: what the numbers are, for people.
        dataset: the dataset's name.
        made_for: whether the sentence speaks of this dataset.
        factor: as people write it.
        method: the method's name.
        title: its name in tables.
        verdict: ``holds``, ``does not hold`` or ``undecided``.
        effect: the smallest margin of those that the cell asks for, in points; None without any.
        low: lower end of its 95 % interval, for measured numbers.
        high: upper end.
        p: its two-sided p-value, not adjusted.
        p_holm: the p-value that decides, adjusted over the cell's margins and the sentence's cells;
            None where there is nothing to decide.
        seeds: fewest that two numbers of the cell have in common; None for published ones.
        reason: in words.
        open: undecided for want of numbers: one is missing or ambiguous, or the sentence says
            nothing of the cell.
        records: ids of all records used.
    """

    claim: str
    source: str
    dataset: str
    made_for: bool
    factor: str
    method: str
    title: str
    verdict: str
    effect: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    seeds: int | None
    reason: str
    open: bool
    records: tuple[str, ...]

    @property
    def one_seed(self) -> bool:
        """Whether it is undecided because one seed says nothing of methods."""
        return self.seeds == 1 and not self.open and self.verdict == UNDECIDED

    @property
    def shown(self) -> str:
        """The verdict and how many seeds it rests on."""
        if self.seeds is None or self.open:
            return self.verdict
        return f"{self.verdict} ({count(self.seeds, 'seed') if self.seeds > 1 else ONE_SEED})"


def decide_claim(claim: AnyClaim, source: Source) -> list[Verdict]:
    """Hold a claim against every cell of a source's datasets.

    A cell holds if every pair that it asks for is ahead, does not hold if any is behind, and is
    undecided otherwise. Measured numbers are ahead or behind at a p-value up to ALPHA, adjusted as
    :meth:`benchmark.analysis.decide.Cell.p_value` says and over the cells of the sentence; see
    :func:`benchmark.analysis.decide.decide` for what one seed is worth. Published numbers have no
    uncertainty but their rounding; a tie is undecided. On a set that the paper has no results of,
    every claim is open, as one cell.
    """
    cells = [
        look(dataset, case, source)
        for dataset in claim.cells
        if source.holds(dataset)
        for case in claim.cases(dataset, source)
    ]
    judged = [
        _judged(claim, source, cell, decision)
        for cell, decision in zip(cells, decide(cells), strict=True)
    ]
    return judged + [_open(claim, name, source) for name in UNSPOKEN if source.holds(name)]


def _open(claim: AnyClaim, dataset: str, source: Source) -> Verdict:
    return Verdict(
        claim=claim.id,
        source=source.title,
        dataset=dataset,
        made_for=False,
        factor="-",
        method="-",
        title="-",
        verdict=UNDECIDED,
        effect=None,
        low=None,
        high=None,
        p=None,
        p_holm=None,
        seeds=None,
        reason=f"the paper says nothing of {dataset_title(dataset)}",
        open=True,
        records=(),
    )


def _judged(claim: AnyClaim, source: Source, cell: Cell, decision: Decision) -> Verdict:
    margins = [margin for _, margin in cell.found]
    deciding = [margin for _, margin in decision.found]
    weakest = min(deciding, key=lambda margin: margin.effect, default=None)
    return Verdict(
        claim=claim.id,
        source=source.title,
        dataset=cell.dataset,
        made_for=cell.dataset in claim.made_for,
        factor=cell.case.factor,
        method=cell.case.method,
        title=source.name(cell.case.method),
        verdict=decision.verdict,
        effect=weakest.effect if weakest else None,
        low=weakest.low if weakest else None,
        high=weakest.high if weakest else None,
        p=weakest.p if weakest else None,
        p_holm=decision.p_holm,
        seeds=decision.seeds,
        reason=decision.reason,
        open=decision.open,
        records=tuple(dict.fromkeys(r for margin in margins for r in margin.records)),
    )


def summary(verdicts: Sequence[Verdict]) -> str:
    """Return how many cells stand how."""
    if not verdicts:
        return "No cell of these numbers."
    words = {HOLDS: ("holds", "hold"), FAILS: ("does not hold", "do not hold")}
    counted = []
    for what in VERDICTS:
        n = sum(verdict.verdict == what for verdict in verdicts)
        one, several = words.get(what, (what, what))
        counted.append(f"{n} {one if n == 1 else several}")
    reasons = {
        f"with {ONE_SEED}": sum(verdict.one_seed for verdict in verdicts),
        "for want of numbers": sum(verdict.open for verdict in verdicts),
    }
    if told := ", ".join(f"{n} {why}" for why, n in reasons.items() if n):
        counted[-1] += f" ({told})"
    return f"{count(len(verdicts), 'cell')}: {', '.join(counted)}."


@dataclass(frozen=True)
class Tally:
    """How the cells of a claim stand on one dataset.

    Attributes:
        source: what the numbers are, for people.
        claim: its id.
        dataset: the dataset's name.
        made_for: whether the sentence speaks of this dataset.
        cells: how many there are.
        hold: in how many the sentence holds.
        do_not_hold: in how many it does not.
        undecided: in how many the numbers of several seeds do not decide.
        one_seed: in how many there is one seed, which decides nothing of methods.
        open: in how many there are none to decide by, see :class:`Verdict`.
    """

    source: str
    claim: str
    dataset: str
    made_for: bool
    cells: int
    hold: int
    do_not_hold: int
    undecided: int
    one_seed: int
    open: int


def tallies(verdicts: Sequence[Verdict]) -> list[Tally]:
    """Count the verdicts on one claim, for each source and dataset."""
    parts: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        parts.setdefault((verdict.source, verdict.dataset), []).append(verdict)
    return [_tally(part) for part in parts.values()]


def _tally(verdicts: Sequence[Verdict]) -> Tally:
    one = verdicts[0]
    states = [
        "open" if verdict.open else ONE_SEED if verdict.one_seed else verdict.verdict
        for verdict in verdicts
    ]
    return Tally(
        source=one.source,
        claim=one.claim,
        dataset=one.dataset,
        made_for=one.made_for,
        cells=len(states),
        hold=states.count(HOLDS),
        do_not_hold=states.count(FAILS),
        undecided=states.count(UNDECIDED),
        one_seed=states.count(ONE_SEED),
        open=states.count("open"),
    )


def wording(claim: AnyClaim) -> str:
    """Return the sentence, and how its words are read here."""
    return claim.sentence + (f" That is: {claim.definition}." if claim.definition else "")
