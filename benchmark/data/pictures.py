"""Image files to uint8 arrays, many at a time, with every bad file named."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.data.source import BLOCK, Block, Problem

if TYPE_CHECKING:
    from PIL import Image

# Pillow knows more formats, some of which start other programs; a dataset of faces needs no others.
FORMATS = ("PNG", "JPEG", "BMP", "PPM", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".webp")

GREY_MODES = ("1", "L", "LA")

_CHUNK = 64  # images per task, so that handing out the work costs little

Mode = Literal["L", "RGB"]


class PictureError(Exception):
    """One file is not a usable image; the text goes on from its name: "is missing"."""


def workers() -> int:
    """Return the number of threads that decode: Pillow lets go of the interpreter meanwhile."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        cores = os.cpu_count() or 1
    return min(cores, 16)


def read_picture(path: Path, mode: Mode, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode one image.

    Args:
        path: the file.
        mode: ``L`` for grey, ``RGB`` for colour; an image of the other kind is converted.
        size: width and height that the image must have.

    Returns:
        uint8, (H, W) or (H, W, 3).

    Raises:
        PictureError: the file is missing, no image, damaged, or of another size.
    """
    with _Opened(path) as image:
        if image.size != size:
            raise PictureError(
                f"is {image.size[0]}x{image.size[1]} pixels, expected {size[0]}x{size[1]}"
            )
        return np.asarray(image.convert(mode))


def probe_picture(path: Path) -> tuple[tuple[int, int], bool]:
    """Return an image's (width, height) and whether it is grey, from its header alone.

    Raises:
        PictureError: see :func:`read_picture`.
    """
    with _Opened(path) as image:
        return image.size, image.mode in GREY_MODES


class _Opened:
    """An open image in which every way that a file can be wrong raises PictureError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Image.Image:
        from PIL import Image, UnidentifiedImageError

        try:
            image = Image.open(self.path, formats=FORMATS)
        except FileNotFoundError:
            raise PictureError("is missing") from None
        except UnidentifiedImageError:
            raise PictureError(f"is not an image ({_what(self.path)})") from None
        except Exception as error:
            raise _as_picture_error(error) from None
        self.image = image
        width, height = image.size
        if width * height > (Image.MAX_IMAGE_PIXELS or width * height):
            image.close()
            raise PictureError(f"claims {width}x{height} pixels and may be a decompression bomb")
        if image.mode == "F" or image.mode.startswith("I"):
            image.close()
            raise PictureError(f"has more than 8 bits a channel (mode {image.mode})")
        return image

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.image.close()
        if isinstance(error, Exception) and not isinstance(error, PictureError):
            raise _as_picture_error(error) from None


def _as_picture_error(error: Exception) -> PictureError:
    """Name the fault. Damaged files make decoders raise nearly any kind of exception."""
    if isinstance(error, OSError) and error.strerror:
        return PictureError(f"cannot be read ({error.strerror.lower()})")
    text = " ".join(str(error).split()) or type(error).__name__
    if "truncated" in text.lower():
        text = "truncated"
    return PictureError(f"is not an image that can be decoded ({text})")


def _what(path: Path) -> str:
    """Say how a file that no decoder knows differs from an image."""
    return "an empty file" if path.stat().st_size == 0 else f"none of {', '.join(FORMATS)}"


@dataclass(frozen=True, eq=False)
class PictureFiles:
    """Pixels that stand in one file an image.

    Attributes:
        root: the folder that the names start from.
        names: the files, in the dataset's order; a name may stand twice.
        known: the files that exist; any other name is reported missing and never opened.
        mode: grey or colour.
        size: width and height of every image.
    """

    root: Path
    names: Sequence[str]
    known: Container[str]
    mode: Mode
    size: tuple[int, int]

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
                yield self._block(start, pool)
        finally:
            pool.shutdown(cancel_futures=True)

    def _block(self, start: int, pool: ThreadPoolExecutor) -> Block:
        stop = min(start + BLOCK, len(self.names))
        out = np.zeros((stop - start, *self.shape), dtype=np.uint8)

        def fill(first: int) -> list[Problem]:
            problems = []
            for index in range(first, min(first + _CHUNK, stop)):
                try:
                    out[index - start] = self._read(self.names[index])
                except PictureError as error:
                    problems.append(Problem(index, self.names[index], str(error)))
            return problems

        found = pool.map(fill, range(start, stop, _CHUNK))
        return Block(start, out, tuple(problem for problems in found for problem in problems))

    def _read(self, name: str) -> NDArray[np.uint8]:
        if name not in self.known:
            raise PictureError("is missing")
        return read_picture(self.root / name, self.mode, self.size)


def common_form(root: Path, names: Sequence[str]) -> tuple[tuple[int, int], Mode] | None:
    """Return the size of the first readable image, and whether all are grey, from the headers.

    Returns:
        ((width, height), mode), or None if no image can be read.
    """

    def probe(name: str) -> tuple[tuple[int, int], bool] | None:
        try:
            return probe_picture(root / name)
        except PictureError:
            return None  # reported when the pixels are read

    with ThreadPoolExecutor(workers()) as pool:
        probes = [p for p in pool.map(probe, names) if p is not None]
    if not probes:
        return None
    return probes[0][0], "L" if all(grey for _, grey in probes) else "RGB"
