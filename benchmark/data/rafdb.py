"""RAF-DB: Li et al., "Reliable Crowdsourcing and Deep Locality-Preserving Learning", CVPR 2017.

The single-label (basic) set with its aligned faces: as its authors hand it out, or in the copy that
circulates on Kaggle. Both give the same dataset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmark.data.dataset import Part
from benchmark.data.files import bare_name, read_lines
from benchmark.data.left_out import unnamed_note
from benchmark.data.pictures import PictureFiles
from benchmark.data.source import Index, Mark, Source
from benchmark.data.tree import Tree
from benchmark.errors import InputError, escaped

NAME = "raf-db"
CLASSES = ("happiness", "neutral", "sadness", "surprise", "disgust", "anger", "fear")
"""In the order of the columns of the paper's RAF-DB tables."""

CODES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""What the codes 1..7 of the label file and of the copy's folders stand for."""

MEANINGS = ", ".join(f"{code} {emotion}" for code, emotion in enumerate(CODES, start=1))

LABEL_FILES = ("EmoLabel/list_patition_label.txt", "EmoLabel/list_partition_label.txt")
IMAGE_FOLDER = "Image/aligned"

PARTS = {"train": Part.TRAIN, "test": Part.TEST}
SIDE = 100


class Entry(NamedTuple):
    """One image; entries sort by part and name, so that both layouts give the same order."""

    part: Part
    name: str  # without "_aligned"
    code: int
    where: str


def find(root: Path | str | None) -> Source:
    """Find RAF-DB in a folder or one folder further down.

    Raises:
        InputError: the root, the label file or the images are missing.
    """
    tree = Tree(NAME, root)
    labels = next((f for name in LABEL_FILES if (f := tree.find(name)) is not None), None)
    train = tree.find("train/1")
    if labels is not None:
        return _find_listed(tree, labels, ignored=train)
    if train is not None:
        return _find_folders(tree, train.removesuffix("train/1"))
    raise InputError(
        f"{NAME}: {tree.root} holds neither {LABEL_FILES[0]} nor train/1 to train/7 ({MEANINGS}), "
        "here or one folder further down; point --data-root at the folder that holds them"
    )


def _find_listed(tree: Tree, labels: str, *, ignored: str | None) -> Source:
    base = labels.rsplit("EmoLabel/", 1)[0]
    folder = base + IMAGE_FOLDER
    if not (tree.root / folder).is_dir():
        raise InputError(
            f"{NAME}: {tree.root} holds {labels} but no {folder}; unpack the aligned faces"
        )
    files = tree.named_files(folder) | tree.file(labels)
    notes: list[str] = []
    if ignored is not None:
        notes.append(f"images and labels are listed by {labels}; {escaped(ignored)} was not used")
        for part in PARTS:
            tree.passed_over(ignored.removesuffix("train/1") + part)
    where = f"{NAME}: {labels}"

    def read() -> Index:
        entries = sorted(parse_labels(read_lines(tree.root / labels, where), where))
        names = tuple(_image_file(folder, entry.name, files) for entry in entries)
        unnamed = unnamed_note(files, {labels, *names}, labels)
        return _index(tree.root, entries, names, files, tuple(unnamed))

    # What else lies there is no part of what is read, and may come and go.
    return Source(NAME, tree.root, files, read, notes=(*notes, *tree.notes()))


def parse_labels(lines: Iterable[str], where: str) -> list[Entry]:
    """Parse lines such as ``train_00001.jpg 5``.

    Raises:
        InputError: the line that is wrong.
    """
    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        at = f"{where} line {number}"
        if len(words) != 2:
            raise InputError(f"{at}: expected a name and a code such as 'train_00001.jpg 5'")
        name, code = bare_name(words[0], at), words[1]
        part = PARTS.get(name.split("_")[0])
        if part is None:
            raise InputError(f"{at}: {name!r} starts with neither 'train_' nor 'test_'")
        if code not in tuple("1234567"):
            raise InputError(f"{at}: code {code!r} is none of 1 to {len(CODES)}")
        if name in entries:
            raise InputError(f"{at}: {name} stood on {entries[name].where} already")
        entries[name] = Entry(part, name, int(code), f"line {number}")
    if not entries:
        raise InputError(f"{where} holds no lines; take the file anew")
    return list(entries.values())


def _image_file(folder: str, name: str, files: Mapping[str, Mark]) -> str:
    """Return the file of a listed image: the aligned one, or one that was renamed to the list."""
    stem, dot, suffix = name.rpartition(".")
    aligned = f"{folder}/{stem}_aligned{dot}{suffix}"
    plain = f"{folder}/{name}"
    return plain if plain in files and aligned not in files else aligned


def _find_folders(tree: Tree, base: str) -> Source:
    files: dict[str, Mark] = {}
    faulty: dict[str, str] = {}
    entries = []
    for part_name, part in PARTS.items():
        _check_folders(tree, base + part_name)
        for code in range(1, len(CODES) + 1):
            images = tree.images(f"{base}{part_name}/{code}")
            files |= images.files
            faulty |= images.faulty
            names = (*images.files, *images.faulty)
            entries += [Entry(part, _list_name(name), code, name) for name in names]
    entries.sort()

    def read() -> Index:
        for one, two in pairwise(entries):
            if one[:2] == two[:2]:
                raise InputError(
                    f"{NAME}: {one.where} and {two.where} are the same image; remove one of them"
                )
        names = tuple(entry.where for entry in entries)
        return _index(tree.root, entries, names, files, (), faulty)

    return Source(NAME, tree.root, files, read, faulty, tree.notes())


def _check_folders(tree: Tree, folder: str) -> None:
    """Refuse other folders than 1 to 7: another numbering would give wrong labels."""
    if not (tree.root / folder).is_dir():
        raise InputError(f"{NAME}: {tree.root} has no {folder}; unpack it beside the other part")
    found = tree.classes(folder)
    expected = [str(code) for code in range(1, len(CODES) + 1)]
    for name in expected:
        if name not in found:
            raise InputError(
                f"{NAME}: {tree.root} has no {folder}/{name} ({CODES[int(name) - 1]}); the folders "
                f"of train and test are {MEANINGS}"
            )
    foreign = [name for name in found if name not in expected]
    if foreign:
        raise InputError(
            f"{NAME}: {folder}/{foreign[0]} is no class of RAF-DB, whose folders are {MEANINGS}; "
            "with other numbers the labels would be wrong, so rename or remove it, or use "
            "--dataset folder"
        )


def _list_name(file: str) -> str:
    """Return the name that the label file has for an image file."""
    return file.rsplit("/", 1)[1].replace("_aligned.", ".")


def _index(
    root: Path,
    entries: list[Entry],
    names: tuple[str, ...],
    files: Mapping[str, Mark],
    notes: tuple[str, ...],
    faulty: Mapping[str, str] | None = None,
) -> Index:
    if not entries:
        raise InputError(f"{NAME}: the folders of {root} hold no images; unpack the set anew")
    labels = [CLASSES.index(CODES[entry.code - 1]) for entry in entries]
    return Index(
        classes=CLASSES,
        labels=np.array(labels, dtype=np.int64),
        parts=np.array([entry.part for entry in entries], dtype=np.int8),
        sources=names,
        pixels=PictureFiles(root, names, files, "RGB", (SIDE, SIDE), faulty or {}),
        notes=notes,
    )
