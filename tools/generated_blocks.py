"""Blocks of documentation that a command prints: compared with the records, or written anew.

A block in README.md, or in a Markdown file below docs/ or results/, looks like

    <!-- generated: fer-bench report --results results/x --table 2 -->
    what exactly this command prints
    <!-- end generated -->

``python tools/generated_blocks.py`` compares all blocks, with ``--write`` it writes them anew.
Markers begin their line; those in fenced or indented code are text. The pages beside stored cells
are compared and written with them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path

import click

from benchmark.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("docs", "results")
RUNS = Path("results/runs")
"""Where runs leave their records; nobody writes documentation there."""

OPENING = re.compile(r"<!-- generated: (\S.*?) -->\s*")
CLOSING = re.compile(r"<!-- end generated -->\s*")
NEARLY = re.compile(r" {0,3}<!--\s*(end\s+)?generated\b", re.IGNORECASE)
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")

Printer = Callable[[Sequence[str]], str]
"""Returns what ``fer-bench`` prints, called with these arguments."""


@dataclass(frozen=True)
class Block:
    """One block of a text.

    Attributes:
        command: as it stands in the marker.
        arguments: its words behind ``fer-bench``.
        line: of the opening marker, from 1.
        body: the lines between the markers.
    """

    command: str
    arguments: tuple[str, ...]
    line: int
    body: tuple[str, ...]


def parse(text: str, where: str) -> list[Block]:
    """Return the blocks of a Markdown text.

    Raises:
        InputError: a marker that is misspelt or has no counterpart, or a command that is refused;
            the message begins with ``where`` and the line.
    """
    blocks: list[Block] = []
    fence = ""
    start: tuple[int, str] | None = None
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if start is None and _is_fenced(line, fence):
            fence = _next_fence(line, fence)
        elif opening := OPENING.fullmatch(line):
            if start is not None:
                raise InputError(f"{where}:{start[0]}: {_UNTERMINATED}")
            start = number, opening[1]
        elif CLOSING.fullmatch(line):
            if start is None:
                raise InputError(f"{where}:{number}: ends a generated block that nothing begins")
            first, command = start
            words = _words(command, f"{where}:{first}")
            blocks.append(Block(command, words, first, tuple(lines[first : number - 1])))
            start = None
        elif NEARLY.match(line):
            raise InputError(f"{where}:{number}: {_MISSPELT}")
    if start is not None:
        raise InputError(f"{where}:{start[0]}: {_UNTERMINATED}")
    return blocks


_UNTERMINATED = "the generated block has no '<!-- end generated -->'"
_MISSPELT = (
    "not a marker; write '<!-- generated: fer-bench ... -->' or '<!-- end generated -->' on a line "
    "of its own"
)


def _is_fenced(line: str, fence: str) -> bool:
    """Whether a line begins, ends or stands in fenced code."""
    return bool(fence) or FENCE.match(line) is not None


def _next_fence(line: str, fence: str) -> str:
    """Return the fence that is open behind a line, empty for none."""
    match = FENCE.match(line)
    if not fence:
        return match[1] if match else ""
    closes = match and match[1].startswith(fence) and not match[2].strip()
    return "" if closes else fence


def _words(command: str, where: str) -> tuple[str, ...]:
    """Return the words behind ``fer-bench``."""
    try:
        program, *arguments = shlex.split(command)
    except ValueError as error:
        raise InputError(f"{where}: {command}: {error}") from error
    if program != "fer-bench" or not arguments:
        raise InputError(f"{where}: {command}: only a command of fer-bench fills a block")
    formats = [
        value
        for word, following in zip_longest(arguments, arguments[1:], fillvalue="")
        for option, equals, joined in [word.partition("=")]
        if option == "--format"
        for value in [joined if equals else following]
    ]
    if any(value != "markdown" for value in formats):
        raise InputError(f"{where}: {command}: a block holds Markdown; use --format markdown")
    return tuple(arguments)


def rewritten(text: str, where: str, printer: Printer) -> str:
    """Return the text with every block as its command prints it now.

    Raises:
        InputError: see :func:`parse`, or a command fails.
    """
    lines = text.splitlines(keepends=True)
    for block in reversed(parse(text, where)):
        fresh = _fresh(block, where, printer)
        lines[block.line : block.line + len(block.body)] = [f"{line}\n" for line in fresh]
    return "".join(lines)


def stale(text: str, where: str, printer: Printer) -> Iterator[str]:
    """Yield for each block that disagrees with its command where, which, and the first line.

    Raises:
        InputError: see :func:`rewritten`.
    """
    for block in parse(text, where):
        pairs = zip_longest(_fresh(block, where, printer), block.body)
        for number, (fresh, found) in enumerate(pairs, block.line + 1):
            if fresh != found:
                yield (
                    f"{where}:{number}: {block.command}\n"
                    f"  prints: {_shown(fresh)}\n  found:  {_shown(found)}"
                )
                break


def _fresh(block: Block, where: str, printer: Printer) -> list[str]:
    try:
        return printer(block.arguments).splitlines()
    except InputError as error:
        raise InputError(f"{where}:{block.line}: {block.command}: {error}") from error


def _shown(line: str | None) -> str:
    return "(nothing)" if line is None else line


def printed(arguments: Sequence[str], root: Path) -> str:
    """Return what the command line prints, called in ``root`` with nothing set in the environment.

    Raises:
        InputError: it ends with anything but success.
    """
    from click.testing import CliRunner

    from benchmark.cli import cli

    unset = dict.fromkeys(name for name in os.environ if name.startswith("FER_BENCH_"))
    with contextlib.chdir(root):
        runner = CliRunner(env={**unset, "COLUMNS": "100"})
        done = runner.invoke(cli, arguments, prog_name="fer-bench")
    if isinstance(done.exception, Exception) and not isinstance(done.exception, InputError):
        raise done.exception
    if done.exit_code != 0:
        raise InputError(f"{done.exception or ''} {done.output}".strip())
    return done.stdout


def documents(root: Path) -> dict[str, str]:
    """Return the texts that may hold blocks, by their path below ``root``."""
    paths = [root / "README.md"]
    for folder in FOLDERS:
        paths += sorted((root / folder).rglob("*.md"))
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in paths
        if path.is_file() and not path.is_relative_to(root / RUNS)
    }


@click.command()
@click.option("--write", is_flag=True, help="Write the blocks anew instead of comparing them.")
def main(write: bool) -> None:
    """Compare the generated blocks and pages of the documentation with what commands print."""
    from generated_pages import stale_pages, write_pages

    texts, printer = documents(ROOT), partial(printed, root=ROOT)
    if not write:
        found = [line for name, text in texts.items() for line in stale(text, name, printer)]
        found += stale_pages(ROOT)
        if found:
            raise click.ClickException("\n".join([*found, "'make docs' writes the blocks anew"]))
        return
    # All commands run before any file is written: one that fails leaves everything as it is.
    fresh = {name: rewritten(text, name, printer) for name, text in texts.items()}
    for name, text in fresh.items():
        if text != texts[name]:
            (ROOT / name).write_text(text, encoding="utf-8")
            click.echo(f"wrote {name}")
    for name in write_pages(ROOT):
        click.echo(f"wrote {name}")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
