"""A check of new results as a table, remarks below it, and JUnit XML for CI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree

from benchmark.data.imbalance import factor_label
from benchmark.gate.checked import Checked, Drop, GateVerdict, Row
from benchmark.report import sheet
from benchmark.report.compare_table import show_p
from benchmark.report.escape import plain_text
from benchmark.report.sheet import Table
from benchmark.stats import ALPHA
from benchmark.words import count

LABELS = ("Dataset", "Protocol", "Factor", "Method", "Metric", "Verdict")
COLUMNS = {"stored": "Stored", "new": "New", "change": "Change", "p": "p"}

_TAGS = {
    GateVerdict.REGRESSED: "failure",
    GateVerdict.INCOMPARABLE: "error",
    GateVerdict.UNDECIDED: "skipped",
    GateVerdict.NO_REFERENCE: "skipped",
    GateVerdict.MISSING: "failure",
}
"""What a verdict is in JUnit XML; a result that held has none."""


def headline(checked: Checked) -> str:
    """Return the check in one sentence: how many of each verdict, the worst first."""
    order = (
        GateVerdict.REGRESSED,
        GateVerdict.INCOMPARABLE,
        GateVerdict.UNDECIDED,
        GateVerdict.HELD,
        GateVerdict.NO_REFERENCE,
    )
    counts = [(verdict, len(checked.of(verdict))) for verdict in order]
    found = ", ".join(f"{number} {verdict}" for verdict, number in counts if number)
    nothing = "" if any(row.drops for row in checked.rows) else " Nothing could be compared."
    lacking = sum(len(row.seeds) for row in checked.missing)
    missing = f" Missing: {count(lacking, 'stored cell')}." if lacking else ""
    return f"{count(len(checked.rows), 'result')} checked: {found}.{nothing}{missing}"


def checked_table(checked: Checked) -> Table:
    """Return the check as a table, two rows a result that was compared."""
    rows = tuple(line for row in (*checked.rows, *checked.missing) for line in _lines(row, checked))
    return Table(
        title=headline(checked),
        labels=LABELS,
        columns=tuple(COLUMNS.values()),
        keys=tuple(COLUMNS),
        blocks=(rows,) if rows else (),
        notes=tuple(remarks(checked)),
        name="check",
    )


def _lines(row: Row, checked: Checked) -> list[sheet.Row]:
    title = f"{row.title} ({row.hyper})" if row.hyper else row.title
    start = (row.dataset, row.protocol, factor_label(row.factor), title)
    if not row.drops:
        verdict = _lacking(row) if row.seeds else str(row.verdict)
        return [sheet.Row((*start, "-", verdict), (sheet.Number(),) * len(COLUMNS), start[1:])]
    return [
        sheet.Row(
            (*start, drop.metric, str(drop.verdict(checked.margin))),
            tuple(map(sheet.Number, _numbers(drop))),
            (*start, drop.metric),
        )
        for drop in row.drops
    ]


def remarks(checked: Checked) -> list[str]:
    """Return what stands below the table: the rule, what differs, what rests on what."""
    lines = [
        f"A result regresses if overall or mean accuracy falls by more than {checked.margin:.2f} "
        f"points and p is at most {ALPHA:g}: one-sided, after Holm's correction over this table."
    ]
    lines += [_remark(row) for row in checked.rows if _remark(row)]
    measured: dict[str, list[str]] = {}
    for row in checked.rows:
        if row.measured:
            measured.setdefault(row.measured, []).append(row.name)
    for text, names in measured.items():
        lines.append(f"p rests on {text}: {', '.join(names)}.")
    if checked.missing:
        lines.append(
            f"Stored, and not among the new results: {_named(checked.missing)}. Train them, or say "
            f"with --allow-missing that they may be missing ('{_pattern(checked.missing[0])}')."
        )
    if checked.allowed:
        lines.append(f"Missing, as --allow-missing allows: {_named(checked.allowed)}.")
    if checked.replaced:
        lines.append(f"Taking no part: {checked.replaced}.")
    return lines


def _lacking(row: Row) -> str:
    return f"missing: seed{'s'[: len(row.seeds) > 1]} {', '.join(map(str, row.seeds))}"


def _named(rows: Sequence[Row]) -> str:
    return "; ".join(f"{row.name}, {_lacking(row).removeprefix('missing: ')}" for row in rows)


def _pattern(row: Row) -> str:
    return f"{replace(row, hyper='').name}-s{row.seeds[0]}"


def _remark(row: Row) -> str:
    if row.verdict is GateVerdict.INCOMPARABLE:
        return f"{row.name} is incomparable with {row.reference}: {'; '.join(row.differs)}."
    if row.verdict is GateVerdict.NO_REFERENCE:
        return f"{row.name}: no stored result of this method, dataset and factor."
    if row.verdict is GateVerdict.MISSING:
        return f"stored in {row.reference}, and not among the new results: {_named([row])}"
    if row.verdict is not GateVerdict.UNDECIDED:
        return ""
    if any(drop.p is None for drop in row.drops):
        return (
            f"{row.name} is undecided: it fell by more than the margin, and the stored results "
            "have one seed of it, another one or of another machine: nothing tells how far seeds "
            "differ; store a second one."
        )
    return (
        f"{row.name} is undecided: it fell by more than the margin, but seeds and test images "
        "differ as much by chance; train more seeds."
    )


def junit(checked: Checked | None, further: Sequence[str] = ()) -> str:
    """Return JUnit XML: a test case a result, and one for each further finding.

    A regression and a missing result are failures, what is incomparable an error, what cannot be
    decided is skipped.

    Args:
        checked: the check, None where there were no results to check.
        further: findings of another kind, such as of loss curves.
    """
    rows = () if checked is None else (*checked.rows, *checked.missing)
    tags = [_TAGS.get(row.verdict) for row in rows]
    nothing = checked is not None and not any(row.drops or row.differs for row in checked.rows)
    suite = ElementTree.Element(
        "testsuite",
        name="fer-bench check",
        tests=str(len(rows) + len(further) + nothing),
        failures=str(tags.count("failure") + len(further)),
        errors=str(tags.count("error") + nothing),
        skipped=str(tags.count("skipped")),
    )
    for row in rows:
        where = f"{row.dataset}.{row.protocol}.{factor_label(row.factor)}"
        _outcome(_case(suite, where, f"{row.method} {row.hyper}".strip()), row)
    for number, finding in enumerate(further, start=1):
        case = _case(suite, "curves", str(number))
        ElementTree.SubElement(case, "failure", message=plain_text(finding))
    if nothing:
        case = _case(suite, "check", "anything")
        ElementTree.SubElement(case, "error", message="nothing could be compared")
    ElementTree.indent(suite)
    text: str = ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)
    return text + "\n"


def _case(suite: ElementTree.Element, where: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite, "testcase", classname=plain_text(where), name=plain_text(name)
    )


def _outcome(case: ElementTree.Element, row: Row) -> None:
    tag = _TAGS.get(row.verdict)
    told = [f"{drop.metric}: {' '.join(_numbers(drop))}" for drop in row.drops]
    if tag is None:
        text = plain_text("; ".join([*told, row.measured]))
        ElementTree.SubElement(case, "system-out").text = text
        return
    message = plain_text("; ".join([str(row.verdict), *told, _remark(row)]).removesuffix("; "))
    found = ElementTree.SubElement(case, tag, message=message)
    found.text = plain_text(row.measured)


def _numbers(drop: Drop) -> tuple[str, str, str, str]:
    """Return stored and new accuracy in percent, the change in points, and p."""
    p = "-" if drop.p is None else show_p(drop.p)
    change = f"{-drop.points:+.2f}" if abs(drop.points) >= 0.005 else "0.00"
    return f"{100 * drop.stored:.2f}", f"{100 * drop.new:.2f}", change, p
