"""What one table is made from, and what it is called: a comparable group, or a paper's table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from benchmark.data.known import KNOWN
from benchmark.report import published
from benchmark.report.entries import (
    Entry,
    Layout,
    Run,
    entries,
    factor_name,
    own_layout,
    paper_layout,
    with_records,
)
from benchmark.report.evidence import Evidence
from benchmark.report.frame import GROUP
from benchmark.report.notes import group_letter, mixed_notes, provenance_notes

DATASET_TITLES = {
    **{name: known.title for name, known in KNOWN.items()},
    "synthetic": "Synthetic faces",
}


@dataclass(frozen=True)
class Part:
    """The cells of one table, and where its rows and columns stand.

    Attributes:
        frame: rows of one comparable group, or on request of all groups of one dataset.
        layout: its rows and columns.
        blocks: the entries of each factor.
        mixed: whether it may hold several groups.
    """

    frame: pd.DataFrame
    layout: Layout
    blocks: list[list[Entry]]
    mixed: bool

    @cached_property
    def runs(self) -> list[Run]:
        """Every run that an entry has: what the others are held against."""
        return sorted({run for block in self.blocks for entry in block for run in entry.runs})

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return str(self.frame["dataset"].iloc[0])

    @cached_property
    def groups(self) -> int:
        """How many comparable groups its cells belong to."""
        return int(self.frame.groupby(list(GROUP)).ngroups)


def parts(evidence: Evidence, *, number: int | None = None, mixed: bool = False) -> list[Part]:
    """Return what each table is made from: a comparable group, or with ``mixed`` a dataset.

    Args:
        evidence: the records.
        number: Table 1, 2 or 3 of the paper; None for tables of whatever the records hold.
        mixed: put groups that cannot be compared into one table.
    """
    frame = evidence.frame
    if not len(frame):
        return []
    if number is not None:
        factors = {factor_name(f) for f in paper_layout(number).factors}
        at_factor = frame["factor"].map(factor_name).isin(factors)
        frame = frame[(frame["dataset"] == published.RESULT_TABLES[number]) & at_factor]
    keys = ["dataset"] if mixed else list(GROUP)
    result = []
    for _, group in frame.groupby(keys, sort=True):
        layout = paper_layout(number) if number is not None else own_layout(group)
        layout = with_records(layout, group)
        result.append(Part(group, layout, entries(layout, group), mixed))
    return result


def labels_of(part: Part) -> tuple[str, ...]:
    """Return the headers of the text columns."""
    labels = ["Method", "Conference" if part.layout.number == 3 else "Factor"]
    if part.groups > 1:
        labels.append("Cells")
    if len(part.runs) > 1:
        labels.append("Seeds")
    return tuple(labels)


def labels_for(part: Part, entry: Entry) -> tuple[str, ...]:
    """Return what stands before the numbers of an entry."""
    labels = [entry.title, entry.venue if part.layout.number == 3 else factor_name(entry.factor)]
    runs, expected = len(entry.runs), len(part.runs)
    if part.groups > 1:
        labels.append(group_letter(entry.group) if runs else "")
    if expected > 1:
        labels.append(str(runs) if runs == expected else f"{runs} of {expected}")
    return tuple(labels)


def name_of(part: Part, entry: Entry) -> tuple[str, ...]:
    """Return what a machine calls an entry."""
    group = [group_letter(entry.group)] if part.groups > 1 else []
    return entry.title, factor_name(entry.factor), *group


def title_of(part: Part, what: str) -> str:
    """Return a table's title."""
    dataset = DATASET_TITLES.get(part.dataset, part.dataset)
    if part.layout.number is not None:
        dataset = f"{dataset} (Table {part.layout.number} of the paper, measured)"
    mixed = part.groups > 1
    protocol = "mixed cells" if mixed else f"protocol {part.frame['protocol'].iloc[0]}"
    return f"{dataset}, {protocol}: {what}"


def facts_of(part: Part, rule: str) -> dict[str, object]:
    """Return what the cells of a table share, for machines."""
    facts: dict[str, object] = {"table": part.layout.number, "rule": rule}
    for key in GROUP:
        values = part.frame[key].unique().tolist()
        facts[key] = values[0] if len(values) == 1 else values
    return facts


def name_of_table(part: Part) -> str:
    """Return what files and macros call a table."""
    protocol = "mixed" if part.groups > 1 else str(part.frame["protocol"].iloc[0])
    number = part.layout.number
    return f"{protocol} {part.dataset if number is None else f'table {number}'}"


def context_notes(part: Part, rule: str) -> list[str]:
    """Return the notes that every table of these cells has."""
    make = mixed_notes if part.groups > 1 else provenance_notes
    return make(part.frame, rule)
