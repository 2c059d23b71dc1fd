"""One table, every form: in every command, by the file's ending, whatever classes are called."""

from __future__ import annotations

import csv
import io
import json
import re
import resource
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from dataset_makers import make_folders
from hypothesis import given
from hypothesis import strategies as st
from made_records import made_record
from rich.cells import cell_len
from table_readers import html_rows, latex_rows, markdown_rows

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.report.forms import Place, by_name, form_for, form_names, forms
from benchmark.report.headers import class_titles, headers
from benchmark.report.sheet import text_table
from benchmark.store.store import Store

CLASSES = ("mean", "overall", "method", "Mean", "factor", "a", "a_sd")
COMMANDS = {
    "report": ["report", "STORE"],
    "compare": ["compare", "cb", "mek", "STORE"],
    "claims": ["claims", "--source", "paper"],
    "brief": ["claims", "--source", "paper", "--brief"],
    "audit": ["audit"],
    "check": ["check", "STORE", "--against", "OTHER"],
    "status": ["status", "STORE"],
    "methods": ["methods", "list"],
    "counts": ["data", "counts", "folder", "ROOT", "--factors", "full,1000"],
    "verify": ["data", "verify", "folder", "ROOT"],
}
NUMBERS = {"report", "compare", "claims", "brief", "check", "status", "counts"}


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stores whose classes are called as columns are, and a folder of pictures."""
    root = tmp_path_factory.mktemp("named")
    for name in ("store", "other"):
        for method in ("cb", "mek"):
            for seed in (0, 1):
                record, arrays = made_record(method, 50.0, seed)
                Store(root / name).add(record.model_copy(update={"classes": CLASSES}), arrays)
    make_folders(root / "faces", ("total", "factor", "sad"))
    return root


def run(root: Path, words: list[str], *more: str) -> click.testing.Result:
    stand_for = {
        "STORE": ["--results", str(root / "store")],
        "OTHER": [str(root / "other")],
        "ROOT": ["--data-root", str(root / "faces"), "--cache-dir", str(root / "cache")],
    }
    arguments = [a for word in words for a in stand_for.get(word, [word])]
    return CliRunner(env={"COLUMNS": "400"}).invoke(cli, [*arguments, *more])


@pytest.mark.parametrize("form", form_names())
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_every_form(named: Path, command: str, form: str) -> None:
    done = run(named, COMMANDS[command], "--format", form)
    if form == "macros" and command not in NUMBERS:
        assert isinstance(done.exception, InputError)
        assert "names numbers" in str(done.exception)
        return
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert done.exit_code == 0, done.output
    if form == "json":
        assert json.loads(done.stdout)
    if form == "csv":
        rows = list(csv.reader(io.StringIO(done.stdout)))
        assert all(len(row) == len(rows[0]) == len(set(rows[0])) for row in rows)
    if form == "macros":
        names = re.findall(r"newcommand\{\\([A-Za-z]+)\}", done.stdout)
        assert len(names) == len(set(names)) > 0


@pytest.mark.parametrize("command", COMMANDS)
def test_the_form_follows_the_ending(named: Path, tmp_path: Path, command: str) -> None:
    for form in forms().values():
        for ending in form.endings:
            out = tmp_path / f"table{ending}"
            done = run(named, COMMANDS[command], "--out", str(out))
            assert done.exit_code == 0, done.output
            asked = run(named, COMMANDS[command], "--format", form.name).stdout
            written = out.read_text(encoding="utf-8")
            words = [sorted(set(text.replace("─", "").split())) for text in (written, asked)]
            assert words[0] == words[1]
            if form.name != "terminal":  # whose lines are as long as the place is wide
                assert written == asked


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "t.pdf"], "--out t.pdf: the name must end in one of .csv (csv), .html (html)"),
        (["--out", "t"], ".tex (latex), .md (markdown), .txt (terminal)"),
        (["--out", "t.tex", "--format", "csv"], "--out t.tex does not end in .csv"),
        (["--out", "t.dat", "--format", "csv"], "--out t.dat: the name must end in"),
    ],
)
def test_endings_that_say_nothing_are_refused(
    named: Path, command: str, arguments: list[str], message: str
) -> None:
    done = run(named, COMMANDS[command], *arguments)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)
    assert not Path(arguments[1]).exists()


def test_macros_may_stand_in_a_tex_file(named: Path, tmp_path: Path) -> None:
    out = tmp_path / "numbers.tex"
    assert run(named, COMMANDS["report"], "--format", "macros", "--out", str(out)).exit_code == 0
    assert out.read_text().startswith("% ")


def test_a_terminal_is_shown_its_form_and_a_pipe_what_the_command_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert form_for(None, None, piped="markdown").name == "markdown"
    assert form_for(None, None).name == "terminal"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert form_for(None, None, piped="markdown").name == "terminal"
    assert form_for("csv", None).name == "csv"
    assert form_for(None, Path("T.MD")).name == "markdown"


@pytest.mark.parametrize("command", COMMANDS)
def test_report_goes_into_a_pipe_as_markdown_and_the_others_as_text(
    named: Path, command: str
) -> None:
    form = "markdown" if command == "report" else "text"
    piped = run(named, COMMANDS[command]).stdout
    assert piped == run(named, COMMANDS[command], "--format", form).stdout


def test_a_record_of_speed_is_json_in_every_file(tmp_path: Path) -> None:
    done = run(tmp_path, ["speed", "peak"], "--out", str(tmp_path / "speed.csv"))
    assert isinstance(done.exception, InputError)
    assert "the record is JSON; let the name end in .json" in str(done.exception)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_of_the_terminal_form_ends_in_spaces(named: Path, command: str) -> None:
    done = run(named, COMMANDS[command], "--format", "terminal")
    lines = done.stdout.splitlines()
    assert len(lines) > 3
    assert [line for line in lines if line != line.rstrip()] == []


def test_codes_at_the_end_of_a_line_stay() -> None:
    table = text_table("", ("a", "b"), [("x", "y" * 9), ("x", "y")])
    text = by_name("terminal").write([table])
    lines = text.splitlines()
    assert not any(click.unstyle(line).endswith(" ") for line in lines)
    bold = lines[0]
    assert bold.startswith("\x1b[1m")
    assert bold.endswith("\x1b[0m")


@pytest.mark.parametrize("variable", ["COLUMNS", "LINES"])
def test_a_terminal_of_any_size_is_no_failure(
    variable: str, named: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "9" * 5000)
    assert run(named, COMMANDS["status"], "--format", "terminal").exit_code == 0


def test_classes_called_as_columns_are_told_apart(named: Path) -> None:
    words = COMMANDS["report"]
    header = next(
        line
        for line in run(named, words, "--format", "markdown").stdout.splitlines()
        if "|" in line
    )
    columns = [cell.strip().replace("\\", "") for cell in header.strip("|").split("|")]
    assert columns[3:] == [
        "mean (class)", "overall (class)", "method (class)", "Mean (class)", "factor (class)",
        "A", "A_sd", "Overall", "Mean",
    ]  # fmt: skip
    assert len(set(map(str.casefold, columns))) >= len(columns) - 1  # mean and Mean
    flat = run(named, words, "--mixed", "--format", "csv").stdout
    read = list(csv.DictReader(io.StringIO(flat)))
    assert {"recall_a", "recall_a_sd", "recall_a__sd"} <= set(read[0])
    (table,) = json.loads(run(named, [*words, "--mixed"], "--format", "json").stdout)
    values = table["rows"][0]["values"]
    assert values["mean"] != values["recall_mean"] != values["recall_Mean"]
    macros = run(named, words, "--format", "macros").stdout
    found = dict(re.findall(r"newcommand\{\\(\w+)\}\{([^}]*)\}", macros))
    title = table["rows"][0]["method"]
    stem = f"ferCompactFerplus{title}FiveZero"
    assert float(found[f"{stem}Mean"]) == values["mean"]["value"]
    assert float(found[f"{stem}MeanClass"]) == values["recall_mean"]["value"]
    confusion = run(named, [*words, "--detail", "confusion"], "--format", "markdown").stdout
    assert "| mean (class) |" in confusion
    assert "| Mean (class) |" in confusion
    counts = run(named, COMMANDS["counts"], "--format", "csv").stdout
    assert counts.splitlines()[0] == "factor,factor (class),sad,total (class),total"


def test_class_titles_are_never_the_same() -> None:
    assert class_titles(("happy", "sad")) == ["Happy", "Sad"]
    assert class_titles(("mean", "mean (class)"), ("Mean",)) == [
        "mean (class)",
        "mean (class) (class)",
    ]
    assert headers(("recall_value", "mean"), ("Value",)) == ("value (class)", "Mean")


def test_forms_are_listed_without_being_imported() -> None:
    code = (
        "import sys; from benchmark.report.forms import forms\n"
        "assert len(forms()) == 7, forms()\n"
        "heavy = {'jinja2', 'rich', 'pandas', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert by_name("text") is by_name("terminal")


def test_wide_and_combining_letters_are_aligned() -> None:
    rows = [("中立", "1.00"), ("e\u0301t", "12.50"), ("plain", "3.25")]
    text = by_name("terminal").write([text_table("", ("name", "value"), rows)])
    lines = [line.rstrip() for line in text.splitlines() if any(v in line for _, v in rows)]
    assert len({cell_len(line) for line in lines}) == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_a_terminal_lacks_is_replaced_before_columns_are_aligned(encoding: str) -> None:
    rows = [("中立", "1.00"), ("plain", "12.50")]
    table = text_table("± †", ("name", "value"), rows)
    text = by_name("terminal").write([table], Place(encoding))
    lines = [line.rstrip() for line in text.splitlines() if "1.00" in line or "12.50" in line]
    assert len({len(line) for line in lines}) == 1
    assert r"\u4e2d\u7acb" in lines[0]


@given(
    words=st.lists(
        st.lists(st.text("ab中", max_size=30), min_size=3, max_size=3), min_size=1, max_size=4
    ),
    width=st.none() | st.integers(1, 100),
)
def test_no_word_is_broken_or_lost_however_narrow_the_terminal(
    words: list[list[str]], width: int | None
) -> None:
    table = text_table("", ("X" * 9, "Y", "ZZ ZZ"), words)
    shown = click.unstyle(by_name("terminal").write([table], Place(width=width)))
    body = shown.partition("─\n")[2]
    assert sorted(body.split()) == sorted(word for row in words for word in row if word)


def test_forms_read_back_agree(named: Path) -> None:
    words = COMMANDS["counts"]
    expected = list(csv.reader(io.StringIO(run(named, words, "--format", "csv").stdout)))[1:]
    shown = [[cell or "–" for cell in row] for row in expected]
    assert list(markdown_rows(run(named, words, "--format", "markdown").stdout)) == shown
    assert list(html_rows(run(named, words, "--format", "html").stdout)) == shown
    _, *read = latex_rows(run(named, words, "--format", "latex").stdout)
    assert read == shown


@pytest.mark.exhaustive  # a time, which only means something where nothing else runs
def test_help_costs_little_more_than_importing_click() -> None:
    """Processor time, the best of several, in bare starts; click itself is four to five."""

    def seconds(*arguments: str) -> float:
        found = []
        for _ in range(7):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime - before.ru_utime
            found.append(spent + after.ru_stime - before.ru_stime)
        return min(found)

    bare, click = seconds("-c", "pass"), seconds("-c", "import click")
    assert seconds("-m", "benchmark", "--help") < click + 2 * bare
    for command in ("report", "figure", "run"):
        assert seconds("-m", "benchmark", command, "--help") < click + 4.5 * bare, command
