"""Which images of a dataset are judged by, when those that training saw are left out.

An image of the test or validation set that also stands in the training set measures memory. Marks
say so for each image; the training set is the whole one whatever is cut from it later, so that all
imbalance factors are judged by the same images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.choices import Images
from benchmark.data.copies import Kind, Prints, exact_pairs, near_pairs, prints_of
from benchmark.data.dataset import FaceDataset, Part

JUDGED = (Part.TEST, Part.VALIDATION)
_SEEN = {Part.TEST: (Part.TRAIN,), Part.VALIDATION: (Part.TRAIN, Part.TEST)}
"""What the images of a part should not be copies of. Values are chosen by validation images, so one
that is a test image, too, would let the test set take part in the choice."""


class Mark(IntFlag):
    """How an image stands in a part that it should not stand in."""

    EXACT = 1
    MIRRORED = 2
    NEAR = 4


_OF_KIND = {
    Kind.EXACT: Mark.EXACT,
    Kind.MIRRORED: Mark.MIRRORED,
    Kind.NEAR: Mark.NEAR,
    Kind.NEAR_MIRRORED: Mark.NEAR,
}
_LEFT_OUT: dict[Images, Mark] = {
    "all": Mark(0),
    "clean": Mark.EXACT,
    "no-near-copies": Mark.EXACT | Mark.MIRRORED | Mark.NEAR,
}


@dataclass(frozen=True, eq=False)
class Marked:
    """The images of one part.

    Attributes:
        names: where each came from, (n,) text.
        labels: int64, (n,).
        marks: uint8, (n,), a :class:`Mark` each.
    """

    names: NDArray[np.str_]
    labels: NDArray[np.int64]
    marks: NDArray[np.uint8]

    def kept(self, images: Images) -> NDArray[np.bool_]:
        """Return which images are counted, (n,)."""
        return np.asarray((self.marks & np.uint8(_LEFT_OUT[images])) == 0)


@dataclass(frozen=True, eq=False)
class Marks:
    """The marks of a dataset: of its test images, and of its validation images, of which there may
    be none."""

    test: Marked
    validation: Marked

    def of(self, part: Part) -> Marked:
        """Return those of the test or validation set."""
        return {Part.TEST: self.test, Part.VALIDATION: self.validation}[part]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return them as arrays by name, as files hold them."""
        return {
            f"{part.name.lower()}_{name}": array
            for part in JUDGED
            for name, array in vars(self.of(part)).items()
        }

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of labels and marks, which clean numbers follow from."""
        found = hashlib.sha256()
        for part in JUDGED:
            held = self.of(part)
            found.update(len(held.labels).to_bytes(8, "little"))
            found.update(held.labels.astype("<i8").tobytes() + held.marks.tobytes())
        return found.hexdigest()


def marks_from(arrays: Mapping[str, NDArray[Any]]) -> Marks:
    """Return the marks that :meth:`Marks.arrays` gave.

    Raises:
        ValueError: these are no marks.
    """
    parts = {}
    for part in JUDGED:
        prefix = part.name.lower()
        try:
            names, labels, marks = (arrays[f"{prefix}_{n}"] for n in ("names", "labels", "marks"))
        except KeyError as error:
            raise ValueError(f"it has no {error.args[0]}") from None
        shapes = names.shape == labels.shape == marks.shape and marks.ndim == 1
        kinds = names.dtype.kind == "U" and labels.dtype.kind in "iu" and marks.dtype == np.uint8
        if not shapes or not kinds or (len(marks) and marks.max() > sum(Mark)):
            raise ValueError(f"what it holds of {prefix} is not names, labels and marks")
        parts[part] = Marked(names, labels.astype(np.int64), marks)
    return Marks(parts[Part.TEST], parts[Part.VALIDATION])


def marks_of(dataset: FaceDataset) -> Marks:
    """Look at all images of a dataset and return the marks of its test and validation images."""
    prints = prints_of(dataset)
    return Marks(*(_marked(dataset, prints, part) for part in JUDGED))


def _marked(dataset: FaceDataset, prints: Prints, part: Part) -> Marked:
    indices = dataset.indices(part)
    seen = np.flatnonzero(np.isin(dataset.parts, _SEEN[part]))
    marks = np.zeros(len(dataset.labels), dtype=np.uint8)
    if len(indices) and len(seen):
        for search in (exact_pairs, near_pairs):
            for pair in search(prints, indices, seen):
                marks[pair.one] |= np.uint8(_OF_KIND[pair.kind])
    names = [dataset.sources[i] if dataset.sources else f"image {i}" for i in indices]
    return Marked(np.array(names, dtype=np.str_), dataset.labels[indices], marks[indices])
