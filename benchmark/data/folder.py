"""Any dataset in folders: ``train/<class>/`` and ``test/<class>/``, if need be ``val/<class>/``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmark.data.dataset import EMOTIONS, Part
from benchmark.data.decode import SUFFIXES, Mode
from benchmark.data.files import (
    bare_name,
    check_root,
    list_files,
    mark_file,
    read_lines,
    subfolders,
)
from benchmark.data.pictures import PictureFiles, common_form
from benchmark.data.source import Index, Mark, Source
from benchmark.errors import InputError

NAME = "folder"
MAP_FILE = "classes.txt"
SIDES = (16, 1024)
"""The bounds of ``resize``: those of the protocol's image size."""
PART_FOLDERS = {
    Part.TRAIN: ("train",),
    Part.VALIDATION: ("val", "validation"),
    Part.TEST: ("test",),
}

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


def parse_classes(lines: Iterable[str]) -> dict[str, str]:
    """Parse ``classes.txt``: a folder and its class's name a line, in the order of the columns.

    Blank lines and lines that start with ``#`` are left out. Names may hold spaces, folders not.

    Returns:
        Class name by folder, in order.

    Raises:
        InputError: the line that is wrong.
    """
    names: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        words = line.split(maxsplit=1)
        if not words or words[0].startswith("#"):
            continue
        at = f"{NAME}: {MAP_FILE} line {number}"
        if len(words) != 2:
            raise InputError(f"{at}: expected a folder and the name of its class")
        folder, name = bare_name(words[0], at), " ".join(words[1].split())
        if folder in names or name in names.values():
            raise InputError(f"{at}: folder '{folder}' or class '{name}' stands there twice")
        names[folder] = name
    if len(names) < 2:
        raise InputError(f"{NAME}: {MAP_FILE} names {len(names)} classes; at least two are needed")
    return names


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
    root = check_root(NAME, root)
    parts = {part: _part_folder(root, part) for part in Part}
    files: dict[str, Mark] = {}
    names: dict[str, str] = {}
    if (root / MAP_FILE).exists():
        files |= mark_file(root, MAP_FILE)
        names = parse_classes(read_lines(root / MAP_FILE, f"{NAME}: {MAP_FILE}"))
    else:
        train = parts[Part.TRAIN]
        assert train is not None
        names = {folder: folder for folder in class_order(subfolders(root / train))}
        if len(names) < 2:
            raise InputError(
                f"{NAME}: {root / train} holds {len(names)} class folders; at least two are needed"
            )
    images: list[tuple[Part, int, str]] = []
    for part, base in parts.items():
        if base is not None:
            _check_classes(root, base, names)
            for label, folder in enumerate(names):
                found = _class_files(root, part, base, folder)
                files |= found
                images += [(part, label, name) for name in sorted(found) if _is_image(name)]
    form = "" if resize is None else f"resized to {resize}"
    return Source(NAME, root, files, lambda: _read_index(root, files, images, names, resize), form)


def _part_folder(root: Path, part: Part) -> str | None:
    found = [folder for folder in PART_FOLDERS[part] if (root / folder).is_dir()]
    if len(found) > 1:
        raise InputError(f"{NAME}: {root} holds both {' and '.join(found)}; keep one of them")
    if not found and part != Part.VALIDATION:
        raise InputError(
            f"{NAME}: {root} has no folder '{PART_FOLDERS[part][0]}'; expected train/<class>/ and "
            "test/<class>/ with the images"
        )
    return found[0] if found else None


def _check_classes(root: Path, base: str, names: dict[str, str]) -> None:
    unknown = [folder for folder in subfolders(root / base) if folder not in names]
    if unknown:
        known = MAP_FILE if (root / MAP_FILE).exists() else "train"
        raise InputError(
            f"{NAME}: {base}/{unknown[0]} is a class that {known} does not have; its classes are "
            f"{', '.join(names)}"
        )


def _class_files(root: Path, part: Part, base: str, folder: str) -> dict[str, Mark]:
    """Return the files of one class in one part; only a validation set may lack a class."""
    place = f"{base}/{folder}"
    found = list_files(root, place) if (root / place).is_dir() else {}
    if part != Part.VALIDATION and not any(map(_is_image, found)):
        raise InputError(
            f"{NAME}: {place} holds no images ({', '.join(SUFFIXES)}); every class needs images in "
            "train and in test"
        )
    return found


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _read_index(
    root: Path,
    files: dict[str, Mark],
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
    surplus = len(files) - len(paths) - (MAP_FILE in files)
    notes = (f"{surplus} files that are no images by their ending were left out",)
    return Index(
        classes=tuple(names.values()),
        labels=np.array([label for _, label, _ in images], dtype=np.int64),
        parts=np.array([part for part, _, _ in images], dtype=np.int8),
        sources=paths,
        pixels=_pixels(root, paths, files, mode, size, resize),
        notes=(*(notes if surplus else ()), *_resize_notes(resize)),
    )


def _pixels(
    root: Path,
    paths: tuple[str, ...],
    files: dict[str, Mark],
    mode: Mode,
    size: tuple[int, int],
    resize: int | None,
) -> PictureFiles:
    if resize is not None:
        return PictureFiles(root, paths, files, mode, (resize, resize), resize=True)
    remedy = "pass --resize N to bring every image to N x N pixels"
    return PictureFiles(root, paths, files, mode, size, other_size=remedy)


def _resize_notes(resize: int | None) -> tuple[str, ...]:
    if resize is None:
        return ()
    return (
        f"--resize {resize}: every image is brought to {resize}x{resize} pixels (bilinear, without "
        "aliasing where it shrinks; width and height each on its own, nothing is cut off)",
    )
