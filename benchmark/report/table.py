"""The tables of the paper as values: methods within a factor, seven recalls, overall, mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.data.imbalance import factor_label
from benchmark.report.frame import GROUP, RECALL_PREFIX
from methods.registry import BUILT_IN

DATASET_TITLES = {"ferplus": "FERPlus", "raf-db": "RAF-DB", "synthetic": "Synthetic faces"}
RULE_NOTES = {
    "last": "last epoch",
    "val": "epoch with the best validation accuracy",
    "oracle": "† epoch with the best TEST accuracy: chosen on the test set, too optimistic",
}


@dataclass(frozen=True)
class Number:
    """One number of a table.

    Attributes:
        text: as it is printed, in percent with two decimals.
        spread: sample standard deviation over seeds as it is printed, empty for one seed.
        best: whether no other row of its block prints a larger one and some a smaller one.
    """

    text: str
    spread: str
    best: bool


@dataclass(frozen=True)
class Row:
    """One method: its numbers in the order of the columns."""

    title: str
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class Block:
    """The rows of one imbalance factor."""

    factor: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    """One table: its cells share dataset, protocol, weights and precision."""

    title: str
    columns: tuple[str, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    dagger: bool


def build_tables(frame: pd.DataFrame, rule: str) -> list[Table]:
    """Return a table for each group of cells that can be compared.

    Args:
        frame: from :func:`benchmark.report.frame.tidy`.
        rule: the selection rule to show.
    """
    chosen = frame[frame["rule"] == rule] if len(frame) else frame
    if not len(chosen):
        return []
    return [_table(group, rule) for _, group in chosen.groupby(list(GROUP), sort=True)]


def _table(group: pd.DataFrame, rule: str) -> Table:
    recall_columns = [
        column
        for column in group.columns
        if column.startswith(RECALL_PREFIX) and group[column].notna().any()
    ]
    values = [*recall_columns, "overall", "mean"]
    factors = sorted(group["factor"].unique(), key=lambda f: (math.isnan(f), f))
    blocks = tuple(_block(_factor(f), _at(group, f), values) for f in factors)
    name = str(group["dataset"].iloc[0])
    dataset = DATASET_TITLES.get(name, name)
    return Table(
        title=f"{dataset}, protocol {group['protocol'].iloc[0]}: recall of each class, overall and "
        "mean accuracy (%)",
        columns=tuple(c.removeprefix(RECALL_PREFIX).capitalize() for c in values),
        blocks=blocks,
        notes=tuple(_notes(group, rule)),
        dagger=rule == "oracle",
    )


def _at(group: pd.DataFrame, factor: float) -> pd.DataFrame:
    column = group["factor"]
    return group[column.isna() if math.isnan(factor) else column == factor]


def _block(factor: float | None, group: pd.DataFrame, values: Sequence[str]) -> Block:
    variants = group.groupby(["method", "hyper"], sort=False)
    # Rows of one method that differ in hyper-parameters are told apart by them.
    entries = [((str(key[0]), str(key[1])), part.sort_values("seed")) for key, part in variants]
    entries.sort(key=lambda entry: (_rank(entry[0][0]), entry[0]))
    methods = [method for (method, _), _ in entries]
    means = [[round(float(part[v].mean()), 2) for v in values] for _, part in entries]
    columns = list(zip(*means, strict=True))
    # Where all rows print the same, as in a block of one row, none is the best.
    best = [max(column) if len(set(column)) > 1 else None for column in columns]
    rows = []
    for ((method, hyper), part), row in zip(entries, means, strict=True):
        spread = [part[v].std(ddof=1) for v in values]
        numbers = tuple(
            Number(
                f"{mean:.2f}",
                f"{sd:.2f}" if len(part) > 1 else "",
                mean == top,
            )
            for mean, sd, top in zip(row, spread, best, strict=True)
        )
        title = str(part["title"].iloc[0])
        if methods.count(method) > 1:
            title = f"{title} ({hyper})"
        rows.append(Row(title, numbers))
    return Block(factor_label(factor), tuple(rows))


def _rank(method: str) -> tuple[int, str]:
    order = list(BUILT_IN)
    return (order.index(method) if method in order else len(order), method)


def _notes(group: pd.DataFrame, rule: str) -> list[str]:
    head = group.iloc[0]
    seeds = sorted({int(seed) for seed in group["seed"]})
    counts = _seed_counts(group)
    most = max(counts.values())
    start = "from scratch" if head["weights"] == "scratch" else f"weights {head['weights'][:12]}"
    notes = [
        f"Protocol {head['protocol']} v{head['version']}, {head['recipe']} recipe: "
        f"{head['backbone']} ({start}), {head['precision']}, "
        f"{_span(group['epochs'])} epochs.",
        f"Reported: {RULE_NOTES[rule]}. {int(head['test_images'])} test images.",
        f"Seeds: {', '.join(map(str, seeds))}."
        + (" Mean ± sample standard deviation over seeds." if most > 1 else "")
        + (" Bold: the largest of its column within a factor."),
    ]
    pairs = zip(group["title"], group["hyper"], strict=True)
    hyper = dict.fromkeys(f"{title} {text}" for title, text in pairs if text)
    if hyper:
        notes.append(f"Hyper-parameters: {'; '.join(hyper)}.")
    for what, column in (("revisions of the code", "code"), ("machines", "machine")):
        different = sorted(set(group[column]))
        if len(different) > 1:
            notes.append(f"Rows come from different {what}: {'; '.join(different)}.")
    if head["overrides"]:
        notes.append(f"Changed from the protocol: {head['overrides']}.")
    short = [f"{name} ({n} of {most})" for name, n in counts.items() if n < most]
    if short:
        notes.append(f"Fewer seeds than the rest: {'; '.join(short)}.")
    if head["dataset"] == "synthetic":
        notes.append(
            "Synthetic faces, drawn by the program: these numbers say nothing of real ones."
        )
    return notes


def _seed_counts(group: pd.DataFrame) -> dict[str, int]:
    """Return the number of seeds of each method, with its hyper-parameters, at each factor."""
    several = group.groupby("title")["hyper"].transform("nunique") > 1
    variant = (" (" + group["hyper"] + ")").where(several, "")
    named = group["title"] + variant + " at " + [factor_label(_factor(f)) for f in group["factor"]]
    return {str(name): int(n) for name, n in group.groupby(named)["seed"].nunique().items()}


def _factor(value: float) -> float | None:
    return None if math.isnan(value) else value


def _span(column: pd.Series[int]) -> str:
    low, high = int(column.min()), int(column.max())
    return str(low) if low == high else f"{low} to {high}"
