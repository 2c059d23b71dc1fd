"""What one table is made from, and what it is called: a comparable group, or a paper's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from benchmark.analysis.decorated import with_decorations
from benchmark.analysis.groups import Entry, Group, Run, Shared
from benchmark.analysis.measurements import Measurements
from benchmark.choices import Images
from benchmark.data.imbalance import factor_label
from benchmark.data.known import dataset_title
from benchmark.paper import published
from benchmark.report.decoration_notes import decoration_notes
from benchmark.report.layout import Layout, laid_out, own_layout, paper_layout, with_records
from benchmark.report.notes import (
    COUNTED,
    group_letter,
    mixed_notes,
    older_notes,
    outdated_notes,
    provenance_notes,
)

REFERENCE = "baseline"
"""The method that differences of a table are from."""


@dataclass(frozen=True)
class Scope:
    """The cells of one table, and where its rows and columns stand.

    Attributes:
        groups: one comparable group, or on request all groups of one dataset.
        frame: a row for each of their records that the table shows.
        layout: its rows and columns.
        blocks: the entries of each factor.
        images: which test images count.
        apart: in what a group differs from others of its dataset and protocol that the records
            have; empty if there are none.
    """

    groups: tuple[Group, ...]
    frame: pd.DataFrame
    layout: Layout
    blocks: list[list[Entry]]
    images: Images
    apart: str = ""

    @cached_property
    def runs(self) -> list[Run]:
        """Every run that an entry has: what the others are held against."""
        return sorted({run for block in self.blocks for entry in block for run in entry.runs})

    @cached_property
    def parts(self) -> list[list[Entry]]:
        """The entries of each factor, between which a rule stands.

        In a table of the paper those of its own methods stand apart from others.
        """
        split = [
            [entry for entry in block if (entry.method in self.layout.added) is added]
            for block in self.blocks
            for added in (False, True)
        ]
        return [part for part in split if part]

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.groups[0].shared.dataset

    @property
    def mixed(self) -> bool:
        """Whether its cells cannot be compared."""
        return len(self.groups) > 1

    def expected(self, entry: Entry) -> int:
        """Return how many runs an entry has that lacks none, as others of its group show."""
        if not self.mixed:
            return len(self.runs)
        of_group = [e for block in self.blocks for e in block if e.group == entry.group]
        return len({run for other in of_group for run in other.runs})

    def named(self, entry: Entry) -> str:
        """Return what a note below the table calls a row."""
        cells = f" (cells {self.letter(entry)})" if self.mixed and entry.runs else ""
        return f"{entry.label} at {factor_label(entry.factor)}{cells}"

    def letter(self, entry: Entry) -> str:
        """Return what a mixed table calls an entry's group."""
        return group_letter([group.shared for group in self.groups].index(entry.group))


def scopes(
    measured: Measurements,
    *,
    number: int | None = None,
    mixed: bool = False,
    plain: bool = False,
) -> list[Scope]:
    """Return what each table is made from: a comparable group, or with ``mixed`` a dataset.

    Args:
        measured: the records.
        number: Table 1, 2 or 3 of the paper; None for tables of whatever the records hold.
        mixed: put groups that cannot be compared into one table.
        plain: leave the decorations of the rows away.

    Raises:
        InputError: a decoration needs what the records do not keep.
    """
    groups = measured.groups
    if number is not None:
        factors = {factor_label(factor) for factor in paper_layout(number).factors}
        of_table = [group for group in groups if group.shared.dataset == _dataset(number)]
        groups = [some for group in of_table if (some := _cut_to(group, factors)) is not None]
    if not plain:
        groups = with_decorations(groups, measured.decorations, measured.answers)
    together: dict[object, list[Group]] = {}
    for group in groups:
        together.setdefault(group.shared.dataset if mixed else group.shared, []).append(group)
    return [_scope(measured, members, number) for members in together.values()]


def _dataset(number: int) -> str:
    return published.RESULT_TABLES[number]


def _cut_to(group: Group, factors: set[str]) -> Group | None:
    """Return a group without what stands at other factors, None if nothing is left."""
    entries = tuple(e for e in group.entries if factor_label(e.factor) in factors)
    older = tuple(r for r in group.older if factor_label(r.cell.factor) in factors)
    return Group(group.shared, entries, older) if entries else None


