"""Many image files to uint8 arrays, with every bad file named."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.decode import (
    Mode,
    PictureError,
    brought_to,
    muted,
    probe_picture,
    read_picture,
    upright_size,
)
from benchmark.data.source import BLOCK, Block, Problem

_CHUNK = 64  # images per task, so that handing out the work costs little


def workers() -> int:
    """Return the number of threads that decode: Pillow lets go of the interpreter meanwhile."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        cores = os.cpu_count() or 1
    return min(cores, 16)


@dataclass(frozen=True, eq=False)
class PictureFiles:
    """Pixels that stand in one file an image.

    Attributes:
        root: the folder that the names start from.
        names: the files, in the dataset's order; a name may stand twice.
        known: the files that exist; any other name is reported missing and never opened.
        mode: grey or colour.
        size: width and height of every image.
        faulty: images that cannot be used whatever they hold, with the reason.
        resize: whether an image of another size is brought to it, width and height each on its
            own; else it is a problem.
        other_size: what to do about an image of another size, where that is not to copy it anew.
    """

    root: Path
    names: Sequence[str]
    known: Container[str]
    mode: Mode
    size: tuple[int, int]
    faulty: Mapping[str, str] = field(default_factory=dict)
    resize: bool = False
    other_size: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image."""
        width, height = self.size
        return (height, width) if self.mode == "L" else (height, width, 3)

    def blocks(self) -> Iterator[Block]:
        """Yield all images in order; bad ones are zeros and stand among the problems."""
        pool = ThreadPoolExecutor(workers())
        try:
            for start in range(0, len(self.names), BLOCK):
                with muted(self.names[start : start + BLOCK]):
                    block = self._block(start, pool)
                yield block
        finally:
            pool.shutdown(cancel_futures=True)

    def _block(self, start: int, pool: ThreadPoolExecutor) -> Block:
        stop = min(start + BLOCK, len(self.names))
        out = np.zeros((stop - start, *self.shape), dtype=np.uint8)

        def fill(first: int) -> tuple[list[Problem], Counter[str]]:
            problems, treated = [], Counter[str]()
            for index in range(first, min(first + _CHUNK, stop)):
                try:
                    out[index - start], done = self._read(self.names[index])
                except PictureError as error:
                    problems.append(Problem(index, self.names[index], str(error), error.remedy))
                else:
                    treated.update(done)
            return problems, treated

        found = list(pool.map(fill, range(start, stop, _CHUNK)))
        treated = sum((counter for _, counter in found), Counter[str]())
        return Block(start, out, tuple(p for problems, _ in found for p in problems), treated)

    def _read(self, name: str) -> tuple[NDArray[np.uint8], list[str]]:
        if name in self.faulty:
            raise PictureError(self.faulty[name])
        if name not in self.known:
            raise PictureError("is missing")
        image, treated = read_picture(self.root / name, self.mode)
        if image.size != self.size:
            if not self.resize:
                (width, height), (wanted, high) = image.size, self.size
                raise PictureError(
                    f"is {width}x{height} pixels, expected {wanted}x{high}", self.other_size
                )
            image, changed = brought_to(image, self.size)
            treated += changed
        return np.asarray(image), treated


def common_form(root: Path, names: Sequence[str]) -> tuple[tuple[int, int], Mode] | None:
    """Return the size of the first readable image, and from the headers whether all are grey.

    Returns:
        ((width, height), mode), or None if no image can be read.
    """

    def probe(name: str) -> bool | None:
        try:
            return probe_picture(root / name)
        except PictureError:
            return None  # reported when the pixels are read

    with muted(names):
        with ThreadPoolExecutor(workers()) as pool:
            greys = list(pool.map(probe, names))
        size = _first_size(root, [n for n, g in zip(names, greys, strict=True) if g is not None])
    if size is None:
        return None
    return size, "RGB" if False in greys else "L"


def _first_size(root: Path, names: Sequence[str]) -> tuple[int, int] | None:
    for name in names:
        try:
            return upright_size(root / name)
        except PictureError:
            continue  # reported when the pixels are read
    return None
