"""Image files to uint8 arrays, many at a time, with every bad file named."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.data.source import BLOCK, Block, Problem

if TYPE_CHECKING:
    from PIL import Image

# Pillow knows more formats, some of which start other programs; a dataset of faces needs no others.
FORMATS = ("PNG", "JPEG", "BMP", "PPM", "WEBP", "TIFF", "GIF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".webp", ".tif", ".tiff", ".gif")

GREY_MODES = ("1", "L", "LA")

GROUND = (0, 0, 0)
"""What lies below transparency. Black, as aligned faces have it where the picture ended, and as it
mostly stands below the transparent pixels of faces that were cut out."""

# What is done to an image on the way, as the words of a note that ends with the number of images.
TURNED = "images turned upright, as their EXIF orientation says"
LAID = "images with transparent pixels, laid on black"
FIRST = "files of several pictures (frames or pages), of which the first was taken"
RESIZED = "images that had another size"
STRETCHED = "images that were not square, so that their faces are stretched"

_CHUNK = 64  # images per task, so that handing out the work costs little
_UPRIGHT = 1
_ORIENTATION = 0x0112  # of TIFF and EXIF

_MUTED = threading.Lock()

Mode = Literal["L", "RGB"]


class PictureError(Exception):
    """One file is not a usable image; the text goes on from its name: "is missing".

    Attributes:
        remedy: what to do, where that is not to copy the file anew.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy


def workers() -> int:
    """Return the number of threads that decode: Pillow lets go of the interpreter meanwhile."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        cores = os.cpu_count() or 1
    return min(cores, 16)


def read_picture(path: Path, mode: Mode) -> tuple[Image.Image, list[str]]:
    """Decode one image as a viewer shows it: the first picture of its file, upright, on the ground.

    Args:
        path: the file.
        mode: ``L`` for grey, ``RGB`` for colour; an image of the other kind is converted. CMYK is
            converted without a colour profile.

    Returns:
        The image of 8 bits a channel, and what was done to it.

    Raises:
        PictureError: the file is missing, no image, damaged, or has more than 8 bits of grey.
    """
    with _Opened(path) as image:
        treated = [FIRST] if getattr(image, "is_animated", False) else []
        # Pillow turns TIFF as it loads it, and forgets the tag; a PNG tells only when it is loaded.
        before = _orientation(image) if image.format == "TIFF" else _UPRIGHT
        image.load()
        turned = max(before, _orientation(image)) != _UPRIGHT
        upright = _turned(image)
        flat = _on_ground(upright)
        treated += [TURNED] * turned + [LAID] * (flat is not upright)
        return flat.convert(mode), treated


def probe_picture(path: Path) -> bool:
    """Return whether an image is grey, from its header alone.

    Raises:
        PictureError: see :func:`read_picture`.
    """
    with _Opened(path) as image:
        return image.mode in GREY_MODES


def upright_size(path: Path) -> tuple[int, int]:
    """Return the (width, height) of an image as it is shown.

    Raises:
        PictureError: see :func:`read_picture`.
    """
    return read_picture(path, "L")[0].size


def _orientation(image: Image.Image) -> int:
    """Return how an image lies, 1 to 8 as in EXIF; a block that cannot be read says nothing."""
    try:
        found = image.getexif().get(_ORIENTATION, _UPRIGHT)
    except Exception:  # the decoders of EXIF raise nearly anything, and viewers show the picture
        return _UPRIGHT
    return found if found in range(1, 9) else _UPRIGHT


def _turned(image: Image.Image) -> Image.Image:
    """Return an image as viewers turn it."""
    if _orientation(image) == _UPRIGHT:
        return image
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _on_ground(image: Image.Image) -> Image.Image:
    """Return an image laid on the ground if any of it is transparent, else itself."""
    if not image.has_transparency_data:
        return image
    from PIL import Image

    whole = image.convert("RGBA")
    opacity = whole.getchannel("A")
    if opacity.getextrema() == (255, 255):
        return image
    ground = Image.new("RGB", whole.size, GROUND)
    ground.paste(whole, mask=opacity)
    return ground


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
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise PictureError(
                f"claims more than {Image.MAX_IMAGE_PIXELS} pixels and may be a decompression bomb",
                "save it smaller",
            ) from None
        except Exception as error:
            raise _as_picture_error(error) from None
        self.image = image
        if image.mode == "F" or image.mode.startswith("I"):
            image.close()
            raise PictureError(
                f"has more than 8 bits a channel (mode {image.mode})", "save it with 8 bits"
            )
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


@contextmanager
def muted() -> Iterator[None]:
    """Keep Pillow's warnings and log lines off the terminal; its warning of a bomb is raised.

    What they say of a file that can be decoded all the same (a tag out of place) changes no pixel;
    a file that cannot be decoded raises. Warnings are filtered for the whole process, so one thread
    at a time may enter; the threads of its pool are covered.
    """
    from PIL import Image

    log, nowhere = logging.getLogger("PIL"), logging.NullHandler()
    with _MUTED, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        log.addHandler(nowhere)
        try:
            yield
        finally:
            log.removeHandler(nowhere)


@dataclass(frozen=True, eq=False)
class PictureFiles:
    """Pixels that stand in one file an image.

    Attributes:
        root: the folder that the names start from.
        names: the files, in the dataset's order; a name may stand twice.
        known: the files that exist; any other name is reported missing and never opened.
        mode: grey or colour.
        size: width and height of every image.
        resize: whether an image of another size is brought to it, width and height each on its
            own; else it is a problem.
        other_size: what to do about an image of another size, where that is not to copy it anew.
    """

    root: Path
    names: Sequence[str]
    known: Container[str]
    mode: Mode
    size: tuple[int, int]
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
                with muted():
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
        if name not in self.known:
            raise PictureError("is missing")
        image, treated = read_picture(self.root / name, self.mode)
        if image.size != self.size:
            if not self.resize:
                (width, height), (wanted, high) = image.size, self.size
                raise PictureError(
                    f"is {width}x{height} pixels, expected {wanted}x{high}", self.other_size
                )
            treated += [RESIZED] + [STRETCHED] * (image.width != image.height)
            image = resized(image, self.size)
        return np.asarray(image), treated


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resample an image bilinearly, without aliasing when it shrinks: as views are resized."""
    from PIL import Image

    return image.resize(size, Image.Resampling.BILINEAR)


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

    with muted():
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
