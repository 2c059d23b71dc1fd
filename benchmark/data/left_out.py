"""Notes of what was left out of a dataset's folder: counted by reason, a line each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from benchmark.errors import escaped
from benchmark.words import count

MOST_COUNTED = 10_000
"""Entries looked at in folders that are left out: a root may stand above anything."""

_MOST_NAMED = 5  # of folders or endings in one note
_LONGEST_ENDING = 10
_LEFT_OUT = " left out: "


def is_left_out_note(note: str) -> bool:
    """Return whether a dataset's note says what was left out."""
    return note[:1].isdigit() and _LEFT_OUT in note


def unnamed_note(files: Iterable[str], named: Container[str], labels: str) -> list[str]:
    """Return a note of the files that a label file does not name, if there are any."""
    endings = Counter(ending(path) for path in files if path not in named)
    note = endings_note(endings, f"not named by {escaped(labels)}")
    return [note] if note else []


def ending(path: str) -> str:
    """Return the ending of a file's name as a note gives it."""
    found = os.path.splitext(path)[1].lower()
    return escaped(found[:_LONGEST_ENDING]) or "no ending"


def folders_note(root: Path, paths: Sequence[str], reason: str) -> str:
    """Return a note of folders with their names and what they hold; empty for none."""
    if not paths:
        return ""
    files = _count_files([root / path for path in sorted(paths)])
    held = f"more than {MOST_COUNTED} entries" if files is None else count(files, "file")
    return named_note(paths, "folder", reason, f": {held}")


def named_note(paths: Sequence[str], noun: str, reason: str, more: str = "") -> str:
    """Return a note of things of one kind with the names of the first; empty for none."""
    names = ", ".join(escaped(path) for path in sorted(paths)[:_MOST_NAMED])
    rest = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return count_note(len(paths), noun, f"{reason} ({names}{rest}{more})")


def _count_files(folders: list[Path]) -> int | None:
    """Return the files in and below folders, or None if there are too many entries to look at."""
    waiting = [str(folder) for folder in reversed(folders) if not folder.is_symlink()]
    files = seen = 0
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    seen += 1
                    if seen > MOST_COUNTED:
                        return None
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        files += 1
        except OSError:  # it is left out anyway
            continue
    return files


def count_note(number: int, noun: str, reason: str) -> str:
    """Return a note of so many things of one kind; empty for none."""
    return f"{count(number, noun)}{_LEFT_OUT}{reason}" if number else ""


def endings_note(endings: Counter[str], reason: str) -> str:
    """Return a note of files by the endings of their names; empty for none."""
    return count_note(endings.total(), "file", f"{reason} ({_most(endings)})")


def _most(endings: Counter[str]) -> str:
    """Name the commonest endings with their numbers; equal ones in alphabetical order."""
    ordered = sorted(endings.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _, number in ordered[_MOST_NAMED:])
    named = [f"{text} {number}" for text, number in ordered[:_MOST_NAMED]]
    return ", ".join([*named, *([f"other {rest}"] if rest else [])])
