"""The audit of the published tables as text, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict

from benchmark.report.audit import Audit, Finding
from benchmark.report.escape import markdown_text


def render_audits(audits: Sequence[Audit], format_name: str) -> str:
    """Return audits in one of :data:`FORMATS`."""
    return FORMATS[format_name](audits)


def as_text(audits: Sequence[Audit]) -> str:
    """Write a paragraph a table and a wrapped entry a row."""
    lines: list[str] = []
    for audit, remarks in _told_once(audits):
        lines += [_summary(audit), ""]
        for finding in audit.findings:
            lines += [f"  {_heading(finding)}", *_wrapped(finding.text), ""]
        for remark in remarks:
            lines += [*_wrapped(remark), ""]
    return "\n".join(lines[:-1]) + "\n"


def as_markdown(audits: Sequence[Audit]) -> str:
    """Write a paragraph a table and a list item a row."""
    lines: list[str] = []
    for audit, remarks in _told_once(audits):
        lines += [f"**{markdown_text(_summary(audit))}**", ""]
        for finding in audit.findings:
            text = markdown_text(finding.text)
            lines.append(f"- **{markdown_text(_heading(finding))}**: {text}")
        lines += [f"- {markdown_text(remark)}" for remark in remarks]
        lines += [""] if audit.findings or remarks else []
    return "\n".join(lines).rstrip("\n") + "\n"


def as_csv(audits: Sequence[Audit]) -> str:
    """Write a row a finding."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("table", "row", "method", "factor", "columns", "text"))
    for finding in (finding for audit in audits for finding in audit.findings):
        columns = " ".join(finding.columns)
        row = (finding.table, finding.row, finding.method, finding.factor, columns, finding.text)
        writer.writerow(row)
    return text.getvalue()


def as_json(audits: Sequence[Audit]) -> str:
    """Write the audits as they are."""
    return json.dumps([asdict(audit) for audit in audits], indent=1) + "\n"


def _told_once(audits: Sequence[Audit]) -> list[tuple[Audit, list[str]]]:
    """Pair each audit with the remarks that no earlier one has made."""
    told: set[str] = set()
    pairs = []
    for audit in audits:
        pairs.append((audit, [remark for remark in audit.remarks if remark not in told]))
        told.update(audit.remarks)
    return pairs


def _summary(audit: Audit) -> str:
    what = f"{audit.failed} do not follow" if audit.failed else "all follow to the last digit"
    return f"Table {audit.table} ({audit.title}): {audit.checks} numbers recomputed, {what}."


def _heading(finding: Finding) -> str:
    return f"{finding.row} ({', '.join(finding.columns)})"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 96, initial_indent="    ", subsequent_indent="    ")


FORMATS: dict[str, Callable[[Sequence[Audit]], str]] = {
    "text": as_text,
    "markdown": as_markdown,
    "csv": as_csv,
    "json": as_json,
}
