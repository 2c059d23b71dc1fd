"""Every table that the records can fill, in every form, and an index: texts by file name."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.analysis.frame import frame_text, tidy
from benchmark.analysis.measurements import Measurements
from benchmark.paper import published
from benchmark.report.counts import counts_table
from benchmark.report.forms import by_name, forms
from benchmark.report.page.document import document
from benchmark.report.sheet import Table
from benchmark.report.tables import accuracies, details, split_of
from benchmark.report.template import render_template
from benchmark.selection import rules
from benchmark.store.record import Record


def every_table(
    records: Sequence[Record], measured: Measurements, *, against: bool, mixed: bool
) -> dict[str, str]:
    """Return the files of a whole report.

    ``table1`` to ``table5`` are the paper's, ``groups`` has each comparable group, ``intervals``,
    ``summary``, ``confusion``, ``validation`` and ``attention`` say more of the same cells;
    ``validation`` is left out where the epoch is chosen on the test set, ``attention`` where it is
    not the last one or no maps were measured. ``tables.tex`` is a LaTeX document of
    all but the details, ``macros.tex`` has a macro for each number, ``frame`` every number of every
    cell and rule, ``report.html`` is the page.
    """
    chapters = _chapters(records, measured, against=against, mixed=mixed)
    own = {form.endings[0]: form for form in forms().values() if form.endings}
    files = {
        f"{name}{ending}": form.write(tables)
        for name, tables in chapters.items()
        for ending, form in own.items()
    }
    main = [table for name, tables in chapters.items() if name not in details() for table in tables]
    frame = tidy(records)
    files["frame.csv"] = frame_text(frame, "csv")
    files["frame.json"] = frame_text(frame, "json")
    files["macros.tex"] = by_name("macros").write(main)
    files["tables.tex"] = render_template("document.tex.j2", tables=main)
    listed = {
        name: ([table.title for table in tables], list(own)) for name, tables in chapters.items()
    }
    files["report.html"] = document(measured)
    for suffix in ("md", "html"):
        files[f"index.{suffix}"] = render_template(
            f"index.{suffix}.j2", chapters=listed, dagger=rules()[measured.rule].by_test
        )
    return files


def _chapters(
    records: Sequence[Record], measured: Measurements, *, against: bool, mixed: bool
) -> dict[str, list[Table]]:
    chapters: dict[str, list[Table]] = {}
    for number in published.RESULT_TABLES:
        chapters[f"table{number}"] = accuracies.build(
            measured, number=number, against=against, mixed=mixed
        )
    datasets = {record.cell.dataset for record in records}
    for number, dataset in published.COUNT_TABLES.items():
        chapters[f"table{number}"] = [counts_table(records, number)] if dataset in datasets else []
    chapters["groups"] = accuracies.build(measured, against=against, mixed=mixed)
    for name, offer in details().items():
        split, of = split_of(name), measured
        if offer.facts.get("MAPS") and not rules()[measured.rule].final:
            continue
        if split != measured.split:
            if rules()[measured.rule].by_test or measured.images != "all":
                continue
            of = Measurements(records, measured.rule, measured.store, split=split, older=mixed)
        chapters[name] = offer.function("build")(of, number=None, mixed=mixed)
    return {name: tables for name, tables in chapters.items() if tables}
