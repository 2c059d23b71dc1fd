"""What the published tables must satisfy, recomputed: counts behind shares, sums, the formula."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import pandas as pd

from benchmark.data.imbalance import PUBLISHED, cut_counts, decayed_counts, factor_label
from benchmark.paper.exact import TEST_COUNTS, PublishedRow, count_behind, rows_of, sum_of
from benchmark.paper.published import COUNT_TABLES, RESULT_TABLES, counts

TABLES = tuple(sorted([*RESULT_TABLES, *COUNT_TABLES]))
_NAMES = {"raf-db": "RAF-DB", "ferplus": "FERPlus"}


@dataclass(frozen=True)
class Inconsistency:
    """Numbers of one row that do not fit each other.

    Attributes:
        table: the table's number.
        row: which one, as the table names it.
        method: this project's name of its method; empty in a table of counts.
        factor: as people write it.
        columns: whose numbers do not fit: classes, ``overall``, ``mean`` or ``total``.
        text: what is wrong, with the arithmetic, and what the other numbers imply.
    """

    table: int
    row: str
    method: str
    factor: str
    columns: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Audit:
    """One table's checks.

    Attributes:
        table: its number.
        title: what it holds.
        checks: how many numbers were recomputed.
        failed: how many of them do not follow.
        findings: one a row.
        remarks: what several rows say together.
    """

    table: int
    title: str
    checks: int
    failed: int
    findings: tuple[Inconsistency, ...]
    remarks: tuple[str, ...] = ()


def audit(table: int) -> Audit:
    """Recompute one published table, 1 to 5."""
    return _audit_results(table) if table in RESULT_TABLES else _audit_counts(table)


def _audit_results(table: int) -> Audit:
    rows = rows_of(table)
    dataset = RESULT_TABLES[table]
    same_set = [row for t, name in RESULT_TABLES.items() if name == dataset for row in rows_of(t)]
    suspects = _suspects(same_set)
    findings = []
    for row in rows:
        if wrong := row.wrong():
            text = " ".join(_row_words(row, wrong, suspects.get(row.method)))
            findings.append(
                Inconsistency(table, row.name, row.method, row.factor, tuple(wrong), text)
            )
    here = {finding.method for finding in findings}
    remarks = [
        _smaller_set([row for row in same_set if row.method == method], name)
        for method, name in suspects.items()
        if method in here
    ]
    return Audit(
        table=table,
        title=f"{_NAMES[dataset]}, recalls, overall and mean accuracy",
        checks=len(rows) * (len(TEST_COUNTS[dataset]) + 2),
        failed=sum(len(finding.columns) for finding in findings),
        findings=tuple(findings),
        remarks=tuple(text for text in remarks if text),
    )


def _suspects(rows: Sequence[PublishedRow]) -> dict[str, str]:
    """Return the class of each method whose recalls are no shares, where it is one alone."""
    odd: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        odd[row.method].update(row.odd())
    return {method: min(names) for method, names in odd.items() if len(names) == 1}


def _row_words(row: PublishedRow, wrong: Sequence[str], suspect: str | None) -> list[str]:
    """Say what is wrong with a row, and what its other numbers imply."""
    text = [_odd_words(row, name) for name in row.odd()]
    for column, bounds, printed in (
        ("overall", row.overall_range(), row.overall),
        ("mean", row.mean_range(), row.mean),
    ):
        if column not in wrong:
            text.append(f"The {column}, {printed:.2f}, follows from the recalls.")
            continue
        given = _percent(sum_of(bounds) / 2)  # what is not exact is known to half a digit
        text.append(f"From the recalls the {column} would be {given}; {printed:.2f} is printed.")
    if suspect is not None:
        text += _implied_words(row, suspect)
    elif wrong == ["mean"]:
        text.append(
            "Every recall is a share of its images and the overall follows from them, so the mean "
            f"itself is the odd one: it should read {_percent(row.mean_range()[0])}."
        )
    return text


def _odd_words(row: PublishedRow, name: str) -> str:
    n, printed = row.sizes[name], row.shares[name]
    below = int(printed * n / 100)
    near = ", ".join(f"{k}/{n} = {100 * k / n:.2f}" for k in (below, below + 1))
    same = " It repeats the row's overall." if printed == row.overall else ""
    return f"The recall of {name}, {printed:.2f}, is no share of {n} images ({near}).{same}"


def _implied_words(row: PublishedRow, name: str) -> list[str]:
    n = row.sizes[name]
    text = []
    k = row.implied_by_overall(name)
    whole = count_behind(row.overall, row.total)
    if k is not None and whole is not None and "overall" in row.wrong():
        text.append(
            f"An overall of {row.overall:.2f} is {whole} of {row.total}; the other classes give "
            f"{whole - k}, which leaves {k} of {n} for {name}: {100 * k / n:.2f}."
        )
    if "mean" in row.wrong():
        others = sum(share for c, share in row.shares.items() if c != name)
        asked = len(row.sizes) * row.mean - others
        of_mean = row.implied_by_mean(name)
        text.append(
            f"A mean of {row.mean:.2f} asks for {len(row.sizes)} x {row.mean:.2f} - {others:.2f} = "
            f"{asked:.2f} for {name}"
            + (f", that is {of_mean} of {n} = {100 * of_mean / n:.2f}" if of_mean else "")
            + "."
        )
        if k is not None and k == of_mean:
            text.append(f"Overall and mean agree on {k}: the printed recall is the wrong number.")
    return text


def _smaller_set(rows: Sequence[PublishedRow], name: str) -> str | None:
    """Say which smaller number of images all of a method's odd recalls are shares of, if one."""
    n, total = rows[0].sizes[name], rows[0].total
    printed = [row.shares[name] for row in rows]
    fitting = [m for m in range(n // 2, n) if all(count_behind(p, m) is not None for p in printed)]
    if len(rows) < 3 or len(fitting) != 1:
        return None
    m = fitting[0]
    counted = [count_behind(p, m) or 0 for p in printed]
    implied = [row.implied_by_overall(name) for row in rows]
    if None in implied:
        return None
    rest = [(k or 0) - c for k, c in zip(implied, counted, strict=True)]
    missing = n - m
    if not all(0 <= right <= missing for right in rest):
        return None
    listed = ", ".join(f"{c}/{m} = {p:.2f}" for c, p in zip(counted, printed, strict=True))
    twin = [_NAMES[d] for d, sizes in TEST_COUNTS.items() if sum(sizes.values()) == total - missing]
    size = f"{total - missing} images" + (f", the size of {twin[0]}'s test set" if twin else "")
    return (
        f"{rows[0].title}: its {len(rows)} recalls of {name} on this test set are all shares of "
        f"{m} images ({listed}), and {m} is the only number from {n // 2} to {n - 1} for which "
        f"they are. The overalls then leave {', '.join(map(str, rest))} right of the other "
        f"{missing}. So the recalls look counted over {size}, and the overalls over all {total}; "
        "the means follow from the recalls as printed. This is inferred from the numbers; the "
        "tables do not say it."
    )


def _audit_counts(table: int) -> Audit:
    dataset = COUNT_TABLES[table]
    full = PUBLISHED[dataset].counts
    frame = counts(table)
    findings = []
    for row in frame.to_dict("records"):
        factor = None if pd.isna(row["factor"]) else float(row["factor"])
        label = factor_label(factor)
        expected = dict(zip(full, _by_formula(dataset, factor), strict=True))
        printed = {name: int(row[name]) for name in full}
        wrong = [name for name in full if printed[name] != expected[name]]
        text = [_formula_words(dataset, factor or 0, n, printed[n], expected[n]) for n in wrong]
        total, summed = int(row["total"]), sum(printed.values())
        if total != summed:
            wrong.append("total")
            terms = " + ".join(map(str, printed.values()))
            text.append(f"The total is printed as {total}; the row adds up to {terms} = {summed}.")
            if sum(expected.values()) == summed:
                text.append("Each count follows from the formula, so the total is the odd one.")
        elif wrong:
            text.append(
                f"The printed total, {total}, is the sum of the row as printed; by the formula it "
                f"would be {sum(expected.values())}."
            )
        if wrong:
            row_name = "unmodified" if factor is None else f"factor {label}"
            findings.append(Inconsistency(table, row_name, "", label, tuple(wrong), " ".join(text)))
    return Audit(
        table=table,
        title=f"{_NAMES[dataset]}, training images of each class",
        checks=len(frame) * (len(full) + 1),
        failed=sum(len(finding.columns) for finding in findings),
        findings=tuple(findings),
    )


def _by_formula(dataset: str, factor: float | None) -> tuple[int, ...]:
    published = PUBLISHED[dataset]
    full = tuple(published.counts.values())
    if factor is None:
        return full
    if factor in published.cut:
        return cut_counts(full, factor)
    return decayed_counts(full, published.decay[factor])


def _formula_words(dataset: str, factor: float, name: str, printed: int, expected: int) -> str:
    published = PUBLISHED[dataset]
    full = published.counts[name]
    if factor not in published.decay:
        return f"{name.capitalize()} is printed as {printed} where {expected} is expected."
    mu, rank = published.decay[factor], list(published.counts).index(name)
    return (
        f"{name.capitalize()} is printed as {printed}; the formula gives {full} x {mu}^{rank} = "
        f"{full * mu**rank:.1f}, that is {expected}: {abs(expected - printed)} "
        f"{'more' if expected > printed else 'fewer'}."
    )


def _percent(hundredths: Fraction) -> str:
    return f"{float(hundredths) / 100:.2f}"
