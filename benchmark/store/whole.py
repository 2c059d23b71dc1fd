"""Whether a finished cell is whole: its record answers for its numbers, and its logits for them.

The one place that says so. Every command that prints a number asks the store for records, and the
store gives none that did not pass here; what arrives from elsewhere passes here before it is added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.stats.accuracy import confusion_matrix
from benchmark.store.logits_file import LABEL, LOGITS, VALIDATION, Arrays, opened, to_array
from benchmark.store.record import Confusion, Record

_FLOATS = (2, 4, 8)  # bytes of half, single and double


def check_whole(record: Record, content: bytes, validation: bytes | None = None) -> None:
    """Make sure that a record's numbers follow from its logits where those are kept.

    Args:
        record: that agrees with itself and with its id, as `benchmark.store.record_file` reads it.
        content: the bytes of its ``logits.npz``.
        validation: those of its ``validation.npz``, where it has one.

    Raises:
        ValueError: what is wrong.
    """
    matrices = [entry.test for entry in record.history]
    _check_file(LOGITS, content, record.logits_sha256, record.logits, matrices)
    if record.validation_sha256 is not None:
        seen = [entry.validation for entry in record.history if entry.validation is not None]
        if validation is None or not seen:
            raise ValueError(f"{VALIDATION}: is missing")
        _check_file(VALIDATION, validation, record.validation_sha256, record.validation, seen)


def _check_file(
    name: str,
    content: bytes,
    expected: str | None,
    kept: Mapping[str, int],
    matrices: Sequence[Confusion],
) -> None:
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise ValueError(f"{name}: not the file of its record")
    try:
        with opened(content) as arrays:
            _check_matrices(arrays, kept, matrices)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _check_matrices(arrays: Arrays, kept: Mapping[str, int], matrices: Sequence[Confusion]) -> None:
    k = len(matrices[0])
    labels = labels_of(to_array(arrays.raw(LABEL)), k)
    if np.bincount(labels, minlength=k).tolist() != list(map(sum, matrices[0])):
        raise ValueError("its labels are not those that the confusion matrices count")
    passed: set[tuple[bytes, int]] = set()  # the last epoch is often the best one, too
    for name, index in kept.items():
        raw = arrays.raw(name)
        if (raw, index) in passed:
            continue
        logits = logits_of(to_array(raw), len(labels), k)
        found = confusion_matrix(labels, logits.argmax(axis=1), k)
        if found.tolist() != matrices[index]:
            raise ValueError(f"{name} gives another confusion matrix than epoch {index + 1} has")
        passed.add((raw, index))


def labels_of(array: NDArray[Any], num_classes: int) -> NDArray[np.int64]:
    """Return labels (n,), int64.

    Raises:
        ValueError: the array holds something else, or a label outside of 0..K-1.
    """
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError("its labels are not a list of whole numbers")
    if len(array) and not 0 <= array.min() <= array.max() < num_classes:
        raise ValueError(f"its labels are not in 0..{num_classes - 1}")
    return array.astype(np.int64, copy=False)


def logits_of(array: NDArray[Any], images: int, num_classes: int) -> NDArray[np.floating[Any]]:
    """Return logits (n, K), in single precision at least: what is computed with halves is slow.

    Raises:
        ValueError: the array has another shape or type, or a number that is not finite.
    """
    if array.shape != (images, num_classes):
        raise ValueError(f"its logits are {array.shape}, not {(images, num_classes)}")
    if array.dtype.kind != "f" or array.dtype.itemsize not in _FLOATS:
        raise ValueError("its logits are not floating-point numbers")
    logits = array.astype(np.promote_types(array.dtype, np.float32), copy=False)
    if not np.isfinite(logits).all():
        raise ValueError("its logits are not all finite")
    return logits
