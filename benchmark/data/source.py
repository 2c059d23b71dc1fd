"""What a loader finds on disk, before any pixel is read: files, labels and a way to the pixels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

BLOCK = 4096
"""Images that are decoded and written at a time; bounds the memory that a large set needs."""


class Mark(NamedTuple):
    """What the system says of a file. All but the change time can be made equal at will."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Mark:
        """Return the mark of a file from its ``stat``."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)


@dataclass(frozen=True)
class Problem:
    """One image that cannot be used.

    Attributes:
        index: its place in the dataset.
        source: its file, relative to the root, or its line in a file.
        reason: what is wrong, as the rest of a sentence that starts with the source.
        remedy: what to do where copying the file anew would not help.
    """

    index: int
    source: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive images.

    Attributes:
        start: the place of the first in the dataset.
        images: uint8, (n, *shape); those with a problem are zeros.
        problems: the images that cannot be used.
        treated: how many images became something else on the way than what their file holds, by
            what was done, in words.
        second_labels: int64, (n,): the class that another annotation of the same images gives, -1
            where it gives none; None where there is no other.
    """

    start: int
    images: NDArray[np.uint8]
    problems: tuple[Problem, ...]
    treated: Mapping[str, int] = field(default_factory=dict)
    second_labels: NDArray[np.int64] | None = None


class Pixels(Protocol):
    """The way to a dataset's pixels."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image: (H, W) or (H, W, 3)."""

    def blocks(self) -> Iterator[Block]:
        """Yield all images in the dataset's order, at most ``BLOCK`` at a time."""


@dataclass(frozen=True, eq=False)
class Index:
    """A dataset but for its pixels; the attributes are those of ``FaceDataset``, and these.

    Attributes:
        pixels: the way to the pixels.
        unsettled: the images of which the files do not settle which picture is meant.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    parts: NDArray[np.int8]
    sources: tuple[str, ...]
    pixels: Pixels
    notes: tuple[str, ...] = ()
    unsettled: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Source:
    """A dataset found on disk.

    Attributes:
        name: the loader's name.
        root: the folder that the names of ``files`` start from.
        files: every file that the loader would read, by its name below the root.
        read_index: reads labels and names; raises InputError where they are wrong.
        faulty: images that cannot be used whatever they hold, with the reason.
        notes: what was left out of what stands below the root.
        form: what was asked for that makes other content of the same files.
        has_validation: whether the files hold a validation split.
    """

    name: str
    root: Path
    files: Mapping[str, Mark]
    read_index: Callable[[], Index]
    faulty: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    form: str = ""
    has_validation: bool = False

    def hash(self, version: int, facts: Mapping[str, str]) -> str:
        """Return the SHA-256 (hex) of the loader and of each file's name with a fact about it.

        Nothing of the absolute path belongs to it, so data that moved is known again.
        """
        digest = hashlib.sha256(f"{version}\0{self.name}\0{self.form}\0".encode())
        for kind in (facts, self.faulty):
            lines = (f"{name}\0{fact}\n" for name, fact in sorted(kind.items()))
            digest.update("".join(lines).encode("utf-8", "surrogateescape") + b"\0")
        return digest.hexdigest()
