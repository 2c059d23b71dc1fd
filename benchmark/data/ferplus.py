"""FERPlus: FER2013's images with the labels that ten taggers gave them.

Source: Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
Label Distribution", ICMI 2016, and the files of https://github.com/microsoft/FERPlus.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.data.dataset import EMOTIONS, Part
from benchmark.data.files import bare_name, csv_columns, csv_rows, read_lines
from benchmark.data.left_out import unnamed_note
from benchmark.data.pictures import PictureFiles
from benchmark.data.pixel_rows import PixelRows
from benchmark.data.source import Index, Mark, Pixels, Source
from benchmark.data.tree import Tree
from benchmark.errors import InputError

NAME = "ferplus"
EIGHT = "ferplus-8"
"""The set in which contempt is kept as the eighth class; a dataset of its own."""
EIGHT_EMOTIONS = (*EMOTIONS, "contempt")
LABEL_FILE = "fer2013new.csv"
PIXEL_FILES = ("fer2013.csv", "icml_face_data.csv")
VOTE_COLUMNS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
FOLDERS = {
    Part.TRAIN: "FER2013Train",
    Part.VALIDATION: "FER2013Valid",
    Part.TEST: "FER2013Test",
}
USAGES = {"Training": Part.TRAIN, "PublicTest": Part.VALIDATION, "PrivateTest": Part.TEST}
SIDE = 48

_MOST_DIGITS = 4  # of one count of votes; ten taggers voted

# FER2013's own labels, the codes 0 to 6 of the column 'emotion' of Kaggle's files.
_CODES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
CLASS_OF_CODE = tuple(EMOTIONS.index(emotion) for emotion in _CODES)


def majority_labels(votes: ArrayLike, classes: Sequence[str] = EMOTIONS) -> NDArray[np.int64]:
    """Return the class that the majority of the taggers chose, for each image.

    A single vote counts as none. The label is the column with the most of the remaining votes, kept
    if it has more than half of them (so it is the only largest one) and is one of the classes:
    unknown, not-a-face and, among seven, contempt are rejected.

    Args:
        votes: integers, (N, 10), columns as in ``fer2013new.csv``; not modified.
        classes: the columns that are kept, in the order of the labels: the seven emotions, or
            ``EIGHT_EMOTIONS``.

    Returns:
        int64, (N,): 0..6 for neutral, happiness, surprise, sadness, anger, fear, disgust, or else
        the place in ``classes``; -1 for a rejected row.

    Raises:
        InputError: another shape, not integers, or a negative count.
    """
    try:
        votes = np.asarray(votes)
    except ValueError:
        raise InputError("votes are rows of different lengths") from None
    if votes.ndim != 2 or votes.shape[1] != len(VOTE_COLUMNS):
        raise InputError(f"votes have shape {votes.shape}, expected (N, {len(VOTE_COLUMNS)})")
    if not np.issubdtype(votes.dtype, np.integer):
        raise InputError(f"votes are {votes.dtype}, expected integers")
    if (votes < 0).any():
        row = int(np.argmax((votes < 0).any(axis=1)))
        raise InputError(f"votes are negative in row {row}")
    counted = np.where(votes > 1, votes, 0).astype(np.int64)
    best = counted.argmax(axis=1)
    most = counted.max(axis=1)
    majority = 2 * most > counted.sum(axis=1)  # false for a row without votes
    # From the file's columns to the classes: fear and disgust change places, the rest is dropped.
    of_column = [classes.index(c) if c in classes else -1 for c in VOTE_COLUMNS]
    return np.where(majority, np.array(of_column, dtype=np.int64)[best], -1)


@dataclass(frozen=True, eq=False)
class VoteTable:
    """``fer2013new.csv``, one entry for each row.

    Attributes:
        lines: the line of the file, from 1.
        usages: ``Training``, ``PublicTest`` or ``PrivateTest``.
        names: the image's file name, empty for a row that is no face.
        votes: int64, (rows, 10).
    """

    lines: list[int]
    usages: list[str]
    names: list[str]
    votes: NDArray[np.int64]


def parse_votes(lines: Iterable[str], where: str) -> VoteTable:
    """Parse the lines of ``fer2013new.csv``.

    Args:
        lines: the file's lines with their ends.
        where: what to call the file in messages.

    Raises:
        InputError: the line and column that are wrong.
    """
    rows = csv_rows(lines, where)
    wanted = ("Usage", "Image name", *VOTE_COLUMNS)
    width, (usage_at, name_at, *votes_at) = csv_columns(rows, wanted, where)
    table = VoteTable([], [], [], np.zeros((0, len(VOTE_COLUMNS)), dtype=np.int64))
    votes = []
    for line, row in rows:
        at = f"{where} line {line}"
        if len(row) != width:
            raise InputError(f"{at}: {len(row)} fields, the header has {width}; take the file anew")
        if row[usage_at] not in USAGES:
            raise InputError(
                f"{at}, column 'Usage': {row[usage_at]!r} is none of {', '.join(USAGES)}"
            )
        table.lines.append(line)
        table.usages.append(row[usage_at])
        table.names.append(bare_name(row[name_at], at) if row[name_at] else "")
        votes.append([_count(row[i], c, at) for i, c in zip(votes_at, VOTE_COLUMNS, strict=True)])
    if not votes:
        raise InputError(f"{where} holds no rows; take the file anew")
    return VoteTable(table.lines, table.usages, table.names, np.array(votes, dtype=np.int64))


def _count(text: str, column: str, at: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise InputError(f"{at}, column '{column}': {text!r} is not a number of votes")
    return int(text)


@dataclass(frozen=True)
class Layout:
    """Where the files of one copy stand, relative to the root.

    Attributes:
        labels: the label file.
        folders: the folder of each part, or None if the pixels are in a CSV file.
        pixel_rows: the CSV file with the pixels, or None if there is none.
        label_copies: the ``label.csv`` files, which are not used.
    """

    labels: str
    folders: Mapping[Part, str] | None
    pixel_rows: str | None
    label_copies: tuple[str, ...]


def find_eight(root: Path | str | None) -> Source:
    """Find FERPlus as :func:`find` does, with contempt as its eighth class."""
    return find(root, name=EIGHT, classes=EIGHT_EMOTIONS)


def find(
    root: Path | str | None, *, name: str = NAME, classes: tuple[str, ...] = EMOTIONS
) -> Source:
    """Find FERPlus in a folder or one folder further down.

    Takes the folders that Microsoft's generator writes, or Kaggle's ``fer2013.csv`` or
    ``icml_face_data.csv``, either with ``fer2013new.csv``.

    Args:
        root: the folder.
        name: what the dataset is called.
        classes: the classes that are kept.

    Raises:
        InputError: the root, the label file or the images are missing.
    """
    tree = Tree(NAME, root)
    folders = _find_folders(tree)
    pixel_rows = next((f for name in PIXEL_FILES if (f := tree.find(name)) is not None), None)
    files: dict[str, Mark] = {}
    for folder in (folders or {}).values():
        files |= tree.named_files(folder)
    copies = tuple(sorted(name for name in files if name.endswith("/label.csv")))
    labels = tree.find(LABEL_FILE)
    if labels is None:
        raise InputError(_no_labels(tree.root, copies, pixel_rows))
    if folders is None and pixel_rows is None:
        raise InputError(
            f"{NAME}: {tree.root} holds {labels} but no images; put {', '.join(FOLDERS.values())} "
            f"or Kaggle's {' or '.join(PIXEL_FILES)} beside it"
        )
    files |= tree.file(labels)
    if pixel_rows is not None:
        files |= tree.file(pixel_rows)
    layout = Layout(labels, folders, pixel_rows, copies)

    def read() -> Index:
        return read_index(tree.root, layout, files, classes)

    return Source(name, tree.root, files, read, notes=tree.notes(), has_validation=True)


def _find_folders(tree: Tree) -> dict[Part, str] | None:
    found = {part: tree.find(folder) for part, folder in FOLDERS.items()}
    present = {part: folder for part, folder in found.items() if folder is not None}
    missing = [FOLDERS[part] for part in FOLDERS if part not in present]
    if present and missing:
        raise InputError(
            f"{NAME}: {tree.root} holds {', '.join(present.values())} but not "
            f"{', '.join(missing)}; unpack the missing folder beside it"
        )
    return present or None


def _no_labels(root: Path, copies: tuple[str, ...], pixel_rows: str | None) -> str:
    """Say why nothing but ``fer2013new.csv`` will do, for what stands there instead."""
    take = f"take it from https://github.com/microsoft/FERPlus and put it into {root}"
    if copies:
        return (
            f"{NAME}: {root} holds {copies[0]} but no {LABEL_FILE}; {take}: the label.csv files "
            "hold other votes for 1602 images, and the published numbers rest on the former"
        )
    if pixel_rows is not None:
        return (
            f"{NAME}: {root} holds {pixel_rows} but no {LABEL_FILE}; {take}: the column 'emotion' "
            "holds FER2013's labels, not those of FERPlus"
        )
    return (
        f"{NAME}: {root} holds neither {LABEL_FILE} nor {FOLDERS[Part.TRAIN]} nor "
        f"{PIXEL_FILES[0]}, here or one folder further down; point --data-root at the folder that "
        "holds them"
    )


def read_index(
    root: Path, layout: Layout, files: Mapping[str, Mark], classes: tuple[str, ...] = EMOTIONS
) -> Index:
    """Read the labels and say where the pixels of each kept row are.

    Raises:
        InputError: the label file is wrong, or keeps no image.
    """
    where = f"{NAME}: {layout.labels}"
    table = parse_votes(read_lines(root / layout.labels, where), where)
    labels = majority_labels(table.votes, classes)
    labels[[not name for name in table.names]] = -1  # rows without a name are not faces
    kept = np.flatnonzero(labels >= 0)
    if not len(kept):
        raise InputError(f"{where}: no row has a majority for an emotion; take it anew")
    parts = np.array([USAGES[table.usages[row]] for row in kept], dtype=np.int8)
    pixels: Pixels
    if layout.folders is not None:
        names = tuple(f"{layout.folders[USAGES[table.usages[i]]]}/{table.names[i]}" for i in kept)
        pixels = PictureFiles(root, names, files, "L", (SIDE, SIDE))
        sources = names
    else:
        assert layout.pixel_rows is not None
        pixels = PixelRows(
            NAME, root, layout.pixel_rows, layout.labels, table.usages, kept, SIDE, CLASS_OF_CODE
        )
        sources = tuple(f"{layout.pixel_rows} row {i + 1} ({table.names[i]})" for i in kept)
    doubles = double_names(table)
    unnamed = _unnamed(layout, table, files)
    notes = (*_form_notes(layout), *double_notes(doubles, table, labels), *unnamed)
    unsettled = frozenset(i for i, row in enumerate(kept) if table.names[row] in doubles)
    return Index(classes, labels[kept], parts, sources, pixels, notes, unsettled)


def _form_notes(layout: Layout) -> list[str]:
    notes = []
    if layout.label_copies:
        notes.append(
            f"labels are from {layout.labels}; {', '.join(layout.label_copies)} hold other votes "
            "for some images and were not used"
        )
    if layout.folders is not None and layout.pixel_rows is not None:
        notes.append(f"images are from the folders; {layout.pixel_rows} was not used")
    return notes


def _unnamed(layout: Layout, table: VoteTable, files: Iterable[str]) -> list[str]:
    """Return a note of the files beside the images that no row names."""
    if layout.folders is None:
        return []
    folder_of = {usage: layout.folders[part] for usage, part in USAGES.items()}
    rows = zip(table.usages, table.names, strict=True)
    named = {f"{folder_of[usage]}/{name}" for usage, name in rows}
    named |= {layout.labels, *([layout.pixel_rows] if layout.pixel_rows else [])}
    return unnamed_note(files, named | set(layout.label_copies), layout.labels)


def double_names(table: VoteTable) -> dict[str, list[int]]:
    """Return the rows of each image name that stands on several rows of the label file."""
    rows = defaultdict(list)
    for row, name in enumerate(table.names):
        if name:
            rows[name].append(row)
    return {name: places for name, places in sorted(rows.items()) if len(places) > 1}


def double_notes(
    doubles: Mapping[str, list[int]], table: VoteTable, labels: NDArray[Any]
) -> list[str]:
    """Return a note for each image name that stands on several rows."""
    notes = []
    for name, places in doubles.items():
        lines = ", ".join(str(table.lines[row]) for row in places)
        kept = sum(int(labels[row] >= 0) for row in places)
        notes.append(f"{name} stands on {len(places)} rows (lines {lines}); {kept} kept")
    return notes
