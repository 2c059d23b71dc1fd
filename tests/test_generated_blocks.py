"""Documentation that a command printed still says what the command prints."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from generated_blocks import Block, main, parse, printed, rewritten, stale
from made_records import made_record
from table_readers import markdown_rows

from benchmark.errors import InputError
from benchmark.store.store import Store

BEGIN = "<!-- generated: fer-bench report --table 2 -->"
END = "<!-- end generated -->"


def test_the_documentation_says_what_its_commands_print() -> None:
    done = CliRunner().invoke(main, [])
    assert done.exit_code == 0, f"{done.output}{done.exception}"


def printer(arguments: Sequence[str]) -> str:
    """The arguments, a line each."""
    return "".join(f"{word}\n" for word in arguments)


def text_of(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def test_blocks_are_found_between_their_markers() -> None:
    text = text_of("# Title", BEGIN, "a", "", "b", END, "between", BEGIN + "  ", END)
    words = ("report", "--table", "2")
    command = "fer-bench report --table 2"
    assert parse(text, "x.md") == [
        Block(command, words, 2, ("a", "", "b")),
        Block(command, words, 8, ()),
    ]


def test_words_are_those_of_a_shell() -> None:
    (block,) = parse(text_of('<!-- generated: fer-bench run --only "a *b" -->', END), "x")
    assert block.arguments == ("run", "--only", "a *b")


def test_markers_in_code_are_text() -> None:
    text = text_of(
        "```html", BEGIN, "~~~", "```", "~~~~ text", "```", BEGIN, "~~~", "~~~~", f"    {BEGIN}"
    )
    assert parse(text, "x.md") == []
    assert rewritten(text, "x.md", printer) == text
    inside = text_of(BEGIN, "```", END, BEGIN, END)
    assert [block.line for block in parse(inside, "x.md")] == [1, 4], (
        "a block may hold half a fence"
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a", BEGIN, "b"], "x.md:2: the generated block has no '<!-- end generated -->'"),
        ([BEGIN, BEGIN, END], "x.md:1: the generated block has no"),
        (["", END], "x.md:2: ends a generated block that nothing begins"),
        (["<!-- generated fer-bench report -->", END], "x.md:1: not a marker"),
        (["<!-- Generated: fer-bench report -->", END], "x.md:1: not a marker"),
        ([f"  {BEGIN}", END], "x.md:1: not a marker"),
        ([BEGIN + " behind", END], "x.md:1: not a marker"),
        ([BEGIN, "<!-- end generated", END], "x.md:2: not a marker"),
        (["<!-- generated: rm -rf / -->", END], "x.md:1: rm -rf /: only a command of fer-bench"),
        (["<!-- generated: fer-bench -->", END], "only a command of fer-bench"),
        (["<!-- generated: ./fer-bench report -->", END], "only a command of fer-bench"),
        (["<!-- generated: fer-bench 'report -->", END], "No closing quotation"),
        (["<!-- generated: fer-bench report --format latex -->", END], "a block holds Markdown"),
        (["<!-- generated: fer-bench report --format=csv -->", END], "a block holds Markdown"),
        (["<!-- generated: fer-bench report --format -->", END], "a block holds Markdown"),
    ],
)
def test_what_is_no_block_is_refused(lines: list[str], message: str) -> None:
    text = text_of(*lines)
    for call in (parse, lambda *a: list(stale(*a, printer)), lambda *a: rewritten(*a, printer)):
        with pytest.raises(InputError, match=re.escape(message)):
            call(text, "x.md")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (["report", "--table", "2"], None),
        (["report", "--table", "3"], "x.md:5: {}\n  prints: 2\n  found:  3"),
        (["report", "--table"], "x.md:5: {}\n  prints: 2\n  found:  (nothing)"),
        (["report", "--table", "2", ""], "x.md:6: {}\n  prints: (nothing)\n  found:  "),
        ([], "x.md:3: {}\n  prints: report\n  found:  (nothing)"),
    ],
)
def test_the_first_line_that_differs_is_named(body: list[str], message: str | None) -> None:
    text = text_of("a", BEGIN, *body, END, "b", BEGIN, *printer(("report", "--table", "2")).split())
    text += text_of(END, "c")
    expected = [] if message is None else [message.format("fer-bench report --table 2")]
    assert list(stale(text, "x.md", printer)) == expected
    fresh = text_of("a", BEGIN, "report", "--table", "2", END, "b", BEGIN, "report", "--table", "2")
    fresh += text_of(END, "c")
    assert rewritten(text, "x.md", printer) == fresh
    assert not list(stale(fresh, "x.md", printer))


def test_a_text_without_blocks_stays_as_it_is() -> None:
    text = "# A\n\nno newline at the end"
    assert rewritten(text, "x.md", printer) == text
    assert not list(stale(text, "x.md", printer))


@pytest.fixture
def checkout(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with records, and blocks in two files and in one that does not count."""
    shutil.copytree(stored, tmp_path / "results/x")
    block = text_of(
        "# Two", "", "<!-- generated: fer-bench report --results results/x --table 2 -->"
    )
    block += text_of(END, "behind")
    (tmp_path / "README.md").write_text(block)
    (tmp_path / "docs/deep").mkdir(parents=True)
    (tmp_path / "docs/deep/page.md").write_text(block.replace("--table 2", "--table 1"))
    (tmp_path / "results/runs").mkdir()
    (tmp_path / "results/runs/notes.md").write_text(BEGIN)
    monkeypatch.setattr("generated_blocks.ROOT", tmp_path)
    return tmp_path


