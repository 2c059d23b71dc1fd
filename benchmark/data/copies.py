"""Which images are copies of others: pixel for pixel, mirrored, or nearly.

Exact copies are found by digests of the pixels and of the mirrored pixels. Near copies are found by
the correlation of reduced pictures: grey, 24 x 24 means, which light, contrast, noise and
compression hardly move. All pairs are looked at, so nothing is missed by an index.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from benchmark.data.dataset import FaceDataset
from benchmark.data.source import Block

SIDE = 24
"""Of a reduced picture; one that is smaller is taken as it is."""

THRESHOLD = 0.98
"""Correlation of two reduced pictures from which they count as nearly the same.

On FERPlus, of the pairs of a test and a training image that are no exact copies, labels agree for
95 % of 132 from 0.98 on and of 246 between 0.94 and 0.98, for 86 % of 147 between 0.92 and 0.94,
70 % of 225 between 0.90 and 0.92 and 53 % of 606 between 0.88 and 0.90: there begin other pictures
of a like face. 0.98 stands well above, so that what it names is a copy.
"""

_DOUBT = 1e-3  # single precision decides what is looked at exactly, and is off by far less
_ROWS = 1024
_COLUMNS = 4096
"""Of a block of correlations: 16 MiB in single precision."""

Pictures = NDArray[np.uint8]


class Kind(StrEnum):
    """How an image is a copy of another."""

    EXACT = "exact"
    MIRRORED = "mirrored"
    NEAR = "near"
    NEAR_MIRRORED = "near, mirrored"


@dataclass(frozen=True)
class Pair:
    """Two images of one picture.

    Attributes:
        one: index of an image.
        other: index of another.
        kind: how they are copies, the strongest that holds.
        correlation: of the reduced pictures; 1 for exact and mirrored copies.
    """

    one: int
    other: int
    kind: Kind
    correlation: float


@dataclass(eq=False)
class Prints:
    """What is kept of each image, whose pixels are then not needed: about 700 bytes.

    Attributes:
        plain: SHA-256 of the pixels, by image.
        mirrored: of the pixels mirrored from left to right.
        blocks: reduced pictures, uint8 (n, s, s), block by block, with the images' indices.
    """

    plain: dict[int, bytes] = field(default_factory=dict)
    mirrored: dict[int, bytes] = field(default_factory=dict)
    blocks: list[tuple[NDArray[np.int64], Pictures]] = field(default_factory=list)

    def add(self, indices: NDArray[np.int64], images: Pictures) -> None:
        """Take note of images: uint8, (n, H, W) or (n, H, W, 3), and their indices, (n,)."""
        for index, image in zip(indices.tolist(), images, strict=True):
            self.plain[index] = hashlib.sha256(np.ascontiguousarray(image).data).digest()
            turned = np.ascontiguousarray(image[:, ::-1])
            self.mirrored[index] = hashlib.sha256(turned.data).digest()
        self.blocks.append((indices, reduced(images)))

    def add_block(self, block: Block) -> None:
        """Take note of the images of a block that can be used."""
        bad = {problem.index for problem in block.problems}
        rows = [row for row in range(len(block.images)) if block.start + row not in bad]
        if rows:
            self.add(block.start + np.array(rows), block.images[rows])

    def of(self, wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], Pictures]:
        """Return those of the wanted images that were noted, ascending, and their pictures."""
        if not self.blocks:
            return np.zeros(0, np.int64), np.zeros((0, 1, 1), np.uint8)
        indices = np.concatenate([block for block, _ in self.blocks])
        pictures = np.concatenate([block for _, block in self.blocks])
        rows = np.flatnonzero(np.isin(indices, wanted))
        rows = rows[np.argsort(indices[rows], kind="stable")]
        return indices[rows], pictures[rows]


def prints_of(dataset: FaceDataset) -> Prints:
    """Take note of all images of a dataset."""
    prints = Prints()
    for start in range(0, len(dataset.images), _ROWS):
        images = np.asarray(dataset.images[start : start + _ROWS])
        prints.add(np.arange(start, start + len(images)), images)
    return prints


def reduced(images: Pictures) -> Pictures:
    """Return grey pictures of at most 24 x 24 means: uint8, (n, s, t).

    Args:
        images: uint8, (n, H, W) or (n, H, W, 3).
    """
    # Sums of whole numbers below 2^24 are exact in single precision, so every machine rounds alike.
    grey = images.astype(np.float32) if images.ndim == 3 else images.sum(axis=3, dtype=np.float32)
    channels = 1 if images.ndim == 3 else images.shape[3]
    height, width = grey.shape[1:]
    tops, heights = _cuts(height)
    lefts, widths = _cuts(width)
    sums = np.add.reduceat(np.add.reduceat(grey, tops, axis=1), lefts, axis=2)
    means = sums / (channels * np.outer(heights, widths)).astype(np.float32)
    return np.rint(means).astype(np.uint8)


def _cuts(length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each of at most 24 pieces begins, and how long it is."""
    starts = np.arange(min(SIDE, length)) * length // min(SIDE, length)
    return starts, np.diff(starts, append=length)


