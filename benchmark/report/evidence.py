"""Records under one selection rule: their frame, their confusion matrices, their logits."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.damage import ARCHIVE_ERRORS
from benchmark.errors import InputError
from benchmark.record import Confusion, Record, Split
from benchmark.report.frame import RECALL_PREFIX, tidy
from benchmark.report.marks import Judge
from benchmark.selection import RULES
from benchmark.store import Store


class Evidence:
    """What tables are made from. Logits are read from the store when a test asks for them.

    Attributes:
        rule: the selection rule.
        split: what the numbers are of; logits are kept of the test split alone.
        frame: a row for each record that can follow the rule and has the split.
        records: those records, by id.
        left_out: how many records are not there.
    """

    def __init__(
        self,
        records: Sequence[Record],
        rule: str,
        store: Store | None = None,
        *,
        split: Split = "test",
    ) -> None:
        self.rule, self.split = rule, split
        self.frame: pd.DataFrame = tidy(records, [rule], split=split)
        used = set(self.frame["id"]) if len(self.frame) else set()
        self.records = {record.id: record for record in records if record.id in used}
        self.left_out = len(records) - len(self.records)
        self._store = store if split == "test" else None
        self._label_arrays: dict[tuple[int, int], NDArray[Any]] = {}
        self._p_values: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, float]] = {}
        self._right_one: dict[str, tuple[NDArray[Any], NDArray[np.bool_]]] = {}
        self._right: dict[tuple[str, ...], tuple[NDArray[Any], NDArray[np.bool_]]] = {}

    def confusion(self, identity: str) -> Confusion:
        """Return the confusion matrix of the chosen epoch."""
        history = self.records[identity].history
        index = RULES[self.rule](history)
        assert index is not None  # otherwise the record would not be here
        matrix = history[index].confusion(self.split)
        assert matrix is not None
        return matrix

    @cached_property
    def judge(self) -> Judge | None:
        """The paired test between two entries, None where there are no logits."""
        return None if self._store is None else self._p_value

    def logits(self, identity: str) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Return logits (n, K) of the chosen epoch and labels (n,), None where they are not kept.

        Raises:
            InputError: the file of the logits is damaged or not the record's.
        """
        record = self.records[identity]
        index = RULES[self.rule](record.history)
        if self._store is None or record.logits.get(self.rule) != index:
            return None
        content = self._store.packed_logits(record)
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                return _array(archive, self.rule), self._labels(archive)
        except (KeyError, *ARCHIVE_ERRORS) as error:
            raise self._store.damaged_logits(record, str(error)) from error

    def _labels(self, archive: zipfile.ZipFile) -> NDArray[Any]:
        """Return the labels, unpacked once for all files whose labels have the same checksum."""
        info = archive.getinfo("label.npy")
        key = info.CRC, info.file_size
        if key not in self._label_arrays:
            self._label_arrays[key] = _array(archive, "label")
        return self._label_arrays[key]

    def _p_value(self, ids_a: Sequence[str], ids_b: Sequence[str], column: str) -> float | None:
        """Return the p-value of one column; those of all columns are worked out together."""
        key = tuple(ids_a), tuple(ids_b)
        if key not in self._p_values:
            self._p_values[key] = self._compare(*key)
        return self._p_values[key].get(column)

    def _compare(self, ids_a: tuple[str, ...], ids_b: tuple[str, ...]) -> dict[str, float]:
        from benchmark.crossed import deciding_p_values

        a, b = self._answers(ids_a), self._answers(ids_b)
        if a is None or b is None:
            return {}
        if not _same(a[0], b[0]):
            raise InputError(_other_images(ids_a[0], ids_b[0]))
        classes = self.records[ids_a[0]].classes
        return {
            key if isinstance(key, str) else f"{RECALL_PREFIX}{classes[key]}": p
            for key, p in deciding_p_values(a[0], a[1], b[1]).items()
        }

    def _answers(self, ids: tuple[str, ...]) -> tuple[NDArray[Any], NDArray[np.bool_]] | None:
        """Return labels (n,) and which images were recognised (runs, n); None if not kept."""
        if ids not in self._right:
            found = [self._right_of(identity) for identity in ids]
            known = [pair for pair in found if pair is not None]
            if len(known) < len(found):
                return None
            labels = known[0][0]
            for (other, _), identity in zip(known, ids, strict=True):
                if not _same(other, labels):
                    raise InputError(_other_images(ids[0], identity))
            self._right[ids] = labels, np.stack([right for _, right in known])
        return self._right[ids]

    def _right_of(self, identity: str) -> tuple[NDArray[Any], NDArray[np.bool_]] | None:
        if identity not in self._right_one:
            found = self.logits(identity)
            if found is None:
                return None
            logits, labels = found
            self._right_one[identity] = labels, logits.argmax(axis=1) == labels
        return self._right_one[identity]


def _same(labels: NDArray[Any], others: NDArray[Any]) -> bool:
    return labels is others or np.array_equal(labels, others)


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read one array and no other: unpacking those of the other rules takes most of the time."""
    with io.BytesIO(archive.read(f"{name}.npy")) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _other_images(first: str, second: str) -> str:
    return (
        f"the logits of {first[:12]} and {second[:12]} belong to different test images though "
        "their datasets are the same; run one of them again"
    )
