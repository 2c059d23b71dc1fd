"""The forms of the tables: whole, escaped, compiled, quick."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from lxml import html as lxml_html
from made_records import made_record
from table_readers import markdown_rows

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.report.forms import by_name, forms
from benchmark.report.forms.macros import macro_name
from benchmark.report.sheet import Number, Row, Table
from benchmark.report.template import latex_widths
from benchmark.store.store import Store

METHODS = ("baseline", "cb", "soft", "mek")
SNAPSHOTS = Path(__file__).parent / "snapshots"
Report = Callable[..., str]


HOSTILE = r"<b>|x|</b> \input{/etc/passwd} & 50% _a_ $ [1] *b* -- 中 Ä `c` ~ ^ # \n"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which every name that others choose wants to break the page."""
    store = Store(tmp_path_factory.mktemp("hostile"))
    for index, method in enumerate(("[evil]:x&y", "*two\\")):
        record, arrays = made_record("cb", 10.0)
        cell = record.cell.model_copy(update={"method": method, "dataset": "a_b & <i>$"})
        cell = type(cell).model_validate(cell.model_dump())
        changes = {
            "cell": cell,
            "id": cell.id,
            "method_title": f"[{index}] {HOSTILE}",
            "classes": ("a|b", "c&d", "<i>", "e_f", "g#h", "i\\j", "k{l}"),
        }
        store.add(record.model_copy(update=changes), arrays)
    return store.root


def test_hostile_names_stay_text(report: Report, hostile: Path) -> None:
    shown = " ".join(HOSTILE.split())
    rows = list(markdown_rows(report(store=hostile)))
    assert sorted(row[0] for row in rows) == [f"[0] {shown}", f"[1] {shown}"]
    page = lxml_html.document_fromstring(report("--format", "html", store=hostile))
    assert page.xpath("//tbody/tr[1]/th[1]")[0].text_content() == rows[0][0]
    assert not page.xpath("//i | //script | //td/b[contains(., 'x')]")
    latex = report("--format", "latex", store=hostile)
    assert r"\input" not in latex
    assert all(
        len(re.findall(r"(?<!\\)&", line)) == 10
        for line in latex.splitlines()
        if line.endswith(r"\\")
    )
    assert "\x1b[" not in click.unstyle(report("--format", "terminal", store=hostile))
    macros = report("--format", "macros", store=hostile).splitlines()
    names = [m[1] for line in macros if (m := re.match(r"\\newcommand\{\\([A-Za-z]+)\}", line))]
    assert len(names) == len(set(names)) == 2 * 9
    assert all(line.startswith(("%", r"\newcommand{")) for line in macros)


def test_macros_never_share_a_name() -> None:
    numbers = (Number("1.00"), Number("2.00"))
    rows = tuple(
        Row((name,), numbers, (name, "150")) for name in ("a b", "ab", "a-b", "A1", "AOne", "中")
    )
    table = Table("t", ("Method",), ("x", "x"), ("x", "x"), (rows,), (), name="t 1")
    names = re.findall(r"newcommand\{\\(\w+)\}", by_name("macros").write([table, table]))
    assert len(set(names)) == len(names) == 24
    assert all(re.fullmatch(r"[A-Za-z]+", name) for name in names)
    assert macro_name(("table 2", "MEK", "150", "mean")) == "ferTableTwoMEKOneFiveZeroMean"


def test_macros_of_a_row_are_told_apart_together() -> None:
    """One number of one seed, then one of two, under one name: mean and deviation stay a pair."""
    one, two = Number("63.83"), Number("66.10", spread="1.49")
    tables = [
        Table("t", ("Method",), ("x",), ("x",), ((Row(("a",), (number,), ("a",)),),), (), name="t")
        for number in (one, two)
    ]
    found = dict(re.findall(r"newcommand\{\\(\w+)\}\{(.*)\}", by_name("macros").write(tables)))
    assert found == {"ferTAX": "63.83", "ferTAXAgain": "66.10", "ferTAXSdAgain": "1.49"}


def compile_latex(text: str, folder: Path) -> str:
    """Compile a document twice over nothing but what TeX Live has; return the log."""
    (folder / "main.tex").write_text(text)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"],
        capture_output=True, text=True, cwd=folder, timeout=120, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_latex_compiles_as_it_is(report: Report, hostile: Path, tmp_path: Path) -> None:
    pieces = {
        "two": report("--table", "2", "--format", "latex", "--against", "paper"),
        "four": report("--table", "4", "--format", "latex"),
        "summary": report("--detail", "summary", "--format", "latex", "--select", "oracle"),
        "hostile": report("--format", "latex", store=hostile),
        "macros": report("--format", "macros", store=hostile),
    }
    for name, text in pieces.items():
        (tmp_path / f"{name}.tex").write_text(text)
    (needs,) = {text.splitlines()[0] for name, text in pieces.items() if name != "macros"}
    packages = needs.removeprefix("% Needs ").replace(" and ", "")
    inputs = "".join(rf"\input{{{name}}}" for name in pieces if name != "macros")
    document = rf"\documentclass{{article}}{packages}\input{{macros}}\begin{{document}}"
    log = compile_latex(rf"{document}{inputs}\end{{document}}", tmp_path)
    assert "undefined" not in log


