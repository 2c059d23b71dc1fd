"""The audit of the published tables as tables: a row for each row that does not add up."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.paper.audit import Audit, Inconsistency
from benchmark.report.sheet import Row, Table
from benchmark.words import count

LABELS = ("Row", "Method", "Factor", "Columns", "Text")


def audit_tables(audits: Sequence[Audit]) -> list[Table]:
    """Return a table for each audit; a remark stands below the first that makes it."""
    told: set[str] = set()
    tables = []
    for audit in audits:
        rows = tuple(_row(finding) for finding in audit.findings)
        tables.append(
            Table(
                title=_summary(audit),
                labels=LABELS,
                columns=(),
                keys=(),
                blocks=(rows,) if rows else (),
                notes=tuple(remark for remark in audit.remarks if remark not in told),
                name=f"audit {audit.table}",
                facts={"table": audit.table, "checks": audit.checks, "failed": audit.failed},
            )
        )
        told.update(audit.remarks)
    return tables


def _summary(audit: Audit) -> str:
    what = f"{audit.failed} do not follow" if audit.failed else "all follow to the last digit"
    checked = count(audit.checks, "number")
    return f"Table {audit.table} ({audit.title}): {checked} recomputed, {what}"


def _row(finding: Inconsistency) -> Row:
    columns = " ".join(finding.columns)
    return Row((finding.row, finding.method, finding.factor, columns, finding.text), ())
