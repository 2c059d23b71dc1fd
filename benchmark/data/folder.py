"""Any dataset in folders: ``train/<class>/`` and ``test/<class>/``, if need be ``val/<class>/``.

They stand in the root or one folder further down, in small letters, capitals, or with a capital.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Sequence
from os.path import lexists
from pathlib import Path

import numpy as np

from benchmark.data.dataset import EMOTIONS, Part
from benchmark.data.decode import SUFFIXES, Mode
from benchmark.data.files import bare_name, read_lines, seen, unfit
from benchmark.data.pictures import PictureFiles, common_form
from benchmark.data.source import Index, Mark, Source
from benchmark.data.tree import Images, Tree
from benchmark.errors import InputError
from benchmark.words import count

NAME = "folder"
MAP_FILE = "classes.txt"
SIDES = (16, 1024)
"""The bounds of ``resize``: those of the protocol's image size."""
PART_FOLDERS = {
    Part.TRAIN: ("train",),
    Part.VALIDATION: ("val", "valid", "validation"),
    Part.TEST: ("test",),
}

_PART_NAMES = frozenset(name for names in PART_FOLDERS.values() for name in names)
_MOST_NAMED = 10  # folders in a message

# Words that people name the folders of the seven emotions by.
_SAME_EMOTION = {
    "happy": "happiness",
    "surprised": "surprise",
    "sad": "sadness",
    "angry": "anger",
    "afraid": "fear",
    "fearful": "fear",
    "disgusted": "disgust",
}


def class_order(folders: Iterable[str]) -> list[str]:
    """Sort class folders: emotions as the paper does, numbers by value, anything else by name."""
    folders = sorted(folders)
    emotions = {f: _SAME_EMOTION.get(f.lower(), f.lower()) for f in folders}
    if all(emotion in EMOTIONS for emotion in emotions.values()):
        return sorted(folders, key=lambda f: EMOTIONS.index(emotions[f]))
    if all(f.isascii() and f.isdigit() for f in folders):
        return sorted(folders, key=int)
    return folders


def parse_classes(lines: Iterable[str], folders: Container[str] = ()) -> dict[str, str]:
    """Parse ``classes.txt``: a class a line, in the order of the columns.

    A line is one of ``folder``, whose class is called like it; ``folder name``, parted by the first
    space; and ``folder = name``, or with a tab for the equals sign, where the folder may hold
    spaces too. A line that as a whole is the name of a class folder is always the first of these.
    Blank lines and lines that start with ``#`` are left out.

    Args:
        lines: of the file.
        folders: the class folders of the training set.

    Returns:
        Class name by folder, in order.

    Raises:
        InputError: the line that is wrong.
    """
    names: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        at = f"{NAME}: {MAP_FILE} line {number}"
        first, name = _folder_and_name(line, folders)
        folder = bare_name(first, at)
        if name in ("", "="):
            raise InputError(f"{at}: folder '{folder}' has no class name after it")
        if fault := unfit(name):
            raise InputError(f"{at}: class {name!r} {fault}; correct the line")
        if folder in names or seen(name) in map(seen, names.values()):
            raise InputError(f"{at}: folder '{folder}' or class '{name}' stands there twice")
        names[folder] = name
    if len(names) < 2:
        named = count(len(names), "class", "classes")
        raise InputError(f"{NAME}: {MAP_FILE} names {named}; at least two are needed")
    return names


def _folder_and_name(line: str, folders: Container[str]) -> tuple[str, str]:
    if line in folders:
        return line, line
    for separator in ("\t", " = ", " "):
        folder, found, name = line.partition(separator)
        if found:
            return folder.strip(), " ".join(name.split())
    return line, line


def find(root: Path | str | None, *, resize: int | None = None) -> Source:
    """Find a dataset in folders.

    Args:
        root: the folder.
        resize: height and width that every image is brought to; None: all are as large as the
            first.

    Raises:
        InputError: a folder is missing, or a class has no images for training or testing, or the
            size is out of bounds.
    """
    if resize is not None and not SIDES[0] <= resize <= SIDES[1]:
        raise InputError(f"--resize {resize}: must be from {SIDES[0]} to {SIDES[1]} pixels")
    tree = Tree(NAME, root)
    base = _base(tree)
    tree.check_folders(base.rstrip("/"), _PART_NAMES, "a part of the set")
    train, test = (_part_folder(tree, base, part) for part in (Part.TRAIN, Part.TEST))
    validation = _part_folder(tree, base, Part.VALIDATION)
    if train is None or test is None:
        raise _no_part(tree, base, validation)
    names, files = _class_names(tree, base, train)
    named_by = MAP_FILE if files else "train"
    faulty: dict[str, str] = {}
    images: list[tuple[Part, int, str]] = []
    for part, place in zip(Part, (train, validation, test), strict=True):
        if place is None:
            continue
        _check_classes(tree, place, names, named_by)
        for label, folder in enumerate(names):
            found = _class_images(tree, part, place, folder)
            files |= found.files
            faulty |= found.faulty
            images += [(part, label, name) for name in sorted((*found.files, *found.faulty))]

    def read() -> Index:
        return _read_index(tree.root, files, faulty, images, names, resize)

    form = "" if resize is None else f"resized to {resize}"
    return Source(
        NAME,
        tree.root,
        files,
        read,
        faulty,
        tree.notes(),
        form,
        has_validation=any(part == Part.VALIDATION for part, _, _ in images),
    )