def _scope(measured: Measurements, groups: Sequence[Group], number: int | None) -> Scope:
    ids = {identity for group in groups for identity in group.records}
    frame = measured.frame[measured.frame["id"].isin(ids)]
    layout = paper_layout(number) if number is not None else own_layout(groups, frame)
    layout = with_records(layout, groups)
    others = (group.shared for group in measured.groups)
    apart = "" if len(groups) > 1 else groups[0].shared.differing(others)
    blocks = laid_out(layout, groups)
    return Scope(tuple(groups), frame, layout, blocks, measured.images, apart)


def labels_of(scope: Scope) -> tuple[str, ...]:
    """Return the headers of the text columns."""
    labels = ["Method", "Conference" if scope.layout.number == 3 else "Factor"]
    if scope.mixed:
        labels.append("Cells")
    if len(scope.runs) > 1:
        labels.append("Seeds")
    return tuple(labels)


def labels_for(scope: Scope, entry: Entry) -> tuple[str, ...]:
    """Return what stands before the numbers of an entry."""
    factor = entry.venue if scope.layout.number == 3 else factor_label(entry.factor)
    labels = [entry.label, factor]
    runs, expected = len(entry.runs), scope.expected(entry)
    if scope.mixed:
        labels.append(scope.letter(entry) if runs else "")
    if len(scope.runs) > 1:
        labels.append(str(runs) if runs == expected else f"{runs} of {expected}")
    return tuple(labels)


def name_of(scope: Scope, entry: Entry) -> tuple[str, ...]:
    """Return what a machine calls an entry."""
    group = [scope.letter(entry)] if scope.mixed else []
    return entry.label, factor_label(entry.factor), *group


def reference_of(scope: Scope, entry: Entry) -> Entry | None:
    """Return the one entry of the baseline that an entry can be held against, None without one."""
    found = [
        other
        for group in scope.groups
        if group.shared == entry.group
        for other in group.at(entry.factor, REFERENCE)
        if other.train_images == entry.train_images
    ]
    return found[0] if len(found) == 1 and entry.method != REFERENCE else None


def title_of(scope: Scope, what: str) -> str:
    """Return a table's title."""
    dataset = dataset_title(scope.dataset)
    if scope.layout.number is not None:
        dataset = f"{dataset} (Table {scope.layout.number} of the paper, measured)"
    protocol = "mixed cells" if scope.mixed else f"protocol {scope.groups[0].shared.protocol}"
    apart = f" ({scope.apart})" if scope.apart else ""
    return f"{dataset}, {protocol}{apart}: {what}"


def facts_of(scope: Scope, rule: str) -> dict[str, object]:
    """Return what the cells of a table share, for machines."""
    facts: dict[str, object] = {"table": scope.layout.number, "rule": rule}
    if scope.images != "all":
        facts["images"] = scope.images
    columns = [group.shared.columns() for group in scope.groups]
    for key in Shared._fields:
        values = list(dict.fromkeys(of[key] for of in columns))
        facts[key] = values[0] if len(values) == 1 else values
    return facts


def name_of_table(scope: Scope) -> str:
    """Return what files and macros call a table."""
    protocol = "mixed" if scope.mixed else scope.groups[0].shared.protocol
    number = scope.layout.number
    of = scope.dataset if number is None else f"table {number}"
    images = f" {scope.images}" if scope.images != "all" else ""
    # Where groups differ in their version or values, a name that one of them had would be doubtful.
    apart = f" {scope.apart}" if scope.apart else ""
    return f"{protocol} {of}{apart}{images}"


def context_notes(scope: Scope, measured: Measurements) -> list[str]:
    """Return the notes that every table of these cells has."""
    make = mixed_notes if scope.mixed else provenance_notes
    counted = [COUNTED[scope.images]] if scope.images != "all" else []
    return [
        *make(scope.groups, scope.frame, measured.rule),
        *counted,
        *older_notes(scope.groups),
        *outdated_notes(scope.groups, measured.outdated),
        *decoration_notes([e for g in scope.groups for e in g.entries], measured.answers),
    ]
