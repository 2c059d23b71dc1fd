"""Small fake datasets on disk, in every layout that the loaders take."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

VOTES = "neutral happiness surprise sadness anger disgust fear contempt unknown NF"
HEADER = ["Usage", "Image name", *VOTES.split()]
FER_FOLDERS = {
    "Training": "FER2013Train",
    "PublicTest": "FER2013Valid",
    "PrivateTest": "FER2013Test",
}
RAF_CODES = range(1, 8)


@dataclass(frozen=True)
class Row:
    usage: str
    name: str
    votes: tuple[int, ...]
    pixels: np.ndarray


def votes_for(column: int, count: int = 8) -> tuple[int, ...]:
    votes = [0] * 10
    votes[column] = count
    votes[(column + 3) % 10] += 10 - count
    return tuple(votes)


def grey(seed: int, side: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


def ferplus_rows() -> list[Row]:
    """Every emotion in every part, and every trap; names do not number the rows."""
    rows: list[Row] = []

    def add(usage: str, name: str | None, votes: tuple[int, ...], seed: int | None = None) -> None:
        number = len(rows)
        name = f"fer{number * 3 + 7:07d}.png" if name is None else name
        rows.append(Row(usage, name, votes, grey(number if seed is None else seed)))

    nothing = (0,) * 9 + (10,)
    for usage in FER_FOLDERS:
        for column in range(7):
            add(usage, None, votes_for(column))
        add(usage, "", nothing)  # no face
        add(usage, None, votes_for(7))  # contempt
        add(usage, None, votes_for(8))  # unknown
        add(usage, None, (5, 5, 0, 0, 0, 0, 0, 0, 0, 0))  # a tie
        add(usage, None, (1,) * 10)  # single votes only
        add(usage, None, votes_for(1, 9))
    double = rows[0]
    add("Training", double.name, double.votes, seed=0)  # kept twice
    last = next(row for row in rows if row.usage == "PrivateTest")
    rows.append(Row("PrivateTest", last.name, nothing, last.pixels))  # the second is dropped
    return rows


def write_label_file(
    path: Path, rows: list[Row], *, newline: str = "\n", bom: bool = False
) -> Path:
    lines = [",".join(HEADER)]
    lines += [",".join([row.usage, row.name, *map(str, row.votes)]) for row in rows]
    text = ("\ufeff" if bom else "") + newline.join(lines) + newline
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def make_ferplus(root: Path, rows: list[Row] | None = None, *, label_copies: bool = False) -> Path:
    """Write the folders and fer2013new.csv; return the root."""
    rows = ferplus_rows() if rows is None else rows
    for folder in FER_FOLDERS.values():
        (root / folder).mkdir(parents=True, exist_ok=True)
        if label_copies:
            (root / folder / "label.csv").write_text("")
    for row in rows:
        if row.name:
            Image.fromarray(row.pixels).save(root / FER_FOLDERS[row.usage] / row.name)
    write_label_file(root / "fer2013new.csv", rows)
    return root


def write_pixel_rows(path: Path, rows: list[Row], *, spaces: bool = False) -> Path:
    """Write Kaggle's fer2013.csv, or with spaces in the header icml_face_data.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["emotion", " Usage", " pixels"] if spaces else ["emotion", "pixels", "Usage"])
    for row in rows:
        pixels = " ".join(map(str, row.pixels.ravel()))
        writer.writerow([3, row.usage, pixels] if spaces else [3, pixels, row.usage])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue())
    return path


def make_kaggle(root: Path, rows: list[Row] | None = None, *, icml: bool = False) -> Path:
    rows = ferplus_rows() if rows is None else rows
    name = "icml_face_data.csv" if icml else "fer2013.csv"
    write_pixel_rows(root / name, rows, spaces=icml)
    write_label_file(root / "fer2013new.csv", rows)
    return root


def picture_bytes(seed: int, size: tuple[int, int] = (100, 100)) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(small).resize(size).save(data, "JPEG", quality=90)
    return data.getvalue()


def raf_entries(train: int = 2, test: int = 1) -> list[tuple[str, int]]:
    """Names and codes: so many images of each of the seven codes."""
    entries = []
    for part, count in (("train", train), ("test", test)):
        codes = [code for _ in range(count) for code in RAF_CODES]
        entries += [(f"{part}_{i:05d}.jpg", code) for i, code in enumerate(codes, start=1)]
    return entries


def make_raf(root: Path, *, aligned: bool = True, train: int = 2, test: int = 1) -> Path:
    """The layout that RAF-DB's authors hand out."""
    images = root / "Image" / "aligned"
    images.mkdir(parents=True)
    (root / "EmoLabel").mkdir()
    entries = raf_entries(train, test)
    for seed, (name, _) in enumerate(entries):
        file = name.replace(".jpg", "_aligned.jpg") if aligned else name
        (images / file).write_bytes(picture_bytes(seed))
    lines = [f"{name} {code}" for name, code in entries]
    (root / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return root


def make_raf_folders(root: Path, *, train: int = 2, test: int = 1) -> Path:
    """The layout of the copy on Kaggle."""
    for seed, (name, code) in enumerate(raf_entries(train, test)):
        folder = root / name.split("_")[0] / str(code)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name.replace(".jpg", "_aligned.jpg")).write_bytes(picture_bytes(seed))
    return root


def make_folders(
    root: Path,
    classes: tuple[str, ...] = ("cat", "ant", "bee"),
    parts: tuple[str, ...] = ("train", "test"),
    *,
    images: int = 2,
    side: int = 12,
    colour: bool = False,
) -> Path:
    seed = 0
    for part in parts:
        for name in classes:
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(images):
                seed += 1
                image = Image.fromarray(grey(seed, side))
                (image.convert("RGB") if colour else image).save(folder / f"{i}.png")
    return root
