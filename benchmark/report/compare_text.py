"""Comparisons as the cells of a table and as plain values."""

from __future__ import annotations

from typing import Any

from benchmark.report.compare import Comparison

HEADER = (
    "Factor", "A", "B", "A - B [95 % interval]",
    "p", "p (Holm)", "p (images)", "p (seeds)", "Seeds",
)  # fmt: skip


def table_row(row: Comparison) -> tuple[str, ...]:
    """Return a comparison as the cells under :data:`HEADER`; accuracies are percentages."""
    d = row.difference
    return (
        row.factor,
        f"{row.a.title} {100 * row.a.accuracy:.2f}",
        f"{row.b.title} {100 * row.b.accuracy:.2f}",
        f"{100 * d.estimate:+.2f} [{100 * d.low:+.2f}, {100 * d.high:+.2f}]",
        show_p(d.p),
        show_p(row.p_holm),
        show_p(d.p_bootstrap),
        show_p(d.p_sign_flip) if d.seeds > 1 else "-",
        ", ".join(map(str, row.seeds)),
    )


def flat(row: Comparison) -> dict[str, Any]:
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
