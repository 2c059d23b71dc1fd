"""What stands below a dataset's root: every file and folder is used, left out and told, or refused.

A loader asks a :class:`Tree` for all that it reads. What it did not ask for is left out, and
:meth:`Tree.notes` says so, counted by reason; so no loader can pass over anything in silence.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container, Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from benchmark.data.decode import is_image
from benchmark.data.files import check_root, unfit
from benchmark.data.left_out import count_note, ending, endings_note, folders_note, named_note
from benchmark.data.source import Mark
from benchmark.errors import InputError, escaped

SYSTEM = frozenset(
    (
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "@eadir",
        "$recycle.bin",
        "system volume information",
        "lost+found",
    )
)
"""Names, in small letters, that systems leave behind; so are all that begin with a dot."""


class Kind(Enum):
    """What a name in a folder leads to."""

    FILE = 1
    FOLDER = 2
    OTHER = 3  # a FIFO, a socket, a device
    NOTHING = 4  # a link whose target is missing


class Images(NamedTuple):
    """The images of one folder by their names below the root.

    Attributes:
        files: those that can be read.
        faulty: those that cannot be used whatever they hold, with the reason.
    """

    files: dict[str, Mark]
    faulty: dict[str, str]


class Tree:
    """A dataset's root and what a loader took from it.

    Attributes:
        name: the dataset, for messages.
        root: the folder that all names start from.

    Raises:
        InputError: no root was given, or it is no folder.
    """

    def __init__(self, name: str, root: Path | str | None) -> None:
        self.name = name
        self.root = check_root(name, root)
        self._listed: dict[str, dict[str, Kind]] = {}
        self._opened = {""}
        self._image_folders: set[str] = set()
        self._named_folders: set[str] = set()
        self._used: set[str] = set()

    def folders(self, folder: str = "") -> list[str]:
        """Return the names of the folders in a folder, sorted, without those of the system.

        Raises:
            InputError: the folder cannot be listed.
        """
        kinds = self._list(folder).items()
        return sorted(n for n, kind in kinds if kind is Kind.FOLDER and not of_system(n))

    def check_folders(self, folder: str, wanted: Container[str], what: str) -> None:
        """Refuse what is called like a folder that would be read, and is none.

        Args:
            folder: where.
            wanted: names, in small letters, of the folders that would be read.
            what: they are, for the message.

        Raises:
            InputError: a name leads nowhere, or to a file.
        """
        for name, kind in self._list(folder).items():
            if kind is not Kind.FOLDER and name.lower() in wanted:
                path = _join(folder, name)
                fault = (
                    f"is missing (it is a link to {escaped(os.readlink(self.root / path))})"
                    if kind is Kind.NOTHING
                    else "is no folder"
                )
                raise InputError(
                    f"{self.name}: {self.root / path}, by its name {what}, {fault}; restore it, "
                    "or rename or remove it"
                )

    def find(self, wanted: str) -> str | None:
        """Find a file or folder in the root or one folder further down.

        Args:
            wanted: its name, which may hold slashes.

        Returns:
            Its path relative to the root with forward slashes, or None.

        Raises:
            InputError: it stands in several subfolders, so which one is meant is unknown.
        """
        # os.path takes what may not be looked into, such as lost+found, for absent.
        if os.path.lexists(self.root / wanted):
            return wanted
        below = (f"{sub}/{wanted}" for sub in self.folders())
        found = [path for path in below if os.path.lexists(self.root / path)]
        if len(found) > 1:
            raise InputError(
                f"{self.name}: {self.root} holds {' and '.join(found)}; point --data-root at one "
                "of the folders"
            )
        return found[0] if found else None

    def classes(self, folder: str) -> list[str]:
        """Return the names of the class folders in a folder, sorted.

        Raises:
            InputError: a link among them leads nowhere, or a name cannot be stored.
        """
        self._open(folder)
        for name, kind in self._list(folder).items():
            if kind is Kind.NOTHING and not of_system(name):
                raise InputError(
                    f"{self.name}: {self.root / folder / name} is missing (it is a link to "
                    f"{os.readlink(self.root / folder / name)}); restore it or remove the link"
                )
        names = self.folders(folder)
        for name in names:
            self._check_name(f"{folder}/{name}")
        return names

    def images(self, folder: str) -> Images:
        """Take the files of one folder that are images by their ending.

        Raises:
            InputError: the folder cannot be listed, or a link leads outside the root.
        """
        self._open(folder)
        self._image_folders.add(folder)
        files, faulty = {}, {}
        for path, kind, mark in self._marked(folder):
            if not is_image(path):
                continue
            fault = unfit(path)
            if kind is Kind.NOTHING:
                faulty[path] = f"is missing (it is a link to {os.readlink(self.root / path)})"
            elif mark is not None and fault is not None:
                faulty[path] = f"{fault} (rename it)"
            elif mark is not None:
                files[path] = mark
        return Images(files, faulty)

    def named_files(self, folder: str) -> dict[str, Mark]:
        """Take all files of one folder; a label file names those that count.

        What it does not name is the loader's to tell, by
        :func:`benchmark.data.left_out.unnamed_note`.

        Raises:
            InputError: the folder cannot be listed, or a link leads outside the root.
        """
        self._open(folder)
        self._named_folders.add(folder)
        return {path: mark for path, _, mark in self._marked(folder) if mark is not None}

    def file(self, path: str) -> dict[str, Mark]:
        """Take one file, in the form of :meth:`named_files`.

        Raises:
            InputError: it is missing or no regular file, or a link leads outside the root.
        """
        self._open(path.rpartition("/")[0])
        self._check_name(path)
        check_inside(self.root, path)
        try:
            stat = (self.root / path).stat()
        except OSError as error:
            raise InputError(f"{self.root / path}: {error.strerror}") from None
        if not os.path.isfile(self.root / path):  # reading a FIFO would wait for ever
            raise InputError(
                f"{self.name}: {self.root / path} is no regular file; put the file in its place or "
                "remove it"
            )
        self._used.add(path)
        return {path: Mark.of(stat)}

    def passed_over(self, path: str) -> None:
        """Leave out a file or folder of which the loader itself or its description tells."""
        self._used.add(path)

    def notes(self) -> tuple[str, ...]:
        """Return what was left out, a line for each reason."""
        system = loose = 0
        endings: Counter[str] = Counter()
        unknown: list[str] = []
        nested: list[str] = []
        special: list[str] = []
        taken = self._image_folders | self._named_folders
        for folder, name, kind in self._left():
            if of_system(name):
                system += 1
            elif kind is Kind.FOLDER:
                (nested if folder in taken else unknown).append(_join(folder, name))
            elif kind is not Kind.FILE:
                special.append(_join(folder, name))
            elif is_image(name):
                loose += 1
            else:
                endings[ending(name)] += 1
        return tuple(
            note
            for note in (
                folders_note(self.root, unknown, "not used by the layout"),
                folders_note(self.root, nested, "below the folders whose images are read"),
                count_note(loose, "file", "images outside the folders of the classes"),
                endings_note(endings, "not an image by the ending"),
                named_note(special, "entry", "links that lead nowhere, or no regular files"),
                count_note(system, "entry", "hidden, or of the system"),
            )
            if note
        )

    def _open(self, folder: str) -> None:
        """Count a folder and those above it among the dataset's own."""
        check_inside(self.root, folder)
        while folder and folder not in self._opened:
            self._check_name(folder)
            self._opened.add(folder)
            folder = folder.rpartition("/")[0]

    def _check_name(self, path: str) -> None:
        fault = unfit(path)
        if fault is not None:
            raise InputError(
                f"{self.name}: {path} {fault}, so no record or table could hold it; rename it"
            )

    def _list(self, folder: str) -> dict[str, Kind]:
        """Return the kind of each entry of a folder; links are followed."""
        if folder not in self._listed:
            with scan(self.root / folder) as entries:
                self._listed[folder] = {entry.name: _kind(entry) for entry in entries}
        return self._listed[folder]

    def _marked(self, folder: str) -> Iterator[tuple[str, Kind, Mark | None]]:
        """Yield the entries of a folder but those of the system, with the marks of regular files.

        One walk of ``os.scandir``, so that tens of thousands of files take a fraction of a second.
        """
        kinds = self._listed.setdefault(folder, {})
        with scan(self.root / folder) as entries:
            for entry in entries:
                kind = kinds[entry.name] = _kind(entry)
                if of_system(entry.name):
                    continue
                path = _join(folder, entry.name)
                if entry.is_symlink() and kind in (Kind.FILE, Kind.OTHER):
                    check_inside(self.root, path)
                try:
                    mark = Mark.of(entry.stat()) if kind is Kind.FILE else None
                except OSError as error:
                    raise InputError(
                        f"{self.root / path} cannot be read ({error.strerror})"
                    ) from None
                yield path, kind, mark

    def _left(self) -> Iterator[tuple[str, str, Kind]]:
        """Yield folder, name and kind of all that nothing was taken from."""
        for folder in sorted(self._opened):
            for name, kind in self._list(folder).items():
                path = _join(folder, name)
                if path in self._used or path in self._opened:
                    continue
                image = kind in (Kind.FILE, Kind.NOTHING) and is_image(name)
                taken = (image and folder in self._image_folders) or (
                    kind is Kind.FILE and folder in self._named_folders
                )
                if of_system(name) or not taken:
                    yield folder, name, kind


def of_system(name: str) -> bool:
    """Return whether a file or folder is hidden or left behind by a system."""
    return name.startswith(".") or name.lower() in SYSTEM


def check_inside(root: Path, name: str) -> None:
    """Refuse links that lead outside: an unpacked archive must not reach other files.

    Raises:
        InputError: it leads outside, or cannot be followed.
    """
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


def scan(folder: Path) -> os._ScandirIterator[str]:
    """Begin to list a folder.

    Raises:
        InputError: it cannot be listed.
    """
    try:
        return os.scandir(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be listed ({error.strerror})") from None


def _kind(entry: os.DirEntry[str]) -> Kind:
    """Return what a name leads to.

    Raises:
        InputError: the system fails to say it.
    """
    try:
        if entry.is_dir():
            return Kind.FOLDER
        if entry.is_file():
            return Kind.FILE
        return Kind.OTHER if os.path.exists(entry.path) else Kind.NOTHING
    except OSError as error:
        if entry.is_symlink():  # a loop of links
            return Kind.NOTHING
        raise InputError(f"{entry.path} cannot be read ({error.strerror})") from None


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
