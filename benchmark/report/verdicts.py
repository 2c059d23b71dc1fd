"""Claims held cell by cell against published or measured numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.data.known import KNOWN, dataset_title
from benchmark.report.claims import AnyClaim, Case, Pair
from benchmark.report.margins import Margin, Missing, Source
from benchmark.report.published import RESULT_TABLES
from benchmark.stats import ALPHA
from benchmark.stats.significance import holm
from benchmark.words import count

VERDICTS = HOLDS, FAILS, UNDECIDED = ("holds", "does not hold", "undecided")
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
    reason: str
    open: bool
    records: tuple[str, ...]


def hold(claim: AnyClaim, source: Source) -> list[Verdict]:
    """Hold a claim against every cell of a source's datasets.

    A cell holds if every pair that it asks for is ahead: for measured numbers each at p <= 0.05,
    which needs no adjustment because all have to be. It does not hold if any is behind: for
    measured numbers at a p <= 0.05 that is adjusted by Holm's method over the cell's pairs. What
    is left is undecided. Published numbers have no uncertainty but their rounding; a tie is
    undecided. On a set that the paper has no results of, every claim is open, as one cell.
    """
    judged = [
        _judge(claim, dataset, case, source)
        for dataset in claim.cells
        if source.holds(dataset)
        for case in claim.cases(dataset, source)
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
        reason=f"the paper says nothing of {dataset_title(dataset)}",
        open=True,
        records=(),
    )


def _judge(claim: AnyClaim, dataset: str, case: Case, source: Source) -> Verdict:
    found: list[tuple[Pair, Margin]] = []
    missing: dict[str, None] = {}
    for pair in case.pairs:
        try:
            found.append((pair, source.margin(dataset, pair.first, pair.second)))
        except Missing as what:
            missing[str(what)] = None
    verdict, reason = _decide(found, list(missing))
    if case.hindrance:
        verdict, reason = UNDECIDED, case.hindrance
    weakest = min((margin for _, margin in found), key=lambda m: m.effect, default=None)
    return Verdict(
        claim=claim.id,
        source=source.title,
        dataset=dataset,
        made_for=dataset in claim.made_for,
        factor=case.factor,
        method=case.method,
        title=source.name(case.method),
        verdict=verdict,
        effect=weakest.effect if weakest else None,
        low=weakest.low if weakest else None,
        high=weakest.high if weakest else None,
        p=weakest.p if weakest else None,
        reason=reason,
        open=verdict == UNDECIDED and bool(missing or case.hindrance or not found),
        records=tuple(dict.fromkeys(r for _, margin in found for r in margin.records)),
    )


def _decide(found: Sequence[tuple[Pair, Margin]], missing: Sequence[str]) -> tuple[str, str]:
    """Return the verdict and the reason."""
    ahead = [_clear(margin, margin.p) and margin.effect > 0 for _, margin in found]
    adjusted = holm([m.p for _, m in found if m.p is not None])
    p_values = adjusted if adjusted else [None] * len(found)
    behind = [
        (pair, margin)
        for (pair, margin), p in zip(found, p_values, strict=True)
        if _clear(margin, p) and margin.effect < 0
    ]
    if behind:
        return FAILS, _words("behind", behind)
    if missing:
        return UNDECIDED, "; ".join(missing)
    if not found:
        return UNDECIDED, "nothing to compare with"
    if all(ahead):
        word = "ahead" if len(found) == 1 else f"least ahead of {len(found)}"
        return HOLDS, _words(word, [min(found, key=lambda entry: entry[1].effect)])
    open_pairs = [entry for entry, clear in zip(found, ahead, strict=True) if not clear]
    ties = [entry for entry in open_pairs if entry[1].p is None and entry[1].effect == 0]
    if ties:
        return UNDECIDED, _words("tied", ties)
    what = "within the rounding" if open_pairs[0][1].p is None else "not distinguishable"
    return UNDECIDED, _words(what, open_pairs)


def _clear(margin: Margin, p: float | None) -> bool:
    """Whether the order of the two numbers is beyond doubt, whichever it is."""
    if p is None:  # two rounded numbers that print differently are in that order
        return round(100 * abs(margin.effect)) >= round(100 * margin.rounding)
    return p <= ALPHA


def _words(what: str, entries: Sequence[tuple[Pair, Margin]]) -> str:
    """Name the pairs, smallest margins first and three at most, and what speaks against them."""
    ranked = sorted(entries, key=lambda entry: entry[1].effect)
    texts = [f"{p.names[0]} {m.first:.2f}, {p.names[1]} {m.second:.2f}" for p, m in ranked[:3]]
    more = f" and {len(ranked) - 3} more" if len(ranked) > 3 else ""
    doubts = dict.fromkeys(margin.doubt for _, margin in ranked[:3] if margin.doubt)
    doubt = f" ({'; '.join(doubts)})" if doubts else ""
    return f"{what}: {'; '.join(texts)}{more}{doubt}"


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
    if wanting := sum(verdict.open for verdict in verdicts):
        counted[-1] += f" ({wanting} for want of numbers)"
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
        undecided: in how many the numbers do not decide.
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
    open: int


def tallies(verdicts: Sequence[Verdict]) -> list[Tally]:
    """Count the verdicts on one claim, for each source and dataset."""
    parts: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        parts.setdefault((verdict.source, verdict.dataset), []).append(verdict)
    return [_tally(part) for part in parts.values()]


def _tally(verdicts: Sequence[Verdict]) -> Tally:
    one = verdicts[0]
    states = ["open" if verdict.open else verdict.verdict for verdict in verdicts]
    return Tally(
        source=one.source,
        claim=one.claim,
        dataset=one.dataset,
        made_for=one.made_for,
        cells=len(states),
        hold=states.count(HOLDS),
        do_not_hold=states.count(FAILS),
        undecided=states.count(UNDECIDED),
        open=states.count("open"),
    )


def wording(claim: AnyClaim) -> str:
    """Return the sentence, and how its words are read here."""
    return claim.sentence + (f" That is: {claim.definition}." if claim.definition else "")
