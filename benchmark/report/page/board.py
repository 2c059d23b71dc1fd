"""The leaderboard of one comparable group: its rows, and what has to be said beside a number."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import stdev

from benchmark.analysis.clean import WORTH_SAYING, clean_numbers
from benchmark.analysis.corrected import Floats, corrected_accuracies
from benchmark.analysis.groups import Entry
from benchmark.analysis.measurements import Measurements
from benchmark.data.imbalance import factor_label
from benchmark.data.known import dataset_notes
from benchmark.report.against_paper import has_published, is_paper_protocol
from benchmark.report.headers import headers
from benchmark.report.notes import COUNTED
from benchmark.report.scope import Scope
from benchmark.report.sheet import MISSING, Number, Table, mean_number, percent
from benchmark.report.tables import accuracies
from benchmark.selection import rules
from benchmark.stats.tradeoff import area_below

LABELS = ("Method", "Venue", "Factor", "Seeds")
TITLES = {
    "overall": "Overall",
    "mean": "Mean",
    "overall_spread": "Spread of overall",
    "mean_spread": "Spread of mean",
    "overall_clean": "Overall, clean",
    "mean_clean": "Mean, clean",
    "tradeoff": "Trade-off",
}
TRADEOFF_NOTE = (
    "Trade-off: the area below the curve of mean against overall accuracy as logits are adjusted "
    "by tau from 0 to 1.5, in percent: the share of demands (an overall and a mean accuracy) that "
    "some tau meets. What stands between two methods, with its interval, is in "
    "'fer-bench report --detail tradeoff'."
)
BLANK_NOTE = (
    "– beside numbers that are there: a spread needs two seeds, clean accuracies need logits and "
    "marks of copies, a trade-off needs logits that are not adjusted already."
)
ONE_SEED = "one seed"
COPIES = "copies"
OTHER_PROTOCOL = "other protocol"
OLDER = "older version"
UNBACKED = "no logits"
MEANINGS = {
    ONE_SEED: "trained once: nothing shows how much another seed would differ",
    COPIES: "test images stand in the unmodified training set, and without them the number differs "
    f"by more than {WORTH_SAYING} points",
    OTHER_PROTOCOL: "the protocol is not the paper's: the difference from the published number "
    "says nothing of whether that can be reproduced",
    OLDER: "an older version of the method's code left this row",
    UNBACKED: "logits of the epoch that counts are not kept, so nothing vouches for the number",
}


Curves = tuple[Floats, Floats] | None


@dataclass(frozen=True)
class Place:
    """A number of a row, and the marks that stand beside it."""

    number: Number
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class BoardRow:
    """One row.

    Attributes:
        entry: what it is of.
        seeds: how many runs, as it is printed.
        marks: beside the method's name.
        seed_marks: beside the seeds.
        places: a number for each column.
        curves: overall and mean accuracy in percent by run and tau, (S, T) each; None where logits
            are not kept.
    """

    entry: Entry
    seeds: str
    marks: tuple[str, ...]
    seed_marks: tuple[str, ...]
    places: tuple[Place, ...]
    curves: Curves

    @property
    def all_marks(self) -> tuple[str, ...]:
        """The marks that stand somewhere in it, in a fixed order."""
        found = {*self.marks, *self.seed_marks, *(m for place in self.places for m in place.marks)}
        return tuple(mark for mark in MEANINGS if mark in found)

    @property
    def factor(self) -> str:
        """The factor as people write it."""
        return factor_label(self.entry.factor)


@dataclass(frozen=True, eq=False)
class Board:
    """One leaderboard.

    Attributes:
        scope: its cells.
        table: the table of accuracies that it says more of: its title, its notes.
        columns: keys of the number columns.
        headers: of those columns.
        blocks: the rows of each factor.
        published_marks: what stands beside published numbers.
    """

    scope: Scope
    table: Table
    columns: tuple[str, ...]
    headers: tuple[str, ...]
    blocks: tuple[tuple[BoardRow, ...], ...]
    published_marks: tuple[str, ...]

    @property
    def title(self) -> str:
        """What it is called."""
        return self.table.title.split(": ")[0]

    @property
    def accuracies(self) -> int:
        """How many columns stand before the recalls."""
        return sum(key in TITLES for key in self.columns)

    @property
    def marks(self) -> tuple[str, ...]:
        """The marks that stand somewhere on it, in a fixed order."""
        found = {mark for block in self.blocks for row in block for mark in row.all_marks}
        found |= set(self.published_marks)
        return tuple(mark for mark in MEANINGS if mark in found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be known of its dataset before a number is read."""
        return tuple(dataset_notes(self.scope.dataset))

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands below it."""
        rows = [row for block in self.blocks for row in block if row.entry.runs]
        blank = any(place.number.text == MISSING for row in rows for place in row.places)
        tradeoff = [TRADEOFF_NOTE] * ("tradeoff" in self.columns)
        return (*self.table.notes, *tradeoff, *([BLANK_NOTE] * blank))


def warnings(measured: Measurements) -> list[str]:
    """Return what holds for every measured number of a page."""
    rule = rules()[measured.rule]
    by_test = [f"Reported: {rule.note}."] if rule.by_test else []
    counted = [COUNTED[measured.images]] if measured.images != "all" else []
    return [*by_test, *counted]


def board(scope: Scope, measured: Measurements) -> Board:
    """Return the leaderboard of one comparable group.

    Published numbers stand beside measured ones where all test images count, as theirs do.

    Raises:
        InputError: logits or marks are damaged.
    """
    table = accuracies.table_of_scope(scope, measured, measured.images == "all")
    numbers: dict[Entry, dict[str, Number]] = {}
    curves: dict[Entry, Curves] = {}
    for rows, entries in zip(table.blocks, scope.parts, strict=True):
        for row, entry in zip(rows, entries, strict=True):
            known = dict(zip(table.keys, row.numbers, strict=True))
            curves[entry] = _curves(entry, measured)
            more = _clean(entry, measured) | _tradeoff(curves[entry])
            numbers[entry] = known | _spreads(entry, measured) | more
    columns = _columns(numbers, scope)
    published = any(has_published(scope.dataset, factor) for factor in scope.layout.factors)
    marks = () if not published or is_paper_protocol(scope.frame) else (OTHER_PROTOCOL,)
    return Board(
        scope,
        table,
        columns,
        headers(columns, LABELS, TITLES),
        tuple(
            tuple(_row(entry, numbers[entry], columns, curves[entry], measured) for entry in part)
            for part in scope.parts
        ),
        marks if measured.images == "all" else (),
    )


def _columns(numbers: dict[Entry, dict[str, Number]], scope: Scope) -> tuple[str, ...]:
    """Return the columns that some row fills: accuracies first, recalls last."""
    recalls = [key for key in scope.layout.values if key not in TITLES]
    filled = {key for of in numbers.values() for key, n in of.items() if n.text != MISSING}
    return tuple(key for key in (*TITLES, *recalls) if key in filled)


def _spreads(entry: Entry, measured: Measurements) -> dict[str, Number]:
    found = {name: measured.values(entry, name) for name in ("overall", "mean")}
    return {
        f"{name}_spread": Number(percent(stdev(values)))
        for name, values in found.items()
        if len(values) > 1
    }


def _clean(entry: Entry, measured: Measurements) -> dict[str, Number]:
    if measured.answers is None or not entry.runs or measured.images != "all":
        return {}
    clean = clean_numbers(entry, measured.answers) or {}
    return {f"{column}_clean": mean_number(values.tolist()) for column, values in clean.items()}


def _curves(entry: Entry, measured: Measurements) -> Curves:
    if measured.answers is None or not entry.runs or entry.decoration is not None:
        return None
    return corrected_accuracies(entry, measured.answers)


def _tradeoff(curves: Curves) -> dict[str, Number]:
    if curves is None:
        return {}
    overall, mean = (values / 100 for values in curves)
    return {"tradeoff": mean_number((100 * area_below(overall, mean)).tolist())}


def _row(
    entry: Entry,
    numbers: dict[str, Number],
    columns: tuple[str, ...],
    curves: Curves,
    measured: Measurements,
) -> BoardRow:
    versions = {(one.method, one.version) for one in measured.outdated}
    records = entry.runs.values()
    older = any((r.cell.method, r.cell.method_version) in versions for r in records)
    unbacked = any(not row["backed"] for row in measured.rows(entry))
    return BoardRow(
        entry,
        str(len(entry.runs)),
        (OLDER,) * older + (UNBACKED,) * unbacked,
        (ONE_SEED,) * (len(entry.runs) == 1),
        tuple(Place(numbers.get(key, Number()), _copies(key, numbers)) for key in columns),
        curves,
    )


def _copies(key: str, numbers: dict[str, Number]) -> tuple[str, ...]:
    clean = numbers.get(f"{key}_clean")
    if clean is None or numbers[key].text == MISSING:
        return ()
    nothing_left = clean.text == MISSING
    differs = nothing_left or abs(float(clean.text) - float(numbers[key].text)) > WORTH_SAYING
    return (COPIES,) * differs
