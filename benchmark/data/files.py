"""Finding and reading a dataset's files: every fault becomes one InputError line."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmark.data.source import Mark
from benchmark.errors import InputError


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


def subfolders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted, without hidden ones."""
    with _scan(folder) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(".")]
    return sorted(name for name in names if os.path.isdir(folder / name))


def find_below(name: str, root: Path, wanted: str) -> str | None:
    """Find a file or folder in the root or one folder further down.

    Args:
        name: the dataset, for messages.
        root: where to look.
        wanted: its name, which may hold slashes.

    Returns:
        Its path relative to the root with forward slashes, or None.

    Raises:
        InputError: it stands in several subfolders, so which one is meant is unknown.
    """
    # os.path takes what may not be looked into, such as lost+found, for absent.
    if os.path.exists(root / wanted):
        return wanted
    below = (f"{sub}/{wanted}" for sub in subfolders(root))
    found = [name for name in below if os.path.exists(root / name)]
    if len(found) > 1:
        raise InputError(
            f"{name}: {root} holds {' and '.join(found)}; point --data-root at one of the folders"
        )
    return found[0] if found else None


def list_files(root: Path, folder: str) -> dict[str, Mark]:
    """Return the regular files of one folder (not its subfolders) by their name below the root.

    One walk of ``os.scandir``, so that tens of thousands of files take a fraction of a second.
    Hidden files are left out.

    Raises:
        InputError: the folder cannot be listed, or a link leads outside the root.
    """
    prefix = f"{folder}/" if folder else ""
    files = {}
    _check_inside(root, folder)
    with _scan(root / folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                _check_inside(root, prefix + entry.name)
            try:
                if not entry.is_file():
                    continue
                stat = entry.stat()
            except OSError as error:
                raise InputError(
                    f"{root / prefix / entry.name} cannot be read ({error.strerror})"
                ) from None
            files[prefix + entry.name] = Mark(stat.st_size, stat.st_mtime_ns)
    return files


def mark_file(root: Path, name: str) -> dict[str, Mark]:
    """Return one file in the form of :func:`list_files`.

    Raises:
        InputError: it cannot be found, or is a link that leads outside the root.
    """
    _check_inside(root, name)
    try:
        stat = (root / name).stat()
    except OSError as error:
        raise InputError(f"{root / name}: {error.strerror}") from None
    return {name: Mark(stat.st_size, stat.st_mtime_ns)}


def _check_inside(root: Path, name: str) -> None:
    """Refuse links that lead outside: an unpacked archive must not reach other files."""
    try:
        target = (root / name).resolve()
        inside = target.is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # a loop of links, or no right to follow
        raise InputError(f"{root / name} cannot be followed ({error})") from None
    if not inside:
        raise InputError(
            f"{root / name} is a link that leads outside {root}, to {target}; copy what it leads "
            "to, or point --data-root at the folder that holds all files"
        )


def bare_name(name: str, where: str) -> str:
    """Return a file name that a label file gives, if it stays in the folder it belongs to.

    Raises:
        InputError: it is empty or holds a separator, a drive, ``..`` or a control character.
    """
    bad = name in ("", ".", "..") or any(c in "/\\:" or not c.isprintable() for c in name)
    if bad:
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


def _scan(folder: Path) -> os._ScandirIterator[str]:
    try:
        return os.scandir(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be listed ({error.strerror})") from None