def _base(tree: Tree) -> str:
    """Return what stands before the parts' folders: nothing, or a folder and a slash."""
    if _named(tree, "", Part.TRAIN):
        return ""
    spellings = [s for n in PART_FOLDERS[Part.TRAIN] for s in (n, n.capitalize(), n.upper())]
    # os.path, as a folder that may not be looked into holds nothing that is wanted.
    below = [
        folder
        for folder in tree.folders()
        if any(os.path.isdir(tree.root / folder / spelling) for spelling in spellings)
    ]
    if len(below) > 1:
        raise InputError(
            f"{NAME}: {tree.root} holds a training set in {' and in '.join(below)}; point "
            "--data-root at one of the folders"
        )
    return f"{below[0]}/" if below else ""


def _named(tree: Tree, base: str, part: Part) -> list[str]:
    found = tree.folders(base.rstrip("/"))
    return [folder for folder in found if folder.lower() in PART_FOLDERS[part]]


def _part_folder(tree: Tree, base: str, part: Part) -> str | None:
    found = _named(tree, base, part)
    if len(found) > 1:
        raise InputError(
            f"{NAME}: {tree.root / base} holds both {' and '.join(found)}; keep one of them"
        )
    return base + found[0] if found else None


def _no_part(tree: Tree, base: str, validation: str | None) -> InputError:
    """Say which of the two needed parts is missing, what stands there, and what would help."""
    train = _named(tree, base, Part.TRAIN)
    missing, there = ("test", "") if train else ("train", ", here or one folder further down")
    held = ", ".join(tree.folders(base.rstrip("/"))[:_MOST_NAMED])
    text = (
        f"{NAME}: {tree.root / base} has no folder '{missing}'{there}; expected train/<class>/ and "
        f"test/<class>/ with the images; it holds {f'the folders {held}' if held else 'no folders'}"
    )
    if train and validation is not None:
        text += f"; to measure on the images of {validation}, rename it to test"
    return InputError(text)


def _class_names(tree: Tree, base: str, train: str) -> tuple[dict[str, str], dict[str, Mark]]:
    """Return the class names by folder, in order, and the file that gave them, if one did."""
    folders = tree.classes(train)
    maps = [p for p in dict.fromkeys((base + MAP_FILE, MAP_FILE)) if lexists(tree.root / p)]
    if len(maps) > 1:
        raise InputError(f"{NAME}: {tree.root} holds both {' and '.join(maps)}; keep one of them")
    if maps:
        files = tree.file(maps[0])
        lines = read_lines(tree.root / maps[0], f"{NAME}: {MAP_FILE}")
        return parse_classes(lines, folders), files
    if len(folders) < 2:
        raise InputError(
            f"{NAME}: {tree.root / train} holds {count(len(folders), 'class folder')}; at least "
            "two are needed"
        )
    _check_folder_names(folders)
    return {folder: folder for folder in class_order(folders)}, {}


def _check_folder_names(folders: Iterable[str]) -> None:
    """Refuse names of classes that a table could not show, or not tell apart."""
    remedy = f"rename it, or name its class in {MAP_FILE}"
    alike: dict[str, str] = {}
    for folder in folders:
        if folder != folder.strip():
            raise InputError(
                f"{NAME}: class folder {folder!r} begins or ends in white space, which no table "
                f"shows; {remedy}"
            )
        other = alike.setdefault(seen(folder), folder)
        if other != folder:
            raise InputError(
                f"{NAME}: class folders {other!a} and {folder!a} look the same in a table; {remedy}"
            )


def _check_classes(tree: Tree, place: str, names: dict[str, str], known: str) -> None:
    unknown = [folder for folder in tree.classes(place) if folder not in names]
    if unknown:
        raise InputError(
            f"{NAME}: {place}/{unknown[0]} is a class that {known} does not have; its classes are "
            f"{', '.join(names)}"
        )


def _class_images(tree: Tree, part: Part, place: str, folder: str) -> Images:
    """Return the images of one class in one part; only a validation set may lack a class."""
    path = f"{place}/{folder}"
    found = tree.images(path) if (tree.root / path).is_dir() else Images({}, {})
    if part != Part.VALIDATION and not any(found):
        deeper = (tree.root / path).is_dir() and tree.folders(path)
        hint = f"; those in folders below it, such as {deeper[0]}, are not read" if deeper else ""
        raise InputError(
            f"{NAME}: {path} holds no images ({', '.join(SUFFIXES)}){hint}; every class needs "
            "images in train and in test"
        )
    return found


def _read_index(
    root: Path,
    files: dict[str, Mark],
    faulty: dict[str, str],
    images: Sequence[tuple[Part, int, str]],
    names: dict[str, str],
    resize: int | None,
) -> Index:
    paths = tuple(name for _, _, name in images)
    form = common_form(root, paths)
    if form is None:
        raise InputError(
            f"{NAME}: none of the {len(paths)} files can be read as an image, {paths[0]} first; "
            "copy the images anew"
        )
    size, mode = form
    return Index(
        classes=tuple(names.values()),
        labels=np.array([label for _, label, _ in images], dtype=np.int64),
        parts=np.array([part for part, _, _ in images], dtype=np.int8),
        sources=paths,
        pixels=_pixels(root, paths, files, faulty, mode, size, resize),
        notes=_resize_notes(resize),
    )


def _pixels(
    root: Path,
    paths: tuple[str, ...],
    files: dict[str, Mark],
    faulty: dict[str, str],
    mode: Mode,
    size: tuple[int, int],
    resize: int | None,
) -> PictureFiles:
    if resize is not None:
        return PictureFiles(root, paths, files, mode, (resize, resize), faulty, resize=True)
    remedy = "pass --resize N to bring every image to N x N pixels"
    return PictureFiles(root, paths, files, mode, size, faulty, other_size=remedy)


def _resize_notes(resize: int | None) -> tuple[str, ...]:
    if resize is None:
        return ()
    return (
        f"--resize {resize}: every image is brought to {resize}x{resize} pixels (bilinear, without "
        "aliasing where it shrinks; width and height each on its own, nothing is cut off)",
    )
