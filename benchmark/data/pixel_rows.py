"""Pixels from Kaggle's ``fer2013.csv``: one row an image, in the row order of the label file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.files import csv_columns, csv_rows, read_lines
from benchmark.data.source import BLOCK, Block, Problem
from benchmark.errors import InputError

# A look-up is faster than int() and takes nothing but plain numbers of one byte.
_BYTES = {str(value): value for value in range(256)}


def parse_pixels(text: str, expected: int) -> bytes:
    """Return the pixels that a field holds, separated by white space.

    Raises:
        ValueError: what is wrong, as the rest of a sentence that starts with the row.
    """
    words = text.split()
    if len(words) != expected:
        raise ValueError(f"has {len(words)} pixels, expected {expected}")
    try:
        return bytes([_BYTES[word] for word in words])
    except KeyError as error:
        raise ValueError(f"has a pixel {error.args[0][:20]!r}, expected 0 to 255") from None


@dataclass(frozen=True, eq=False)
class PixelRows:
    """Pixels that stand in the rows of one CSV file, matched to the label file by row order.

    Attributes:
        dataset: the dataset's name, for messages.
        root: the folder that the names start from.
        name: the file.
        labels_name: the label file, for messages.
        usages: the ``Usage`` of every row of the label file, which the rows here must agree with.
        kept: ascending row numbers of the dataset's images.
        side: width and height of an image.
        class_of_code: what the codes 0, 1, ... of the column ``emotion`` stand for, another
            annotation of the same images; the file may lack it.
    """

    dataset: str
    root: Path
    name: str
    labels_name: str
    usages: Sequence[str]
    kept: NDArray[np.int64]
    side: int
    class_of_code: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image."""
        return (self.side, self.side)

    def blocks(self) -> Iterator[Block]:
        """Yield all images in order; bad ones are zeros and stand among the problems.

        Raises:
            InputError: the file as a whole cannot belong to the label file.
        """
        fields = self._kept_fields()
        for start in range(0, len(self.kept), BLOCK):
            size = min(BLOCK, len(self.kept) - start)
            out = np.zeros((size, *self.shape), dtype=np.uint8)
            problems = []
            second = np.full(size, -1, dtype=np.int64)
            for i in range(size):
                line, text, second[i] = next(fields)
                try:
                    pixels = parse_pixels(text, self.side * self.side)
                except ValueError as error:
                    problems.append(Problem(start + i, f"{self.name} line {line}", str(error)))
                else:
                    out[i] = np.frombuffer(pixels, dtype=np.uint8).reshape(self.shape)
            if start + size == len(self.kept):
                next(fields, None)  # reads to the end, so that surplus rows are noticed
            yield Block(start, out, tuple(problems), second_labels=second)

    def _kept_fields(self) -> Iterator[tuple[int, str, int]]:
        """Yield line, pixels and other label of the kept rows; check every row against the labels.

        The other label is -1 where there is none.
        """
        where = f"{self.dataset}: {self.name}"
        rows = csv_rows(read_lines(self.root / self.name, where), where)
        width, (usage_at, pixels_at, code_at) = csv_columns(
            rows, ("Usage", "pixels"), where, optional=("emotion",)
        )
        classes = {str(code): label for code, label in enumerate(self.class_of_code)}
        kept = set(self.kept.tolist())
        number = -1
        for number, (line, row) in enumerate(rows):
            if len(row) != width:
                raise InputError(
                    f"{where} line {line}: {len(row)} fields, the header has {width}; "
                    "take the file anew"
                )
            if number >= len(self.usages):
                raise self._row_count("more than the")
            if row[usage_at] != self.usages[number]:
                raise InputError(
                    f"{where} line {line}, column 'Usage': {row[usage_at]!r}, but the same row "
                    f"of {self.labels_name} has {self.usages[number]!r}; both must be in their "
                    "original order"
                )
            if number in kept:
                code = "" if code_at < 0 else row[code_at]
                yield line, row[pixels_at], classes.get(code, -1)
        if number + 1 < len(self.usages):
            raise self._row_count(f"{number + 1} rows, not the")

    def _row_count(self, has: str) -> InputError:
        return InputError(
            f"{self.dataset}: {self.name} has {has} {len(self.usages)} rows of {self.labels_name}; "
            "the two are matched by row order, so take the complete files"
        )
