"""Comparisons as tables, and as plain values for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.analysis.compare import Compared, Comparison
from benchmark.report.sheet import MISSING, Number, Row, Table
from benchmark.selection import rules

LABELS = ("Factor", "A", "B", "Seeds")
COLUMNS = {
    "a": "A (%)",
    "b": "B (%)",
    "difference": "A - B [95 % interval]",
    "p": "p",
    "p_holm": "p (Holm)",
    "p_bootstrap": "p (images)",
    "p_sign_flip": "p (seeds)",
}
READING = (
    "p decides: it counts test images and, from two seeds on, seeds as chance. p (Holm) is p "
    "adjusted over the rows shown, those of one seed apart from the others; up to 0.05 the "
    "difference is distinguishable. With one seed it is that of two networks on these images; "
    "whether their methods differ is undecided.",
    "p (images) is the paired bootstrap over test images alone; p (seeds) the sign-flip test over "
    "seeds alone, which needs 6 seeds to fall below 0.05.",
)


def compared_tables(
    compared: Compared, metric: str, rule: str, images: str = "all", notes: Sequence[str] = ()
) -> list[Table]:
    """Return a table for each comparable group with the verdicts below, and how to read them."""
    what = "mean of the recalls" if metric == "mean" else "overall accuracy"
    counted = "" if images == "all" else f", {images} test images"
    tables: list[Table] = []
    for group in dict.fromkeys(row.group for row in compared.rows):
        rows = [row for row in compared.rows if row.group == group]
        tables.append(
            Table(
                title=f"{group}: {what}, {rules()[rule].note}{counted}",
                labels=LABELS,
                columns=tuple(COLUMNS.values()),
                keys=tuple(COLUMNS),
                blocks=(tuple(map(_row, rows)),),
                notes=tuple(f"Factor {row.factor}: {row.verdict}." for row in rows),
                name=f"compare {metric} {len(tables) + 1}",
                data=tuple(map(comparison_fields, rows)),
            )
        )
    skipped = (f"Left out: {reason}." for reason in compared.skipped)
    return [*tables, Table("", (), (), (), (), (*READING, *notes, *skipped))]


def _row(row: Comparison) -> Row:
    d = row.difference
    labels = (row.factor, row.a.title, row.b.title, ", ".join(map(str, row.seeds)))
    low, high = f"{100 * d.low:+.2f}", f"{100 * d.high:+.2f}"
    numbers = (
        Number(f"{100 * row.a.accuracy:.2f}"),
        Number(f"{100 * row.b.accuracy:.2f}"),
        Number(f"{100 * d.estimate:+.2f}", low=low, high=high),
        Number(show_p(d.p)),
        Number(show_p(row.p_holm)),
        Number(show_p(d.p_bootstrap)),
        Number(show_p(d.p_sign_flip) if d.seeds > 1 else MISSING),
    )
    return Row(labels, numbers, (row.a.title, row.b.title, row.factor))


def comparison_fields(row: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values; accuracies and differences are percentages."""
    d = row.difference
    return {
        "group": row.group,
        "factor": row.factor,
        "metric": d.metric,
        "a": row.a.method,
        "b": row.b.method,
        "a_title": row.a.title,
        "b_title": row.b.title,
        "a_accuracy": round(100 * row.a.accuracy, 4),
        "b_accuracy": round(100 * row.b.accuracy, 4),
        "difference": round(100 * d.estimate, 4),
        "low": round(100 * d.low, 4),
        "high": round(100 * d.high, 4),
        "p": d.p,
        "p_holm": row.p_holm,
        "bootstrap_low": round(100 * d.bootstrap_low, 4),
        "bootstrap_high": round(100 * d.bootstrap_high, 4),
        "p_bootstrap": d.p_bootstrap,
        "p_sign_flip": d.p_sign_flip,
        "images": d.images,
        "seeds": list(row.seeds),
        "a_left_out": list(row.a.left_out),
        "b_left_out": list(row.b.left_out),
        "a_records": list(row.a.records),
        "b_records": list(row.b.records),
        "distinguishable": row.distinguishable,
        "verdict": row.verdict,
    }


def show_p(p: float) -> str:
    """Return a p-value as people write it."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"
