"""What margins decide: something of methods from two seeds on, of trained networks with one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmark.analysis.claims import Case, Pair
from benchmark.analysis.margins import Margin, Missing, Source
from benchmark.stats import ALPHA
from benchmark.stats.significance import holm
from benchmark.words import count

VERDICTS = HOLDS, FAILS, UNDECIDED = ("holds", "does not hold", "undecided")
ONE_SEED = "one seed"


@dataclass(frozen=True)
class Cell:
    """A cell of a claim: what is asked, the pairs that have numbers, and what the others lack."""

    dataset: str
    case: Case
    found: tuple[tuple[Pair, Margin], ...]
    missing: tuple[str, ...]

    @property
    def several_seeds(self) -> Cell:
        """The cell without the pairs of one seed, which say something of networks, not of methods.

        ``ONE_SEED`` stands among what is missing if there were any.
        """
        kept = tuple(entry for entry in self.found if entry[1].seeds != 1)
        lacking = (ONE_SEED,) if len(kept) < len(self.found) else ()
        return replace(self, found=kept, missing=(*self.missing, *lacking))

    @property
    def seeds(self) -> int | None:
        """Fewest seeds that the two numbers of a pair have in common; None for published ones."""
        return min((m.seeds for _, m in self.found if m.seeds is not None), default=None)

    def p_value(self) -> float | None:
        """Return that of the one thing the numbers may say: some pair is behind, or all are ahead.

        To be ahead every pair has to be, so none is adjusted; one of many is enough to be behind,
        so that is (Holm). None where there is nothing to test.
        """
        p_values = [margin.p for _, margin in self.found if margin.p is not None]
        if not p_values or self.case.hindrance:
            return None
        adjusted = zip(self.found, holm(p_values), strict=True)
        behind = [p for (_, margin), p in adjusted if margin.effect < 0]
        if behind:
            return min(behind)
        return None if self.missing else max(p_values)


@dataclass(frozen=True)
class Decision:
    """A cell's verdict.

    Attributes:
        verdict: one of ``VERDICTS``.
        reason: in words.
        p_holm: the p-value that decides, adjusted; None where there is nothing to test.
        seeds: how many it rests on; None for published numbers.
        open: undecided for want of numbers.
        found: the pairs that it rests on, each with its margin.
    """

    verdict: str
    reason: str
    p_holm: float | None
    seeds: int | None
    open: bool
    found: tuple[tuple[Pair, Margin], ...] = ()


def look(dataset: str, case: Case, source: Source) -> Cell:
    """Return a cell with what a source has of it."""
    found: list[tuple[Pair, Margin]] = []
    missing: dict[str, None] = {}
    for pair in case.pairs:
        try:
            found.append((pair, source.margin(dataset, pair.first, pair.second)))
        except Missing as what:
            missing[str(what)] = None
    return Cell(dataset, case, tuple(found), tuple(missing))


def decide(cells: Sequence[Cell]) -> list[Decision]:
    """Decide all cells of one sentence.

    Their p-values are adjusted for their number (Holm). Pairs of several seeds speak of methods.
    One seed speaks of these networks on these images: the reason says what they do, by the same
    rules, and the verdict is ``undecided``.
    """
    of_methods = _by_numbers([cell.several_seeds for cell in cells])
    of_networks = _by_numbers(cells)
    return [_joined(*three) for three in zip(cells, of_methods, of_networks, strict=True)]


def _joined(cell: Cell, methods: Decision, networks: Decision) -> Decision:
    """Return what the methods' pairs decide, or the networks' where one seed is in the way."""
    if cell.seeds != 1 or methods.verdict == FAILS:
        return methods
    if networks.open:
        return networks
    reason = f"{ONE_SEED}; on these images, these networks are {networks.reason}"
    return replace(networks, verdict=UNDECIDED, reason=reason)


def _by_numbers(cells: Sequence[Cell]) -> list[Decision]:
    """Decide the cells by their numbers, whatever these speak of."""
    p_values = [cell.p_value() for cell in cells]
    adjusted = iter(holm([p for p in p_values if p is not None]))
    decisions = []
    for cell, p in zip(cells, p_values, strict=True):
        p_holm = None if p is None else next(adjusted)
        verdict, reason = _ruled(cell, p_holm / p if p and p_holm else 1.0)
        wanting = bool(cell.missing or cell.case.hindrance or not cell.found)
        decisions.append(
            Decision(
                verdict, reason, p_holm, cell.seeds, wanting and verdict == UNDECIDED, cell.found
            )
        )
    return decisions


def _ruled(cell: Cell, times: float) -> tuple[str, str]:
    """Return the verdict and the reason, p-values raised so many times for the other cells."""
    found = cell.found
    if cell.case.hindrance:
        return UNDECIDED, cell.case.hindrance
    p_values = [m.p for _, m in found if m.p is not None]
    none: list[float | None] = [None] * len(found)
    alone = [p * times for p in p_values] or none
    within = [p * times for p in holm(p_values)] or none
    ahead = [_clear(m, p) and m.effect > 0 for (_, m), p in zip(found, alone, strict=True)]
    behind = [
        entry
        for entry, p in zip(found, within, strict=True)
        if _clear(entry[1], p) and entry[1].effect < 0
    ]
    if behind:
        return FAILS, _sentence("behind", behind)
    if cell.missing:
        return UNDECIDED, "; ".join(cell.missing)
    if not found:
        return UNDECIDED, "nothing to compare with"
    if all(ahead):
        word = "ahead" if len(found) == 1 else f"least ahead of {len(found)}"
        return HOLDS, _sentence(word, [min(found, key=lambda entry: entry[1].effect)])
    open_pairs = [entry for entry, clear in zip(found, ahead, strict=True) if not clear]
    ties = [entry for entry in open_pairs if entry[1].p is None and entry[1].effect == 0]
    if ties:
        return UNDECIDED, _sentence("tied", ties)
    what = "within the rounding" if open_pairs[0][1].p is None else "not distinguishable"
    return UNDECIDED, _sentence(what, open_pairs)


def _clear(margin: Margin, p: float | None) -> bool:
    """Whether the order of the two numbers is beyond doubt, whichever it is."""
    if p is None:  # two rounded numbers that print differently are in that order
        return round(100 * abs(margin.effect)) >= round(100 * margin.rounding)
    return p <= ALPHA


def _sentence(what: str, entries: Sequence[tuple[Pair, Margin]]) -> str:
    """Name the pairs, smallest margins first and three at most, and what speaks against them."""
    ranked = sorted(entries, key=lambda entry: entry[1].effect)
    most = max((margin.seeds or 0 for _, margin in entries), default=0)
    texts = [f"{_numbers(pair, margin)}{_common(margin, most)}" for pair, margin in ranked[:3]]
    more = f" and {len(ranked) - 3} more" if len(ranked) > 3 else ""
    doubts = dict.fromkeys(margin.doubt for _, margin in ranked[:3] if margin.doubt)
    doubt = f" ({'; '.join(doubts)})" if doubts else ""
    return f"{what}: {'; '.join(texts)}{more}{doubt}"


def _numbers(pair: Pair, margin: Margin) -> str:
    return f"{pair.names[0]} {margin.first:.2f}, {pair.names[1]} {margin.second:.2f}"


def _common(margin: Margin, most: int) -> str:
    """Say where two numbers are means over fewer seeds than those of other pairs."""
    few = margin.seeds is not None and margin.seeds < most
    return f" (of {count(margin.seeds or 0, 'common seed')})" if few else ""
