"""What a check of new results against stored ones comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from benchmark.data.imbalance import factor_label
from benchmark.stats import ALPHA
from benchmark.stats.accuracy import Metric


class GateVerdict(StrEnum):
    """What the gate says of one method on one training set."""

    HELD = "held"
    REGRESSED = "regressed"
    UNDECIDED = "undecided"
    INCOMPARABLE = "incomparable"
    NO_REFERENCE = "no reference"
    MISSING = "missing"


@dataclass(frozen=True)
class Drop:
    """How far one accuracy fell.

    Attributes:
        metric: ``overall`` or ``mean``.
        stored: in 0..1, averaged over the seeds that count.
        new: likewise.
        p: one-sided, adjusted over all drops of a check; None where nothing tells chance apart.
    """

    metric: Metric
    stored: float
    new: float
    p: float | None

    @property
    def points(self) -> float:
        """Percentage points that the new accuracy is lower by."""
        return 100 * (self.stored - self.new)

    def verdict(self, margin: float) -> GateVerdict:
        """Say whether it is larger than the margin, in points, and whether that is chance."""
        if self.points <= margin:
            return GateVerdict.HELD
        worse = self.p is not None and self.p <= ALPHA
        return GateVerdict.REGRESSED if worse else GateVerdict.UNDECIDED


@dataclass(frozen=True)
class Row:
    """One method on one training set, new against stored.

    Attributes:
        dataset: the dataset's name.
        protocol: the protocol's name.
        factor: the imbalance factor, None for the unmodified set.
        method: the method's name.
        title: its name in tables.
        hyper: its hyper-parameters, where the new results hold several variants; else empty.
        reference: the name of the stored results, empty without any.
        measured: what the p-values rest on.
        drops: of each metric; empty where nothing can be compared.
        differs: where the two are incomparable, what differs, a line each.
        seeds: where new results are missing, the seeds of stored runs that have none.
        verdict: the answer.
    """

    dataset: str
    protocol: str
    factor: float | None
    method: str
    title: str
    hyper: str = ""
    reference: str = ""
    measured: str = ""
    drops: tuple[Drop, ...] = ()
    differs: tuple[str, ...] = ()
    seeds: tuple[int | str, ...] = ()
    verdict: GateVerdict = GateVerdict.NO_REFERENCE

    @property
    def name(self) -> str:
        """How people name it: ``mek-ferplus-150``."""
        variant = f" ({self.hyper})" if self.hyper else ""
        return f"{self.method}-{self.dataset}-{factor_label(self.factor)}{variant}"


@dataclass(frozen=True)
class Checked:
    """What a check came to.

    Attributes:
        margin: points that an accuracy may fall by.
        rows: one for each method and training set of the new results.
        missing: one for each method and training set that is stored, for a dataset and a protocol
            of the new results, with seeds that these lack.
        allowed: likewise, of seeds that may be missing.
        replaced: cells of both sides that take no part, in words; empty if all do.
    """

    margin: float
    rows: tuple[Row, ...]
    missing: tuple[Row, ...] = ()
    allowed: tuple[Row, ...] = ()
    replaced: str = ""

    def of(self, verdict: GateVerdict) -> list[Row]:
        """Return the rows with a verdict."""
        return [row for row in self.rows if row.verdict is verdict]
