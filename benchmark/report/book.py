"""Every table that the records can fill, in every form, and an index: texts by file name."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.record import Record
from benchmark.report import published
from benchmark.report.counts import counts_table
from benchmark.report.detail import DETAILS, split_of
from benchmark.report.evidence import Evidence
from benchmark.report.frame import tidy
from benchmark.report.render import (
    SUFFIXES,
    render_frame,
    render_tables,
    render_template,
)
from benchmark.report.sheet import Table
from benchmark.report.table import build_tables


def book(
    records: Sequence[Record], evidence: Evidence, *, against: bool, mixed: bool
) -> dict[str, str]:
    """Return the files of a whole report.

    ``table1`` to ``table5`` are the paper's, ``groups`` has each comparable group, ``intervals``,
    ``summary``, ``confusion`` and ``validation`` say more of the same cells; the last one is left
    out where the epoch is chosen on the test set. ``tables.tex`` is a LaTeX document of
    all but the details, ``macros.tex`` has a macro for each number, ``frame`` every number of every
    cell and rule.
    """
    chapters = _chapters(records, evidence, against=against, mixed=mixed)
    files = {
        f"{name}.{suffix}": render_tables(tables, form)
        for name, tables in chapters.items()
        for form, suffix in SUFFIXES.items()
    }
    main = [table for name, tables in chapters.items() if name not in DETAILS for table in tables]
    frame = tidy(records)
    files["frame.csv"] = render_frame(frame, "csv")
    files["frame.json"] = render_frame(frame, "json")
    files["macros.tex"] = render_tables(main, "macros")
    files["tables.tex"] = render_template("document.tex.j2", tables=main)
    listed = {
        name: ([table.title for table in tables], list(SUFFIXES.values()))
        for name, tables in chapters.items()
    }
    for suffix in ("md", "html"):
        files[f"index.{suffix}"] = render_template(
            f"index.{suffix}.j2", chapters=listed, dagger=evidence.rule == "oracle"
        )
    return files


def _chapters(
    records: Sequence[Record], evidence: Evidence, *, against: bool, mixed: bool
) -> dict[str, list[Table]]:
    chapters: dict[str, list[Table]] = {}
    for number in published.RESULT_TABLES:
        chapters[f"table{number}"] = build_tables(
            evidence, number=number, against=against, mixed=mixed
        )
    datasets = {record.cell.dataset for record in records}
    for number, dataset in published.COUNT_TABLES.items():
        chapters[f"table{number}"] = [counts_table(records, number)] if dataset in datasets else []
    chapters["groups"] = build_tables(evidence, against=against, mixed=mixed)
    for name, build in DETAILS.items():
        split, of = split_of(name), evidence
        if split != evidence.split:
            if evidence.rule == "oracle":
                continue
            of = Evidence(records, evidence.rule, split=split, older=mixed)
        chapters[name] = build(of, number=None, mixed=mixed)
    return {name: tables for name, tables in chapters.items() if tables}
