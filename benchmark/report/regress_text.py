"""A check of new results as a table for people, Markdown for a pull request, JUnit XML for CI."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from benchmark.data.imbalance import factor_label
from benchmark.regress import LEVEL, Checked, Drop, Row, Verdict
from benchmark.report.compare_text import show_p

HEADER = (
    "Dataset", "Protocol", "Factor", "Method", "Metric",
    "Stored", "New", "Change", "p", "Verdict",
)  # fmt: skip


_TAGS = {
    Verdict.REGRESSED: "failure",
    Verdict.INCOMPARABLE: "error",
    Verdict.UNDECIDED: "skipped",
    Verdict.NO_REFERENCE: "skipped",
}
"""What a verdict is in JUnit XML; a result that held has none."""


def headline(checked: Checked) -> str:
    """Return the check in one sentence: how many of each verdict, the worst first."""
    order = (
        Verdict.REGRESSED,
        Verdict.INCOMPARABLE,
        Verdict.UNDECIDED,
        Verdict.HELD,
        Verdict.NO_REFERENCE,
    )
    counts = [(verdict, len(checked.of(verdict))) for verdict in order]
    found = ", ".join(f"{count} {verdict}" for verdict, count in counts if count)
    return f"{len(checked.rows)} results checked: {found}."


def table_rows(checked: Checked) -> list[tuple[str, ...]]:
    """Return the cells under :data:`HEADER`, two rows a result that was compared."""
    rows: list[tuple[str, ...]] = []
    for row in checked.rows:
        start = (row.dataset, row.protocol, factor_label(row.factor), row.title)
        if not row.drops:
            rows.append((*start, "-", "-", "-", "-", "-", str(row.verdict)))
        for drop in row.drops:
            rows.append((*start, drop.metric, *_numbers(drop), str(_of_drop(drop, checked.margin))))
    return rows


def remarks(checked: Checked) -> list[str]:
    """Return what stands below the table: the rule, what differs, what rests on what."""
    lines = [
        f"A result regresses if overall or mean accuracy falls by more than {checked.margin:.2f} "
        f"points and p is at most {LEVEL:g}, after Holm's correction over this table."
    ]
    for row in checked.rows:
        if row.verdict is Verdict.INCOMPARABLE:
            lines.append(f"{row.name} is incomparable: {'; '.join(row.differs)}.")
        elif row.verdict is Verdict.UNDECIDED:
            lines.append(
                f"{row.name}: one seed on each side and not the same one, so nothing tells how far "
                "seeds differ; train the stored seed or a second one."
            )
    evidence: dict[str, list[str]] = {}
    for row in checked.rows:
        if row.evidence:
            evidence.setdefault(row.evidence, []).append(row.name)
    for text, names in evidence.items():
        lines.append(f"p rests on {text}: {', '.join(names)}.")
    if checked.absent:
        lines.append(f"Stored, and not among the new results: {', '.join(checked.absent)}.")
    return lines


def junit(checked: Checked | None, further: Sequence[str] = ()) -> str:
    """Return JUnit XML: a test case a result, and one for each further finding.

    A regression is a failure, what is incomparable an error, what cannot be decided is skipped.
    """
    rows = () if checked is None else checked.rows
    tags = [_TAGS.get(row.verdict) for row in rows]
    suite = ElementTree.Element(
        "testsuite",
        name="fer-bench check",
        tests=str(len(rows) + len(further)),
        failures=str(tags.count("failure") + len(further)),
        errors=str(tags.count("error")),
        skipped=str(tags.count("skipped")),
    )
    for row in rows:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"{row.dataset}.{row.protocol}.{factor_label(row.factor)}",
            name=row.method,
        )
        _outcome(case, row)
    for number, finding in enumerate(further, start=1):
        case = ElementTree.SubElement(suite, "testcase", classname="curves", name=str(number))
        ElementTree.SubElement(case, "failure", message=finding)
    ElementTree.indent(suite)
    text: str = ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)
    return text + "\n"


def _outcome(case: ElementTree.Element, row: Row) -> None:
    tag = _TAGS.get(row.verdict)
    told = [f"{drop.metric}: {' '.join(_numbers(drop))}" for drop in row.drops] or [*row.differs]
    if tag is not None:
        found = ElementTree.SubElement(case, tag, message=f"{row.verdict}: {'; '.join(told)}")
        found.text = row.evidence
    else:
        ElementTree.SubElement(case, "system-out").text = "\n".join([*told, row.evidence])


def _numbers(drop: Drop) -> tuple[str, str, str, str]:
    """Return stored and new accuracy in percent, the change in points, and p."""
    p = "-" if drop.p is None else show_p(drop.p)
    change = f"{-drop.points:+.2f}" if abs(drop.points) >= 0.005 else "0.00"
    return f"{100 * drop.stored:.2f}", f"{100 * drop.new:.2f}", change, p


def _of_drop(drop: Drop, margin: float) -> Verdict:
    """Return the verdict of one metric, as the result's own is that of the worse one."""
    if drop.fails(margin):
        return Verdict.REGRESSED
    undecided = drop.points > margin and drop.p is None
    return Verdict.UNDECIDED if undecided else Verdict.HELD
