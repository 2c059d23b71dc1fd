"""The audit finds what is wrong in the published tables, and nothing in a table that is right."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from benchmark.cli import cli
from benchmark.paper import audit as audit_module
from benchmark.paper import exact as shares
from benchmark.paper.audit import TABLES, audit
from benchmark.paper.exact import TEST_COUNTS, count_behind
from benchmark.paper.published import results
from benchmark.report.audit_table import audit_tables
from benchmark.report.forms import by_name


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["audit", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


@given(st.integers(1, 4000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_printed_share_gives_its_count_back(case: tuple[int, int]) -> None:
    k, n = case
    assert count_behind(round(100 * k / n, 2), n) == k


@given(st.integers(0, 10_000), st.integers(1, 4000))
def test_a_count_behind_is_found_exactly_when_one_prints_so(hundredths: int, n: int) -> None:
    exact = [k for k in range(n + 1) if abs(20_000 * k - 2 * hundredths * n) <= n]
    assert count_behind(hundredths / 100, n) == (exact[0] if exact else None)


def test_table_1_and_table_4_are_right() -> None:
    for table, checks in ((1, 15 * 9), (4, 4 * 8)):
        assert (audit(table).checks, audit(table).failed, audit(table).findings) == (checks, 0, ())


def found(table: int) -> dict[str, tuple[str, ...]]:
    return {finding.row: finding.columns for finding in audit(table).findings}


def test_what_is_wrong_is_found_and_nothing_else() -> None:
    odd = ("neutral", "overall")
    assert found(2) == {
        "SCN, factor 50": odd,
        "RUL, factor 50": odd,
        "SCN, factor 100": odd,
        "RUL, factor 100": ("overall",),
        "SCN, factor 150": odd,
        "RUL, factor 150": ("overall",),
    }
    assert found(3) == {
        "SCN": odd,
        "RUL": odd,
        "SOFT": ("mean",),
        "EAC": ("neutral", "overall", "mean"),
    }
    assert found(5) == {"factor 100": ("total",), "factor 150": ("happiness",)}


def test_the_arithmetic_is_told() -> None:
    text = " ".join(run().split())
    for words in (
        "Table 1 (RAF-DB, recalls, overall and mean accuracy): 135 numbers recomputed, all follow",
        "87.27, is no share of 1090 images (951/1090 = 87.25, 952/1090 = 87.34)",
        "An overall of 85.85 is 2693 of 3137; the other classes give 1737, which leaves 956",
        "It repeats the row's overall.",
        "7 x 74.73 - 432.36 = 90.75 for neutral, that is 989 of 1090 = 90.73",
        "Overall and mean agree on 989",
        "From the recalls the mean would be 66.70; 66.72 is printed",
        "7287 x 0.8878^1 = 6469.4, that is 6469: 4 more",
        "The total is printed as 23280; the row adds up to "
        "8740 + 6923 + 2842 + 2584 + 1710 + 412 + 87 = 23298",
        "all shares of 1021 images (891/1021 = 87.27",
        "counted over 3068 images, the size of RAF-DB's test set",
    ):
        assert words in text


def test_the_smaller_test_set_fits_all_eight_rows() -> None:
    rows = pd.concat([results(2), results(3)])
    rows = rows[rows["method"].isin(["scn", "rul"])]
    printed = [float(value) for value in rows["recall_neutral"]]
    assert len(printed) == 8
    fitting = [
        m
        for m in range(545, 1090)
        if all(any(f"{100 * k / m:.2f}" == f"{p:.2f}" for k in range(m + 1)) for p in printed)
    ]
    assert fitting == [1021]
    sizes = TEST_COUNTS["ferplus"]
    assert sum(sizes.values()) - (1090 - 1021) == sum(TEST_COUNTS["raf-db"].values())


@pytest.mark.parametrize("column", ["recall_fear", "overall", "mean"])
def test_a_digit_that_is_changed_is_found(column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = results(1).copy()
    changed.loc[4, column] += 0.03
    monkeypatch.setattr(shares, "results", lambda table: changed if table == 1 else results(table))
    (finding,) = audit(1).findings
    assert finding.row == "Ours, factor 50"
    assert column.removeprefix("recall_") in finding.columns


def test_a_count_that_is_changed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = audit_module.counts(4).copy()
    changed.loc[1, "fear"] = 96
    monkeypatch.setattr(audit_module, "counts", lambda table: changed)
    (finding,) = audit(4).findings
    assert finding.columns == ("fear", "total")
    assert "281 x 0.835^6 = 95.2, that is 95: 1 fewer" in finding.text


def test_forms_agree() -> None:
    findings = [finding for table in TABLES for finding in audit(table).findings]
    rows = list(csv.DictReader(io.StringIO(run("--format", "csv"))))
    assert [row["text"] for row in rows] == [finding.text for finding in findings]
    tables = json.loads(run("--format", "json"))
    assert [t["table"] for t in tables] == [1, 2, 3, 4, 5]
    assert sum(len(t["rows"]) for t in tables) == len(findings) == 12
    assert [t["failed"] for t in tables] == [0, 10, 8, 0, 2]
    html = MarkdownIt().enable("table").render(run("--format", "markdown"))
    assert html.count("<tr>") == len(findings) + 3  # a header for each of three tables
    assert html.count("<li>") == 2
    assert "7287 x 0.8878^1 = 6469.4" in html


def test_names_of_others_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = results(1).copy()
    changed.loc[0, "title"] = "<b>*SOFT*"
    changed.loc[0, "mean"] = 1.0
    monkeypatch.setattr(shares, "results", lambda table: changed if table == 1 else results(table))
    html = MarkdownIt("commonmark", {"html": True}).render(
        by_name("markdown").write(audit_tables([audit(1)]))
    )
    assert "&lt;b&gt;*SOFT*" in html


def test_one_table_to_a_file_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from benchmark.cli import cli\n"
        "cli.main(['audit', '--table', '5', '--out', 'out.txt'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)
    text = (tmp_path / "out.txt").read_text(encoding="utf-8")
    assert text.startswith("Table 5 (FERPlus")
    assert CliRunner().invoke(cli, ["audit", "--table", "6"]).exit_code == 2
