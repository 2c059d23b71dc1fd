"""A dataset's root and its label files: every fault becomes one InputError line."""

from __future__ import annotations

import csv
import os
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmark.errors import InputError

_BLANK = "\u2800\u3164\uffa0\u115f\u1160"
"""Characters that no category calls blank: Braille's and Hangul's."""


def check_root(name: str, root: Path | str | None) -> Path:
    """Return the root as a path if it is a folder.

    Raises:
        InputError: none was given, it does not exist, or it is a file.
    """
    if root is None or not str(root):
        raise InputError(f"{name}: needs the folder of its files; pass --data-root DIR")
    path = Path(os.path.expanduser(root))
    if os.path.isdir(path):
        return path
    fault = "is a file, not a folder" if os.path.exists(path) else "does not exist"
    raise InputError(f"{name}: {path} {fault}; point --data-root at the dataset's folder")


def unfit(name: str) -> str | None:
    """Return why a name can be neither stored nor shown, or None if it can.

    As the rest of a sentence that starts with the name.
    """
    kinds = {unicodedata.category(letter) for letter in name}
    if "Cs" in kinds:  # what Python makes of bytes that are no UTF-8
        return "has a name that is not UTF-8"
    if kinds & {"Cc", "Zl", "Zp"}:
        return "has a name with a control character or line break"
    if not all(seen(piece) for piece in name.split("/") if piece):
        return "has a name without a visible character"
    return None


def seen(name: str) -> str:
    """Return what a reader sees of a name: two that look the same give the same.

    Characters without a width are left out, white space is one space between words, and letters
    with marks are composed.
    """
    if name.isascii():
        return " ".join(name.split())
    shown = (
        " " if letter in _BLANK else letter
        for letter in unicodedata.normalize("NFC", name)
        if unicodedata.category(letter) != "Cf"
    )
    return " ".join("".join(shown).split())


def bare_name(name: str, where: str) -> str:
    """Return a file name that a label file gives, if it stays in the folder it belongs to.

    Raises:
        InputError: it is empty or holds a separator, a drive, ``..`` or a control character.
    """
    bad = name in ("", ".", "..") or any(c in "/\\:" for c in name)
    if bad or unfit(name):
        raise InputError(
            f"{where}: {name!r} is not a plain file name and may lead outside the dataset's "
            "folder; correct the line or take the label file anew"
        )
    return name


def read_lines(path: Path, where: str) -> Iterator[str]:
    """Yield a text file's lines with their ends; a byte order mark is dropped.

    Raises:
        InputError: the file cannot be read or is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            yield from lines
    except UnicodeDecodeError:
        raise InputError(f"{where} is not a text file in UTF-8; take it anew") from None
    except OSError as error:
        raise InputError(f"{where} cannot be read ({error.strerror})") from None


def csv_rows(lines: Iterable[str], where: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number (from 1) and the stripped fields of each row that is not blank.

    Raises:
        InputError: the text is not CSV.
    """
    reader = csv.reader(lines)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{where} line {reader.line_num}: not CSV ({error})") from None
        if row:
            yield reader.line_num, [field.strip() for field in row]


def csv_columns(
    rows: Iterator[tuple[int, list[str]]],
    wanted: tuple[str, ...],
    where: str,
    optional: tuple[str, ...] = (),
) -> tuple[int, tuple[int, ...]]:
    """Read the header; return its number of fields and the places of the wanted columns.

    Those of the optional columns follow, -1 for one that is not there.

    Raises:
        InputError: there is no header, or a column is not in it.
    """
    header = next(rows, (0, []))[1]
    names = [field.lower() for field in header]
    missing = [column for column in wanted if column.lower() not in names]
    if missing:
        raise InputError(
            f"{where} line 1: the header has no column {', '.join(missing)}; "
            f"expected {', '.join(wanted)}"
        )
    places = (
        names.index(column.lower()) if column.lower() in names else -1
        for column in (*wanted, *optional)
    )
    return len(header), tuple(places)