def exact_pairs(
    prints: Prints, ones: NDArray[np.int64], others: NDArray[np.int64]
) -> Iterator[Pair]:
    """Yield the pairs of an image of ``ones`` and one of ``others`` with the same pixels.

    Mirrored ones, too. A pair whose two images stand in both lists comes once.
    """
    held: dict[bytes, list[int]] = defaultdict(list)
    for image in others.tolist():
        if image in prints.plain:
            held[prints.plain[image]].append(image)
    both = set(ones.tolist()) & set(others.tolist())
    for one in ones.tolist():
        if one not in prints.plain:
            continue
        found = dict.fromkeys(held.get(prints.mirrored[one], ()), Kind.MIRRORED)
        found |= dict.fromkeys(held.get(prints.plain[one], ()), Kind.EXACT)
        for other, kind in sorted(found.items()):
            if other == one or (other < one and other in both and one in both):
                continue
            yield Pair(one, other, kind, 1.0)


def near_pairs(
    prints: Prints,
    ones: NDArray[np.int64],
    others: NDArray[np.int64],
    threshold: float = THRESHOLD,
) -> Iterator[Pair]:
    """Yield the pairs whose reduced pictures correlate, as they are or mirrored; exact ones too.

    A picture of one grey has no correlation and is near nothing. A pair whose two images stand in
    both lists comes once.
    """
    rows, pictures = prints.of(ones)
    columns, targets = prints.of(others)
    both = np.intersect1d(rows, columns)
    same = np.array_equal(rows, columns)
    for top in range(0, len(rows), _ROWS):
        block = pictures[top : top + _ROWS]
        units = _units(block), _units(block[:, :, ::-1])
        for left in range(top // _COLUMNS * _COLUMNS if same else 0, len(columns), _COLUMNS):
            aims = _units(targets[left : left + _COLUMNS])
            best = np.maximum(units[0] @ aims.T, units[1] @ aims.T)
            for i, j in np.argwhere(best >= threshold - _DOUBT).tolist():
                one, other = int(rows[top + i]), int(columns[left + j])
                if one == other or (other < one and np.isin((one, other), both).all()):
                    continue
                pair = _near(one, other, block[i], targets[left + j])
                if pair.correlation >= threshold:
                    yield pair


def _units(pictures: Pictures) -> NDArray[np.float32]:
    """Return pictures as rows with mean 0 and norm 1; one of one grey becomes zeros."""
    rows = pictures.reshape(len(pictures), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(norms > 0, norms, 1)
    return rows


def _near(one: int, other: int, picture: Pictures, target: Pictures) -> Pair:
    plain, turned = correlation(picture, target), correlation(picture[:, ::-1], target)
    if turned > plain:
        return Pair(one, other, Kind.NEAR_MIRRORED, turned)
    return Pair(one, other, Kind.NEAR, plain)


def correlation(one: Pictures, other: Pictures) -> float:
    """Return Pearson's correlation of two pictures, 0 where one is of one grey.

    Whole numbers up to the last division, so that every machine finds the same.
    """
    x, y = one.ravel().astype(np.int64), other.ravel().astype(np.int64)
    n = len(x)
    spread = [n * int(v @ v) - int(v.sum()) ** 2 for v in (x, y)]
    if not all(spread):
        return 0.0
    shared = n * int(x @ y) - int(x.sum()) * int(y.sum())
    return float(shared / (np.sqrt(float(spread[0])) * np.sqrt(float(spread[1]))))
