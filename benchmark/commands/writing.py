"""Where a command's answer goes: the terminal, or files that are written in one rename each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.encoding import encoded
from benchmark.errors import InputError
from benchmark.words import count
from benchmark.write import put_file

if TYPE_CHECKING:
    from benchmark.report.forms import Form
    from benchmark.report.sheet import Table


def write_tables(tables: Sequence[Table], form: Form, out: Path | None) -> None:
    """Print tables in a form, or write them to a file.

    Raises:
        InputError: the file cannot be written, or the form cannot say these tables.
    """
    from benchmark.report.forms import FILE, standard_output

    write_out(form.write(tables, standard_output() if out is None else FILE), out)


def write_out(text: str, out: Path | None) -> None:
    """Print the text, or write it to a file in one rename.

    Raises:
        InputError: the file cannot be written.
    """
    if out is None:
        click.echo(text, nl=False)
        return
    write_bytes(encoded(click.unstyle(text)), out)


def begin_folder(folder: Path) -> None:
    """Make a folder for what takes long to work out.

    Raises:
        InputError: it cannot be written.
    """
    with _told(folder, "--out"):
        folder.mkdir(parents=True, exist_ok=True)


def write_files(
    files: Mapping[str, str], folder: Path, start: str = "start at index.html or index.md"
) -> None:
    """Write texts into a folder by name, each in one rename; what else is there stays.

    Raises:
        InputError: the folder or a file cannot be written.
    """
    for name, text in files.items():
        _write(encoded(click.unstyle(text)), folder / name)
    told = f"; {start}" if start else ""
    click.echo(f"wrote {count(len(files), 'file')} into {folder}{told}", err=True)


def write_text(text: str, out: Path, option: str) -> None:
    """Write a text to the file that an option names, in one rename, and say so.

    Raises:
        InputError: the file cannot be written.
    """
    _write(encoded(text), out, option)
    click.echo(f"wrote {out}", err=True)


def write_bytes(data: bytes, out: Path) -> None:
    """Write a file in one rename and say so.

    Raises:
        InputError: the file cannot be written.
    """
    _write(data, out)
    click.echo(f"wrote {out}", err=True)


def _write(data: bytes, out: Path, option: str = "--out") -> None:
    with _told(out, option):
        out.parent.mkdir(parents=True, exist_ok=True)
        put_file(out, data)


@contextlib.contextmanager
def _told(out: Path, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{option} {out}: cannot be written ({error.strerror})") from error