def test_all_writes_whole_files_and_an_index(stored: Path, report: Report, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "book"
    for _ in range(2):
        report("--all", "--against", "paper", "--out", str(out))
    chapters = ("table1", "table2", "table3", "table4", "table5", "groups", "intervals", "summary",
                "confusion", "tradeoff", "validation")  # fmt: skip
    expected = {f"{n}{e}" for n in chapters for form in forms().values() for e in form.endings}
    expected |= {"frame.csv", "frame.json", "macros.tex", "tables.tex", "index.md", "index.html"}
    expected.add("report.html")
    assert {path.name for path in out.iterdir()} == expected
    for index in ("index.md", "index.html"):
        linked = set(re.findall(r'(?:\]\(|href=")([^")]+)', (out / index).read_text()))
        assert linked == expected - {"index.md", "index.html"}
    assert (out / "table3.md").read_text() == report("--table", "3", "--against", "paper")
    assert (out / "frame.csv").read_text() == report("--format", "csv")
    for page in {*out.glob("*.html")} - {out / "report.html"}:
        assert not lxml_html.document_fromstring(page.read_text()).xpath("//script | //link")
    if shutil.which("pdflatex"):
        compile_latex((out / "tables.tex").read_text(), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--all"], "--all needs --out DIR"),
        (["--all", "--table", "1", "--out", "x"], "leave --table, --detail and --format away"),
        (["--table", "4", "--detail", "summary"], "--table 4 has no --detail"),
        (["--table", "5", "--against", "paper"], "--against stands beside accuracies"),
        (["--detail", "summary", "--against", "paper"], "--against stands beside accuracies"),
        (["--all", "--out", "/proc/nope"], "cannot be written"),
        (["--table", "1", "--out", "."], "--out . is a folder"),
    ],
)
def test_bad_wishes_are_one_line(stored: Path, arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(cli, ["report", "--results", str(stored), *arguments])
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)


def test_what_no_record_fills_is_said(tmp_path: Path, report: Report) -> None:
    store = Store(tmp_path)
    store.add(*made_record("cb", 10.0, validation=False))
    for arguments, message in (
        (["--table", "3"], "no finished cell of the unmodified FERPlus"),
        (["--table", "1", "--detail", "summary"], "no finished cell of RAF-DB"),
        (["--select", "val"], "--select val chooses nothing"),
    ):
        done = CliRunner().invoke(cli, ["report", "--results", str(tmp_path), *arguments])
        assert message in str(done.exception)
    assert "published counts alone" in report("--table", "4", store=tmp_path / "nothing")


def test_damaged_logits_are_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for method in ("cb", "mek"):
        for seed in (0, 1):
            folder = store.add(*made_record(method, 50.0, seed))
    (folder / "logits.npz").write_bytes(b"PK")
    done = CliRunner().invoke(cli, ["report", "--results", str(tmp_path)])
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith(f"damaged cell: {folder}")


@pytest.mark.parametrize("detail", ["summary", None])
def test_logits_of_another_record_are_named(tmp_path: Path, detail: str | None) -> None:
    """They are whole and of the same images, and would pass for the record's own."""
    store = Store(tmp_path)
    folders = [store.add(*made_record(m, 50.0, s)) for m in ("cb", "mek") for s in (0, 1)]
    (folders[0] / "logits.npz").write_bytes((folders[3] / "logits.npz").read_bytes())
    chosen = [] if detail is None else ["--detail", detail]
    done = CliRunner().invoke(cli, ["report", "--results", str(tmp_path), *chosen])
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith(f"damaged cell: {folders[0]}")
    assert "not the file of its record" in str(done.exception)


@pytest.mark.exhaustive
def test_all_imports_no_torch(stored: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from benchmark.cli import cli\n"
        "cli.main(['report', '--all', *sys.argv[1:]], standalone_mode=False)\n"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    )
    arguments = ["--results", str(stored), "--out", str(tmp_path / "book")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("table2.md", ["--table", "2"]),
        ("table1-against.tex", ["--table", "1", "--against", "paper", "--format", "latex"]),
        ("table3.html", ["--table", "3", "--format", "html"]),
        ("summary.txt", ["--detail", "summary", "--format", "terminal"]),
        ("table4.csv", ["--table", "4", "--format", "csv"]),
    ],
)
def test_snapshots(report: Report, name: str, arguments: list[str]) -> None:
    """Delete a file in tests/report/snapshots to have it written anew, then read what changed."""
    path = SNAPSHOTS / name
    text = report(*arguments)
    if not path.exists():
        path.write_text(text)
    assert text == path.read_text()


def test_latex_columns_are_as_wide_as_their_numbers() -> None:
    rows = (Row(("a",), (Number("5.00"),)), Row(("b",), (Number("100.00", "1.00"),)))
    table = Table("t", ("Method",), ("x",), ("x",), (rows,), ())
    assert latex_widths(table) == [("3.2", True)]
    assert "group-minimum-digits" in by_name("latex").write([table])


PLAIN_READING = """
import hashlib, json, sys
from pathlib import Path
import numpy, pandas
for path in Path(sys.argv[1]).glob("cells/*/record.json"):
    json.loads(path.read_bytes())
    hashlib.sha256(path.with_name("logits.npz").read_bytes())
"""


def processor_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.exhaustive
def test_two_thousand_records_are_a_table_in_seconds(tmp_path: Path) -> None:
    """Held against reading the same files without a look at them, on the same machine."""
    store = Store(tmp_path)
    skill = (0.9, 0.93, 0.88, 0.6, 0.75, 0.35, 0.2)
    for number in range(2000):
        method, rest = METHODS[number % 4], number // 4
        factor = (50.0, 100.0, 150.0, None)[rest % 4]
        store.add(*made_record(method, factor, rest // 4, skill=skill))
    ours = [sys.executable, "-m", "benchmark", "report", "--results", str(tmp_path)]
    ours += ["--out", str(tmp_path / "table.md")]
    plain = [sys.executable, "-c", PLAIN_READING, str(tmp_path)]
    times = [(processor_seconds(ours), processor_seconds(plain)) for _ in range(3)]
    seconds, at_least = map(min, zip(*times, strict=True))
    assert seconds < 5 * at_least, "something reads or decides too much"