def test_the_command_compares_and_writes(
    checkout: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_BENCH_RESULTS", "/nowhere")
    monkeypatch.setenv("FER_BENCH_DATASET", "nothing")
    runner = CliRunner()
    before = runner.invoke(main, [])
    assert before.exit_code == 1
    assert "README.md:4: fer-bench report --results results/x --table 2\n" in before.output
    assert "docs/deep/page.md:4: fer-bench" in before.output
    assert "prints: **FERPlus (Table 2 of the paper, measured)" in before.output
    assert "'make docs'" in before.output

    done = runner.invoke(main, ["--write"])
    assert done.output == "wrote README.md\nwrote docs/deep/page.md\n"
    text = (checkout / "README.md").read_text()
    report = printed(["report", "--results", str(stored), "--table", "2"], checkout)
    opening = "<!-- generated: fer-bench report --results results/x --table 2 -->"
    assert text == f"# Two\n\n{opening}\n{report}{END}\nbehind\n"
    assert list(markdown_rows(text)) == list(markdown_rows(report)), (
        "it renders between the markers"
    )

    again = runner.invoke(main, ["--write"])
    assert (again.exit_code, again.output) == (0, "")
    assert runner.invoke(main, []).exit_code == 0


def test_a_command_that_fails_changes_no_file(checkout: Path) -> None:
    page = checkout / "docs/deep/page.md"
    page.write_text(page.read_text().replace("results/x", "results/none"))
    before = (checkout / "README.md").read_text()
    done = CliRunner().invoke(main, ["--write"])
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith("docs/deep/page.md:3: fer-bench report --results")
    assert "no results in results/none" in str(done.exception)
    assert (checkout / "README.md").read_text() == before


def test_wrong_usage_is_refused_too(checkout: Path) -> None:
    with pytest.raises(InputError, match="No such command 'nonsense'"):
        printed(["nonsense"], checkout)
    with pytest.raises(InputError, match="No such option"):
        printed(["report", "--nonsense"], checkout)


def test_pages_beside_records_are_compared_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = CliRunner()
    monkeypatch.setattr("generated_blocks.ROOT", tmp_path)
    (tmp_path / "README.md").write_text("")
    store = tmp_path / "results/x"
    Store(store).add(*made_record("cb"))
    page = store / "report.html"
    page.write_text("another page")
    before = runner.invoke(main, [])
    assert before.exit_code == 1
    assert "results/x/report.html:1: its records say otherwise\n'make docs'" in before.output
    assert runner.invoke(main, ["--write"]).output == "wrote results/x/report.html\n"
    assert runner.invoke(main, []).exit_code == 0
    out = tmp_path / "other.html"
    printed(["report", "--results", str(store), "--page", str(out)], tmp_path)
    assert page.read_text() == out.read_text()
    drawn = page.read_text().replace("<path ", "<path  ")
    assert drawn != page.read_text()
    page.write_text(drawn)
    assert runner.invoke(main, []).exit_code == 0, "drawings are those of another Matplotlib"
