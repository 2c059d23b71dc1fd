"""Labels and logits as a file: one array each, read alone and checked before it is used."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOGITS = "logits.npz"
VALIDATION = "validation.npz"
LABEL = "label"
LARGEST_FILE = 1 << 28
"""Bytes, packed or not; no cell is near it, and what would fill the memory stops here."""


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a file of arrays; logits are in float16, half the room, where no answer changes."""
    packed = io.BytesIO()
    halved = {name: _halved(array) for name, array in arrays.items()}
    np.savez_compressed(packed, allow_pickle=False, **halved)
    return packed.getvalue()


class Arrays:
    """The arrays of an open file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def names(self) -> list[str]:
        """Return what the arrays are called."""
        return [name.removesuffix(".npy") for name in self._archive.namelist()]

    def mark(self, name: str) -> tuple[int, int] | None:
        """Return checksum and length of one array, None where there is no such array."""
        try:
            info = self._archive.getinfo(f"{name}.npy")
        except KeyError:
            return None
        return info.CRC, info.file_size

    def raw(self, name: str) -> bytes:
        """Return the bytes of one array, header and all.

        Raises:
            ValueError: there is no such array, or it is too large.
        """
        try:
            info = self._archive.getinfo(f"{name}.npy")
        except KeyError:
            raise ValueError(f"it has no {name}") from None
        if info.file_size > LARGEST_FILE:
            raise ValueError(f"{name} is larger than {LARGEST_FILE >> 20} MiB")
        return self._archive.read(info)


@contextmanager
def opened(content: bytes) -> Iterator[Arrays]:
    """Open a file for reading single arrays.

    Raises:
        ValueError: its bytes are damaged, here or where an array is read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield Arrays(archive)
    except ValueError:
        raise
    except Exception as error:  # zipfile raises almost anything on other bytes
        raise ValueError(f"holds no arrays ({error})") from error


def read_arrays(content: bytes, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return arrays of a file by name; of no names, all.

    Raises:
        ValueError: one is missing, or its bytes are damaged.
    """
    with opened(content) as arrays:
        wanted = arrays.names() if names is None else names
        return {name: to_array(arrays.raw(name)) for name in wanted}


def to_array(raw: bytes) -> NDArray[Any]:
    """Return an array from the bytes of its ``.npy``.

    Raises:
        ValueError: they are none of an array of plain values.
    """
    long = raw[6:7] not in (b"", b"\x01")  # of the header's length: format 1.0 has two bytes for it
    start = 12 if long else 10
    start += int.from_bytes(raw[8:start], "little")
    shape, fortran, dtype = _layout(raw[:start])
    if dtype.hasobject or dtype.itemsize * math.prod(shape) != len(raw) - start:
        raise ValueError("an array is not as long as it says")
    return np.frombuffer(raw, dtype, offset=start).reshape(shape, order="F" if fortran else "C")


@lru_cache(maxsize=64)
def _layout(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of a ``.npy``: arrays of one shape share it, and parsing is slow."""
    stream = io.BytesIO(header)
    try:
        if np.lib.format.read_magic(stream) == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
        stream.seek(8)
        return np.lib.format.read_array_header_2_0(stream)
    except Exception as error:  # whatever other bytes make of a header
        raise ValueError("an array has no header") from error


def _halved(array: NDArray[Any]) -> NDArray[Any]:
    """Return logits (n, K) in float16, or as they are where an answer would change.

    What is stored must count as the record's confusion matrix counted it.
    """
    if array.dtype != np.float32 or array.ndim != 2:
        return array
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    same = np.isfinite(half).all() and np.array_equal(half.argmax(axis=1), array.argmax(axis=1))
    return half if same else array
