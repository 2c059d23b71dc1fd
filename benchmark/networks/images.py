"""Pictures of any kind and size, as the images that a network was trained on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark.data.decode import (
    STRETCHED,
    Mode,
    PictureError,
    brought_to,
    muted,
    open_picture,
    own_mode,
    probe_picture,
    read_picture,
)
from benchmark.data.pictures import workers
from benchmark.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

Picture: TypeAlias = "str | os.PathLike[str] | Image.Image | NDArray[np.uint8]"
"""A file, an image of Pillow's, or an array uint8 (H, W), (H, W, 1) or (H, W, 3), RGB."""

Pictures: TypeAlias = "Picture | Iterable[Picture]"
"""One picture, several, or a batch as one array: uint8 (N, H, W), (N, H, W, 1) or (N, H, W, 3)."""

_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Read:
    """One picture, read.

    Attributes:
        pixels: uint8, grey (H, W) or colour (H, W, 3).
        treated: what became of it on the way, in the words of :mod:`benchmark.data.decode`.
    """

    pixels: NDArray[np.uint8]
    treated: Sequence[str]


def as_list(pictures: Pictures) -> list[Picture]:
    """Return pictures one by one.

    An array of three dimensions whose last is 1, 3 or 4 is one picture (of 4 channels none that can
    be used), any other of three a batch of grey ones.

    Raises:
        InputError: it is nothing of the kind.
    """
    if isinstance(pictures, np.ndarray):
        if pictures.ndim == 4 or (pictures.ndim == 3 and pictures.shape[2] not in (1, 3, 4)):
            return list(pictures)
        return [pictures]
    if _is_one(pictures):
        return [pictures]  # type: ignore[list-item]
    try:
        return list(pictures)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"a {type(pictures).__name__} is no picture; {_TAKEN}") from None


def read_pictures(
    pictures: Sequence[Picture], shape: tuple[int, ...] | None
) -> Iterator[Read | PictureError]:
    """Yield each picture as a network's dataset would hold it, or what is wrong with it.

    Args:
        pictures: any number.
        shape: of the dataset's images, (H, W) or (H, W, 3); None where it is not known, and
            pictures keep their own size and are grey or coloured as they are.
    """
    with ThreadPoolExecutor(workers()) as pool:
        for start in range(0, len(pictures), _AT_ONCE):
            part = pictures[start : start + _AT_ONCE]
            with muted([_path(each) for each in part if not isinstance(each, np.ndarray)]):
                found = list(pool.map(lambda each: _read(each, shape), part))
            yield from found


def whole(
    pictures: Sequence[Picture], shape: tuple[int, ...] | None, first: int = 0
) -> Iterator[Read]:
    """Yield each picture as :func:`read_pictures` does.

    Args:
        pictures: some of those that a user gave.
        shape: of the dataset's images.
        first: the number of the first of them among all.

    Raises:
        InputError: one cannot be used.
    """
    for number, found in enumerate(read_pictures(pictures, shape)):
        if isinstance(found, PictureError):
            remedy = f"; {found.remedy}" if found.remedy else ""
            raise InputError(f"{_name(pictures[number], first + number)} {found}{remedy}")
        yield found


def _read(picture: Picture, shape: tuple[int, ...] | None) -> Read | PictureError:
    try:
        image, treated = _decoded(picture, None if shape is None else own_mode(len(shape) == 2))
    except PictureError as error:
        return error
    if shape is not None:
        image, changed = brought_to(image, (shape[1], shape[0]))
        treated += changed
    elif image.width != image.height:
        treated.append(STRETCHED)  # by the evaluation's own resampling
    return Read(np.array(image), treated)


def _decoded(picture: Any, mode: Mode | None) -> tuple[Image.Image, list[str]]:
    from PIL import Image

    if isinstance(picture, str | os.PathLike):
        path = Path(picture)
        return read_picture(path, mode or own_mode(probe_picture(path)))
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(_checked(picture))
    if not isinstance(picture, Image.Image):
        raise PictureError(f"is a {type(picture).__name__} and no picture", _TAKEN)
    if 0 in picture.size:
        raise PictureError("has no pixels")
    return open_picture(picture, mode)


def _checked(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype != np.uint8:
        raise PictureError(
            f"is an array of {array.dtype}", "give uint8 on the scale 0 to 255, not normalised"
        )
    grey = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if not (grey.ndim == 2 or (grey.ndim == 3 and grey.shape[2] == 3)) or not grey.size:
        raise PictureError(f"is an array of the shape {array.shape}", _TAKEN)
    return np.ascontiguousarray(grey)


_TAKEN = "give a path, an image of Pillow's, or an array of uint8 (H, W) or (H, W, 3)"


def _is_one(pictures: object) -> bool:
    from PIL import Image

    return isinstance(pictures, str | os.PathLike | Image.Image)


def _path(picture: Any) -> str:
    return os.fspath(picture) if isinstance(picture, str | os.PathLike) else ""


def _name(picture: Any, number: int) -> str:
    return _path(picture) or f"picture {number}"
