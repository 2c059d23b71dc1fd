"""One image file to pixels, as a viewer shows it, or one line on why not."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL import Image

# Pillow knows more formats, some of which start other programs; a dataset of faces needs no others.
IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "PPM", "WEBP", "TIFF", "GIF")
_TIFF = (".tif", ".tiff")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".webp", *_TIFF, ".gif")


def is_image(name: str) -> bool:
    """Return whether a file is taken for an image, by the ending of its name."""
    return name.lower().endswith(SUFFIXES)


GREY_MODES = ("1", "L", "LA")

GROUND = (0, 0, 0)
"""What lies below transparency. Black, as aligned faces have it where the picture ended, and as it
mostly stands below the transparent pixels of faces that were cut out."""

# What is done to an image on the way, as the words of a note that ends with the number of images.
TURNED = "images turned upright, as their EXIF orientation says"
LAID = "images with transparent pixels, laid on black"
FIRST = "files of several pictures (frames or pages), of which the first was taken"
RESIZED = "images that had another size"
STRETCHED = "images of other proportions, so that their faces are stretched"

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
        return _as_shown(image, mode)


def open_picture(image: Image.Image, mode: Mode | None) -> tuple[Image.Image, list[str]]:
    """Return an image that somebody has opened as :func:`read_picture` does a file.

    Args:
        image: of Pillow's.
        mode: see there; None for grey if it is grey, else colour.

    Raises:
        PictureError: it cannot be decoded, or has more than 8 bits a channel.
    """
    try:
        _check_depth(image)
        return _as_shown(image, mode or own_mode(image.mode in GREY_MODES))
    except PictureError:
        raise
    except Exception as error:
        raise _as_picture_error(error) from None


def own_mode(grey: bool) -> Mode:
    """Return the mode of grey or colour images."""
    return "L" if grey else "RGB"


def brought_to(image: Image.Image, size: tuple[int, int]) -> tuple[Image.Image, list[str]]:
    """Return an image in a size, width and height each resampled on its own, and what was done."""
    if image.size == size:
        return image, []
    stretched = image.width * size[1] != image.height * size[0]
    return resized(image, size), [RESIZED] + [STRETCHED] * stretched


def _as_shown(image: Image.Image, mode: Mode) -> tuple[Image.Image, list[str]]:
    treated = [FIRST] if getattr(image, "is_animated", False) else []
    # Pillow turns TIFF as it loads it, and forgets the tag; a PNG tells only when it is loaded.
    before = _orientation(image) if image.format == "TIFF" else _UPRIGHT
    image.load()
    turned = max(before, _orientation(image)) != _UPRIGHT
    upright = _turned(image)
    flat = _on_ground(upright)
    treated += [TURNED] * turned + [LAID] * (flat is not upright)
    return flat.convert(mode), treated


def _check_depth(image: Image.Image) -> None:
    if image.mode == "F" or image.mode.startswith("I"):
        raise PictureError(
            f"has more than 8 bits a channel (mode {image.mode})", "save it with 8 bits"
        )


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
    except Exception as error:  # EXIF's decoders raise nearly anything; viewers show the picture
        if isinstance(error, OSError) and error.errno:  # but the disk's fault is none of its own
            raise
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
            image = Image.open(self.path, formats=IMAGE_FORMATS)
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
        try:
            _check_depth(image)
        except PictureError:
            image.close()
            raise
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
    return "an empty file" if path.stat().st_size == 0 else f"none of {', '.join(IMAGE_FORMATS)}"


@contextmanager
def muted(names: Sequence[str]) -> Iterator[None]:
    """Keep Pillow's warnings and log lines off the terminal; its warning of a bomb is raised.

    What they say of a file that can be decoded all the same (a tag out of place) changes no pixel;
    a file that cannot be decoded raises. Warnings are filtered for the whole process, so one thread
    at a time may enter; the threads of its pool are covered.

    Args:
        names: of the files that are decoded meanwhile.
    """
    from PIL import Image

    log, nowhere = logging.getLogger("PIL"), logging.NullHandler()
    tiff = any(name.lower().endswith(_TIFF) for name in names)
    with _MUTED, _system_muted() if tiff else nullcontext(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        log.addHandler(nowhere)
        try:
            yield
        finally:
            log.removeHandler(nowhere)


@contextmanager
def _system_muted() -> Iterator[None]:
    """Keep libtiff's own lines off the terminal: it writes them past Python and past Pillow."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no such stream
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resample an image bilinearly, without aliasing when it shrinks: as views are resized."""
    from PIL import Image

    return image.resize(size, Image.Resampling.BILINEAR)
