"""What a network's attention maps say of each test image, as a file beside its record.

<root>/cells/<slug>/attention.npz    float16 (n, K) for each measure, the images' labels, of which
                                     weights they are, the size of a map, and the hash of all
                                     that

Worked out once from kept weights (:mod:`benchmark.networks.attention`); without it the cell is as
whole as before.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.store.cell_folder import ATTENTION
from benchmark.store.faults import attention_refusal, writing
from benchmark.store.logits_file import LABEL, LARGEST_FILE, read_arrays
from benchmark.store.record import Record
from benchmark.store.record_file import Damaged, read_file
from benchmark.store.store import Store
from benchmark.store.whole import labels_of
from benchmark.write import put_file

MEASURES = ("consistency", "overlap", "outside")
"""What is measured of every map; see :mod:`benchmark.stats.attention`."""
UNITS = ("on_units", "units_area")
"""On drawn faces: the share of heat on the units that the class shares, and of the image that these
take up; nan where the class shares none."""
VERSION = 1
"""Of the definitions: what another version measured counts as not there."""

Measures = Mapping[str, NDArray[np.floating[Any]]]
"""Arrays (n, K) by name: ``MEASURES``, and ``UNITS`` where they are known."""

_HEAD = ("label", "weights", "version", "places")
_HASH = "sha256"


def pack_measures(
    record: Record, labels: NDArray[np.int64], measures: Measures, places: tuple[int, int]
) -> bytes:
    """Return the file of a record's measures.

    Args:
        record: with kept weights.
        labels: of the test images, (n,).
        measures: of its maps.
        places: height and width of a map.
    """
    arrays: dict[str, NDArray[Any]] = {
        "label": labels.astype(np.int64),
        "weights": _bytes(record.weights_sha256 or ""),
        "version": np.array([VERSION]),
        "places": np.array(places, dtype=np.int64),
        **{name: np.asarray(of, dtype=np.float16) for name, of in measures.items()},
    }
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays, **{_HASH: _digest(arrays)})
    return packed.getvalue()


def read_measures(content: bytes, record: Record, labels: NDArray[Any]) -> Measures | None:
    """Return the measures that a file holds, float64 (n, K), None where another version made it.

    Args:
        content: of the file.
        record: that it lies beside.
        labels: of the test images, (n,), as the record's logits have them.

    Raises:
        ValueError: it is damaged, or of other weights or images.
    """
    arrays = read_arrays(content)
    expected = arrays.pop(_HASH, np.zeros(0))
    if not set(_HEAD) <= set(arrays) or not np.array_equal(_digest(arrays), expected):
        raise ValueError("it is not as it was written")
    if int(arrays["version"][0]) != VERSION:
        return None
    if not np.array_equal(arrays["weights"], _bytes(record.weights_sha256 or "")):
        raise ValueError("it is of other weights than its record")
    if not np.array_equal(arrays["label"], labels):
        raise ValueError("it is of other images than its record")
    found = {name: of.astype(np.float64) for name, of in arrays.items() if name not in _HEAD}
    shape = len(labels), len(record.classes)
    if not set(MEASURES) <= set(found) or any(of.shape != shape for of in found.values()):
        raise ValueError("it lacks a measure of its images")
    return found


class KeptAttention:
    """Reads and writes the measures beside a store's records."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def path(self, record: Record) -> Path:
        """Return where a record's measures stand."""
        return self._store.cells / record.cell.slug / ATTENTION

    def content(self, record: Record) -> bytes | None:
        """Return the file, which was checked, None where there is none.

        Raises:
            InputError: it is damaged, or of other weights or images.
            StorageError: the system cannot read it.
        """
        found = self._read(record)
        if isinstance(found, Damaged):
            raise attention_refusal(found)
        return None if found is None else found[0]

    def get(self, record: Record) -> Measures | None:
        """Return a record's measures, None where they were not worked out in this version.

        Raises:
            InputError: they are damaged, or of other weights or images.
            StorageError: the system cannot read them.
        """
        found = self._read(record)
        if isinstance(found, Damaged):
            raise attention_refusal(found)
        return None if found is None else found[1]

    def places(self, record: Record) -> tuple[int, int] | None:
        """Return height and width of a record's maps, None where they were not measured.

        Raises:
            InputError: the measures are damaged, or of other weights or images.
            StorageError: the system cannot read them.
        """
        content = self.content(record)
        if content is None:
            return None
        height, width = (int(side) for side in read_arrays(content, ["places"])["places"])
        return height, width

    def put(self, record: Record, content: bytes) -> None:
        """Lay measures beside their record, in one rename.

        Raises:
            StorageError: the store cannot be written to.
        """
        with writing(self._store.root):
            put_file(self.path(record), content)

    def damaged(self, records: Iterable[Record]) -> list[Damaged]:
        """Return the files that are not their records' or cannot be read."""
        read = map(self._read, records)
        return [found for found in read if isinstance(found, Damaged)]

    def _read(self, record: Record) -> tuple[bytes, Measures | None] | Damaged | None:
        path = self.path(record)
        try:
            content = read_file(path, LARGEST_FILE)
        except FileNotFoundError:
            return None
        except OSError as error:
            return Damaged.by_system(path, error, ATTENTION)
        except ValueError as error:
            return Damaged(path, f"{ATTENTION}: {error}")
        labels = labels_of(self._store.logits(record, [LABEL])[LABEL], len(record.classes))
        try:
            return content, read_measures(content, record, labels)
        except ValueError as error:
            return Damaged(path, f"{ATTENTION}: {error}")


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(bytes.fromhex(text), dtype=np.uint8)


def _digest(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Return the SHA-256 of arrays with their names, types and shapes, uint8 (32,)."""
    found = hashlib.sha256()
    for name, of in sorted(arrays.items()):
        found.update(f"{name} {of.dtype.str} {of.shape}\n".encode())
        found.update(np.ascontiguousarray(of).tobytes())
    return np.frombuffer(found.digest(), dtype=np.uint8)
