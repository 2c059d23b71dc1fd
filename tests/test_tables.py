"""The tables of the paper from made records: every form read back by a real parser."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from lxml import html as lxml_html
from made_records import FERPLUS, fill, made_record
from markdown_it import MarkdownIt

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.report.counts import counts_table
from benchmark.report.frame import tidy
from benchmark.report.macros import as_macros, macro_name
from benchmark.report.published import results
from benchmark.report.render import FORMATS, SUFFIXES, latex_widths, render_tables
from benchmark.report.sheet import MISSING, Number, Row, Table
from benchmark.stats import holm, paired_difference
from benchmark.store import Store

METHODS = ("baseline", "cb", "soft", "mek")
SNAPSHOTS = Path(__file__).parent / "snapshots"
Report = Callable[..., str]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FERPlus with two seeds (MEK's second is missing at 150), RAF-DB with one."""
    store = Store(tmp_path_factory.mktemp("stored"))
    fill(store, METHODS, (50.0, 150.0, None), 1)
    fill(store, METHODS[:3], (50.0, 150.0, None), 2)
    store.add(*made_record("mek", 50.0, 1))
    for method in ("cb", "mek"):
        store.add(*made_record(method, 150.0, dataset="raf-db"))
    return store.root


@pytest.fixture(scope="module")
def report(stored: Path) -> Report:
    def call(*arguments: str, store: Path = stored) -> str:
        wide = CliRunner(env={"COLUMNS": "200"})
        done = wide.invoke(cli, ["report", "--results", str(store), *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return call


def markdown_rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of each table, as a Markdown parser sees them."""
    page = lxml_html.fromstring(MarkdownIt("commonmark").enable("table").render(text))
    for row in page.xpath("//tbody/tr"):
        yield [cell.text_content() for cell in row.xpath("./td")]


def html_rows(text: str) -> Iterator[list[str]]:
    for row in lxml_html.document_fromstring(text).xpath("//tbody/tr"):
        yield [cell.text_content() for cell in row.xpath("./th|./td")]


def latex_rows(text: str) -> Iterator[list[str]]:
    """The cells of the rows, with labels that stand for the lines below filled in."""
    previous: list[str] = []
    for line in text.splitlines():
        if not line.endswith(r"\\") or "multicolumn" in line:
            continue
        line = line.replace(r"\bfseries ", "").replace(r"$\pm$", "±").replace(r"\textendash{}", "–")
        line = re.sub(r"\{\\llap.*?\}\}\}", "", line.removesuffix(r"\\"))
        cells = [cell.strip().strip("{}") for cell in line.split("&")]
        cells = [cell or (previous[i] if i == 1 else "") for i, cell in enumerate(cells)]
        previous = cells
        yield cells


def test_every_form_prints_the_numbers_of_the_frame(stored: Path, report: Report) -> None:
    store = Store(stored)
    frame = tidy(store.records(), ["last"])
    frame = frame[(frame["dataset"] == "ferplus") & frame["factor"].notna()]
    columns = [f"recall_{name}" for name in FERPLUS] + ["overall", "mean"]
    of = frame.groupby(["title", "factor"])[columns]
    means, spreads, sizes = of.mean(), of.std(ddof=1), of.size()

    expected = []
    for factor in ("50", "100", "150"):
        for title in ("SOFT", "SCN", "CB", "RUL", "MEK", "Baseline"):
            key = (title, float(factor))
            if key not in means.index:
                expected.append([title, factor, "0 of 2"] + [MISSING] * 9)
                continue
            n = int(sizes[key])
            cells = [
                f"{mean:.2f} ± {spread:.2f}" if n > 1 else f"{mean:.2f}"
                for mean, spread in zip(means.loc[key], spreads.loc[key], strict=True)
            ]
            expected.append([title, factor, "2" if n == 2 else "1 of 2", *cells])

    assert list(markdown_rows(report("--table", "2"))) == expected
    assert list(html_rows(report("--table", "2", "--format", "html"))) == expected

    latex = [
        [*row[:3], *(f"{v} {s}".strip() for v, s in zip(row[3::2], row[4::2], strict=True))]
        for row in latex_rows(report("--table", "2", "--format", "latex"))
    ]
    assert latex == expected

    terminal = click.unstyle(report("--table", "2", "--format", "terminal"))
    digits = re.findall(r"\d+\.\d\d", " ".join(cell for row in expected for cell in row))
    assert re.findall(r"\d+\.\d\d", terminal.split("- Protocol")[0]) == digits

    for row, cells in zip(
        csv.DictReader(io.StringIO(report("--table", "2", "--format", "csv"))),
        expected,
        strict=True,
    ):
        assert [row["method"], row["factor"], row["seeds"]] == cells[:3]
        printed = [
            " ± ".join(part for part in (row[c], row[f"{c}_sd"]) if part) or MISSING
            for c in columns
        ]
        assert printed == cells[3:]

    (table,) = json.loads(report("--table", "2", "--format", "json"))
    for row, cells in zip(table["rows"], expected, strict=True):
        for column, cell in zip(columns, cells[3:], strict=True):
            value = row["values"][column]["value"]
            assert (MISSING if value is None else f"{value:.2f}") == cell.split(" ")[0]


def test_bold_is_what_the_raw_logits_do_not_tell_apart(stored: Path, report: Report) -> None:
    """One table, decided again from the arrays alone."""
    store = Store(stored)
    right: dict[tuple[str, float], dict[int, np.ndarray]] = {}
    for record in store.records():
        if record.cell.dataset == "ferplus" and record.cell.factor is not None:
            arrays = store.logits(record)
            labels = arrays["label"]
            key = record.method_title, record.cell.factor
            right.setdefault(key, {})[record.cell.seed] = arrays["last"].argmax(1) == labels
    families: dict[bool, list[tuple[tuple[str, float, str], float]]] = {True: [], False: []}
    bold = set()
    for factor in (50.0, 150.0):
        for column in [*FERPLUS, "overall", "mean"]:
            used = labels == FERPLUS.index(column) if column in FERPLUS else labels >= 0
            metric = "mean" if column == "mean" else "overall"

            def accuracy(hits: np.ndarray, used=used, metric=metric) -> float:
                of = [hits[used & (labels == c)].mean() for c in np.unique(labels[used])]
                return float(np.mean(of)) if metric == "mean" else float(hits[used].mean())

            several = {t: r for (t, f), r in right.items() if f == factor and len(r) == 2}
            means = {t: np.mean([accuracy(h) for h in r.values()]) for t, r in several.items()}
            best = max(means, key=lambda t: means[t])
            bold.add((best, factor, column))
            for title in means.keys() - {best}:
                pair = [np.stack([several[t][s][used] for s in (0, 1)]) for t in (best, title)]
                p = paired_difference(labels[used], *pair, metric).p
                families[column in FERPLUS].append(((title, factor, column), p))
    for family in families.values():
        adjusted = holm([p for _, p in family])
        bold |= {key for (key, _), p in zip(family, adjusted, strict=True) if p >= 0.05}
    (table,) = json.loads(report("--table", "2", "--format", "json"))
    printed = {
        (row["method"], float(row["factor"]), column.removeprefix("recall_"))
        for row in table["rows"]
        for column, number in row["values"].items()
        if number.get("best")
    }
    assert printed == bold
    sizes = len(families[False]), len(families[True])
    assert any(f"the {sizes[0]} comparisons" in note for note in table["notes"])
    assert any(f"over the {sizes[1]} of recalls" in note for note in table["notes"])
    assert any("Rows of one seed are not tested" in note for note in table["notes"])


@pytest.mark.parametrize("form", ["markdown", "latex", "html"])
def test_marks_come_out_in_each_form(report: Report, form: str) -> None:
    text = report("--table", "1", "--format", form)
    (table,) = json.loads(report("--table", "1", "--format", "json"))
    numbers = [n for row in table["rows"] for n in row["values"].values()]
    best, second = (sum(bool(n.get(key)) for n in numbers) for key in ("best", "second"))
    assert best >= 8
    assert second >= 1
    signs = {
        "markdown": ("| **", "<ins>"),
        "latex": (r"\bfseries", r"\underline"),
        "html": ("<b>", "<u>"),
    }
    assert [text.count(sign) for sign in signs[form]] == [best, second]
    assert "one seed does not show how much seeds differ" in text


def test_published_stands_beside_measured_and_apart_from_it(report: Report) -> None:
    arguments = ("--table", "1", "--against", "paper")
    paper = results(1).set_index(["method", "factor"])
    rows = list(csv.DictReader(io.StringIO(report(*arguments, "--format", "csv"))))
    plain = list(csv.DictReader(io.StringIO(report("--table", "1", "--format", "csv"))))
    assert len(rows) == 15
    names = {"MEK": "mek"}
    for row, alone in zip(rows, plain, strict=True):
        published = paper.loc[
            (names.get(row["method"], row["method"].lower()), float(row["factor"]))
        ]
        for column in ("overall", "mean", "recall_fear"):
            assert row[column] == alone[column]
            assert row[f"{column}_published"] == f"{published[column]:.2f}"
            if not row[column]:
                assert row[f"{column}_difference"] == row[f"{column}_low"] == ""
                continue
            difference = float(row[column]) - published[column]
            assert row[f"{column}_difference"] == f"{difference:+.2f}"
            low, high = float(row[f"{column}_low"]), float(row[f"{column}_high"])
            assert low < float(row[f"{column}_difference"]) < high
    text = report(*arguments)
    assert "give no uncertainty" in text
    assert "The protocol is not the paper's" in text
    kinds = [row[2] for row in markdown_rows(text)]
    assert kinds.count("measured") == kinds.count("published") == 15
    assert kinds.count("difference") == kinds.count("95 % interval") == 2


def test_the_paper_protocol_is_named_as_what_it_is(tmp_path: Path, report: Report) -> None:
    store = Store(tmp_path)
    store.add(*made_record("mek", 50.0, protocol="paper"))
    text = report("--table", "2", "--against", "paper", store=tmp_path)
    assert "follows the paper's ResNet-18 rows" in text
    assert "is not the paper's" not in text


def test_table_3_has_the_conferences(report: Report) -> None:
    rows = list(markdown_rows(report("--table", "3")))
    assert [row[0] for row in rows] == [
        "Baseline", "CB", "SCN", "BBN", "RUL", "SOFT", "EAC", "MEK",
    ]  # fmt: skip
    assert [row[1] for row in rows][1:5] == ["CVPR'19", "CVPR'20", "CVPR'20", "NeurIPS'21"]
    assert rows[2][2:] == ["0 of 2"] + [MISSING] * 9


def test_counts_are_the_published_ones_beside_the_stored_ones(report: Report) -> None:
    rows = list(markdown_rows(report("--table", "5")))
    stored = [row for row in rows if row[1].startswith("stored")]
    assert [row[0] for row in stored] == ["full", "50", "150"]
    assert [row[1] for row in stored] == [
        "stored (7 cells)",
        "stored (8 cells)",
        "stored (7 cells)",
    ]
    assert stored[2][2:] == ["8740", "6465", "2482", "2109", "1305", "293", "58", "21452"]
    text = report("--table", "5")
    assert "at factor 100, 23280, is not the sum of its row, 23298" in text
    assert "No stored cell at: 100" in text
    record, _ = made_record("cb", 150.0)
    cell = record.cell.model_copy(update={"class_counts": (8740, 6469, 2482, 2109, 1305, 293, 58)})
    other = counts_table([record.model_copy(update={"cell": cell})], 5)
    assert "Stored cells differ at factor 150: happiness 6469, not 6465." in other.notes
    assert "published counts alone" in counts_table([], 4).notes[-1]


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_the_oracle_is_marked_in_every_form(report: Report, form: str) -> None:
    text = report("--table", "1", "--format", form, "--select", "oracle")
    signs = {
        "csv": "oracle",
        "json": '"rule": "oracle"',
        "latex": r"$^\dagger$",
        "macros": "(dagger)",
    }
    assert signs.get(form, "†") in text
    if form not in ("csv", "macros"):
        assert "too optimistic" in " ".join(text.split())


def test_details_follow_the_confusion_matrices_and_logits(stored: Path, report: Report) -> None:
    store = Store(stored)
    (record,) = (
        r for r in store.records() if r.cell.dataset == "raf-db" and r.cell.method == "mek"
    )
    matrix = np.array(record.history[-1].test)
    recall = np.diag(matrix) / matrix.sum(axis=1)
    details = {
        name: json.loads(report("--table", "1", "--detail", name, "--format", "json"))[0]["rows"]
        for name in ("intervals", "summary", "confusion")
    }

    def row(name: str) -> dict[str, dict[str, object]]:
        (found,) = (
            r["values"] for r in details[name] if (r["method"], r["factor"]) == ("MEK", "150")
        )
        return found

    fear = row("intervals")["recall_fear"]
    assert fear["value"] == pytest.approx(100 * recall[6], abs=0.006)
    assert fear["low"] < fear["value"] < fear["high"]
    summary = row("summary")
    worst = int(recall.argmin())
    assert summary["worst_class"]["remark"] == record.classes[worst]
    assert summary["worst_class"]["value"] == pytest.approx(100 * recall[worst], abs=0.006)
    order = np.argsort(record.cell.class_counts)[::-1]
    assert summary["head"]["value"] == pytest.approx(100 * recall[order[:2]].mean(), abs=0.006)
    assert summary["tail"]["value"] == pytest.approx(100 * recall[order[-2:]].mean(), abs=0.006)
    f1 = 2 * np.diag(matrix) / (matrix.sum(0) + matrix.sum(1))
    assert summary["macro_f1"]["value"] == pytest.approx(100 * f1.mean(), abs=0.006)
    arrays = store.logits(record)
    scores = np.exp(arrays["last"].astype(float))
    scores /= scores.sum(1, keepdims=True)
    right = scores.argmax(1) == arrays["label"]
    error = sum(
        abs((right[inside] - scores.max(1)[inside]).sum())
        for low in range(15)
        for inside in [(scores.max(1) > low / 15) & (scores.max(1) <= (low + 1) / 15)]
    )
    assert summary["ece"]["value"] == pytest.approx(100 * error / len(right), abs=0.006)
    counts = [
        [int(n["value"]) for n in r["values"].values()]
        for r in details["confusion"]
        if r["method"] == "MEK"
    ]
    assert counts == matrix.tolist()


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
    names = re.findall(r"newcommand\{\\(\w+)\}", as_macros([table, table]))
    assert len(set(names)) == len(names) == 24
    assert all(re.fullmatch(r"[A-Za-z]+", name) for name in names)
    assert macro_name(("table 2", "MEK", "150", "mean")) == "ferTableTwoMEKOneFiveZeroMean"


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
                "confusion")  # fmt: skip
    expected = {f"{name}.{suffix}" for name in chapters for suffix in SUFFIXES.values()}
    expected |= {"frame.csv", "frame.json", "macros.tex", "tables.tex", "index.md", "index.html"}
    assert {path.name for path in out.iterdir()} == expected
    for index in ("index.md", "index.html"):
        linked = set(re.findall(r'(?:\]\(|href=")([^")]+)', (out / index).read_text()))
        assert linked == expected - {"index.md", "index.html"}
    assert (out / "table3.md").read_text() == report("--table", "3", "--against", "paper")
    assert (out / "frame.csv").read_text() == report("--format", "csv")
    for page in out.glob("*.html"):
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
    assert str(done.exception).startswith(f"damaged logits {folder}")


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
    """Delete a file in tests/snapshots to have it written anew, then read what changed."""
    path = SNAPSHOTS / name
    text = report(*arguments)
    if not path.exists():
        path.write_text(text)
    assert text == path.read_text()


def test_latex_columns_are_as_wide_as_their_numbers() -> None:
    rows = (Row(("a",), (Number("5.00"),)), Row(("b",), (Number("100.00", "1.00"),)))
    table = Table("t", ("Method",), ("x",), ("x",), (rows,), ())
    assert latex_widths(table) == [("3.2", True)]
    assert "group-minimum-digits" in render_tables([table], "latex")


@pytest.mark.slow
def test_two_thousand_records_are_a_table_in_three_seconds(tmp_path: Path) -> None:
    store = Store(tmp_path)
    skill = (0.9, 0.93, 0.88, 0.6, 0.75, 0.35, 0.2)
    for number in range(2000):
        method, rest = METHODS[number % 4], number // 4
        factor = (50.0, 100.0, 150.0, None)[rest % 4]
        store.add(*made_record(method, factor, rest // 4, skill=skill))
    arguments = [sys.executable, "-m", "benchmark", "report", "--results", str(tmp_path)]
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([*arguments, "--out", str(tmp_path / "table.md")], check=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 3
