"""The value that every dataset becomes: one uint8 array with labels, splits and a fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError

EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "fear", "disgust")
"""The seven basic emotions in the order of the paper's FERPlus columns."""

_HASH_CHUNK = 1 << 24  # bytes hashed at a time, so that a memory-mapped array is never read whole


class Part(IntEnum):
    """The part of a dataset that an image belongs to."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


@dataclass(frozen=True, eq=False)
class FaceDataset:
    """All images of one dataset.

    Attributes:
        name: the dataset's name on the command line, such as ``ferplus``.
        images: uint8, (N, H, W) for grey or (N, H, W, 3) for RGB; may be memory-mapped.
        labels: int64, (N,), an index into ``classes``.
        parts: int8, (N,), a :class:`Part` for each image.
        classes: the class names in the order of the paper's columns.
        fingerprint: SHA-256 over pixels, labels, parts and class names.
        sources: where each image came from (a file name, a row), for messages; empty if it was
            drawn.
        notes: what a reader of the results should know of how the set was made.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    parts: NDArray[np.int8]
    classes: tuple[str, ...]
    fingerprint: str
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def indices(self, part: Part) -> NDArray[np.int64]:
        """Return the indices (int64, ascending) of the images of one part."""
        return np.flatnonzero(self.parts == part)

    def counts(self, part: Part) -> tuple[int, ...]:
        """Return the number of images of each class in one part, in the order of ``classes``."""
        labels = self.labels[self.parts == part]
        return tuple(int(n) for n in np.bincount(labels, minlength=len(self.classes)))

    @property
    def has_validation(self) -> bool:
        """Whether the set comes with a validation split."""
        return bool((self.parts == Part.VALIDATION).any())


def fingerprint(
    images: NDArray[Any],
    labels: NDArray[Any],
    parts: NDArray[Any],
    classes: tuple[str, ...],
) -> str:
    """Return the SHA-256 (hex) of a dataset's content.

    Shapes are hashed with the bytes, integers as little-endian int64, so that neither the machine
    nor the integer type of the arrays matters. The parts belong to it: an image that moves from
    the training to the test set makes another dataset.
    """
    digest = hashlib.sha256()
    digest.update(repr((tuple(images.shape), classes)).encode())
    for array in (labels, parts):
        digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    rows = max(1, _HASH_CHUNK // max(1, int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), rows):
        digest.update(np.ascontiguousarray(images[start : start + rows], dtype=np.uint8).data)
    return digest.hexdigest()


def make_dataset(
    name: str,
    images: NDArray[np.uint8],
    labels: NDArray[Any],
    parts: NDArray[Any],
    classes: tuple[str, ...],
    *,
    sources: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    known_fingerprint: str | None = None,
) -> FaceDataset:
    """Check the arrays against each other and return the dataset.

    Args:
        name: the dataset's name.
        images: uint8, (N, H, W) or (N, H, W, 3).
        labels: integers, (N,), within ``range(len(classes))``.
        parts: integers, (N,), values of :class:`Part`.
        classes: at least two distinct names.
        sources: one line for each image, or nothing.
        notes: remarks that the results should carry.
        known_fingerprint: the fingerprint if it was computed before (a cache holds it).

    Raises:
        InputError: the arrays do not describe a dataset.
    """
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[3:] not in ((), (3,)):
        raise InputError(
            f"{name}: images are {images.dtype} {images.shape}, "
            "expected uint8 of shape (N, H, W) or (N, H, W, 3)"
        )
    if not len(images) == len(labels) == len(parts) or (sources and len(sources) != len(images)):
        raise InputError(
            f"{name}: {len(images)} images, {len(labels)} labels and {len(parts)} split marks"
        )
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise InputError(f"{name}: needs at least two distinct classes, got {', '.join(classes)}")
    labels = labels.astype(np.int64)
    parts = parts.astype(np.int8)
    if len(labels) and not (labels.min() >= 0 and labels.max() < len(classes)):
        raise InputError(f"{name}: labels outside 0..{len(classes) - 1}")
    return FaceDataset(
        name=name,
        images=images,
        labels=labels,
        parts=parts,
        classes=classes,
        fingerprint=known_fingerprint or fingerprint(images, labels, parts, classes),
        sources=sources,
        notes=notes,
    )
