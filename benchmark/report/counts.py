"""Tables 4 and 5: training images of each class, published and as the stored cells were trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmark.data.imbalance import factor_label
from benchmark.data.known import dataset_title
from benchmark.paper import published
from benchmark.report.sheet import Number, Row, Table
from benchmark.store.record import Record
from benchmark.words import count

Counts = tuple[int, ...]


def counts_table(records: Sequence[Record], number: int) -> Table:
    """Return Table 4 or 5 with what the stored cells of its dataset were trained on.

    Protocols do not matter here: all stored cells of the dataset count.

    Args:
        records: any; those of other datasets are passed over.
        number: 4 for RAF-DB, 5 for FERPlus.
    """
    dataset = published.COUNT_TABLES[number]
    paper = published.counts(number)
    classes = [column for column in map(str, paper) if column not in ("factor", "total")]
    printed = {
        factor_label(None if row["factor"] != row["factor"] else row["factor"]): (
            tuple(int(row[name]) for name in classes),
            int(row["total"]),
        )
        for row in paper.to_dict("records")
    }
    stored = _stored([r for r in records if r.cell.dataset == dataset], classes)
    factors = [*printed, *sorted(stored.keys() - printed.keys(), key=float)]
    blocks = []
    for factor in factors:
        rows = []
        if factor in printed:
            values, total = printed[factor]
            rows.append(_row(factor, "published", values, total))
        for values, cells in sorted(stored.get(factor, {}).items()):
            rows.append(_row(factor, f"stored ({count(cells, 'cell')})", values, sum(values)))
        blocks.append(tuple(rows))
    title = f"{dataset_title(dataset)} (Table {number} of the paper)"
    return Table(
        title=f"{title}: training images of each class",
        labels=("Factor", "Source"),
        columns=tuple(name.capitalize() for name in (*classes, "total")),
        keys=(*classes, "total"),
        blocks=tuple(blocks),
        notes=tuple(_notes(number, classes, printed, stored)),
        name=f"table {number}",
        facts={"table": number, "dataset": dataset},
    )


def _stored(records: Sequence[Record], classes: Sequence[str]) -> dict[str, Counter[Counts]]:
    """Return how many cells were trained on which counts, by factor, classes in the table's order.

    Cells whose classes are not the table's are passed over.
    """
    found: dict[str, Counter[Counts]] = {}
    for record in records:
        cell = record.cell
        if sorted(record.classes) == sorted(classes):
            of = dict(zip(record.classes, cell.class_counts, strict=True))
            counts = tuple(of[name] for name in classes)
            found.setdefault(factor_label(cell.factor), Counter())[counts] += 1
    return found


def _row(factor: str, source: str, values: Counts, total: int) -> Row:
    numbers = tuple(Number(str(value)) for value in (*values, total))
    return Row((factor, source), numbers, (factor, source.split(" ")[0]))


def _notes(
    number: int,
    classes: Sequence[str],
    printed: dict[str, tuple[Counts, int]],
    stored: dict[str, Counter[Counts]],
) -> list[str]:
    notes = [f"Published: Table {number} of the MEK paper (NeurIPS 2023), as printed."]
    for factor, (values, total) in printed.items():
        if sum(values) != total:
            notes.append(
                f"The published total at factor {factor}, {total}, is not the sum of its row, "
                f"{sum(values)}."
            )
    if not stored:
        return [*notes, "No stored cell of this dataset: published counts alone."]
    agree = []
    for factor in [name for name in printed if name in stored]:
        values, _ = printed[factor]
        for counts in stored[factor]:
            other = [
                f"{name} {mine}, not {theirs}"
                for name, mine, theirs in zip(classes, counts, values, strict=True)
                if mine != theirs
            ]
            if other:
                notes.append(f"Stored cells differ at factor {factor}: {', '.join(other)}.")
        if list(stored[factor]) == [values]:
            agree.append(factor)
    if agree:
        notes.append(f"The stored cells have the published counts at: {', '.join(agree)}.")
    missing = [factor for factor in printed if factor not in stored]
    if missing:
        notes.append(f"No stored cell at: {', '.join(missing)}.")
    return notes
