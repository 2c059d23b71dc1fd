"""What the chosen epoch of a record answered: which test images were right, and its logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.logits_file import LABEL, Arrays, opened, to_array
from benchmark.record import Record
from benchmark.selection import RULES
from benchmark.store import Store
from benchmark.whole import labels_of, logits_of

Labels = NDArray[np.int64]
Right = NDArray[np.bool_]


class Answers:
    """The one reader of stored logits; what was right is read once for each record."""

    def __init__(self, store: Store, rule: str) -> None:
        """Read from a store what ``rule``, a name of :data:`benchmark.selection.RULES`, chooses."""
        self._store = store
        self._rule = rule
        self._right: dict[str, tuple[Labels, Right]] = {}
        self._marked: dict[tuple[int, int] | None, Labels] = {}

    def of(self, records: Sequence[Record]) -> tuple[Labels, Right]:
        """Return labels (n,) and answers (S, n), a row a record.

        Raises:
            InputError: logits are not kept or damaged, or belong to different test images.
        """
        pairs = [self._of(record) for record in records]
        labels = pairs[0][0]
        for (other, _), record in zip(pairs, records, strict=True):
            if other is not labels:
                raise InputError(
                    f"the logits of {records[0].id[:12]} and {record.id[:12]} belong to different "
                    "test images though their datasets are the same; run one of them again"
                )
        return labels, np.stack([right for _, right in pairs])

    def logits(self, record: Record) -> tuple[NDArray[np.floating[Any]], Labels] | None:
        """Return logits (n, K) and labels (n,), None where none of the chosen epoch are kept.

        Raises:
            InputError: the file of the logits is damaged or not the record's.
        """
        name = kept_as(record, self._rule)
        if name is None:
            return None
        content = self._store.packed_logits(record)
        k = len(record.classes)
        try:
            with opened(content) as arrays:
                labels = self._labels_in(arrays, k)
                return logits_of(to_array(arrays.raw(name)), len(labels), k), labels
        except ValueError as error:
            raise self._store.damaged_logits(record, str(error)) from error

    def _of(self, record: Record) -> tuple[Labels, Right]:
        if record.id not in self._right:
            found = self.logits(record)
            if found is None:
                raise InputError(
                    f"record {record.id[:12]} holds no logits of --select {self._rule}; use last"
                )
            logits, labels = found
            self._right[record.id] = labels, np.asarray(logits.argmax(axis=1) == labels)
        return self._right[record.id]

    def _labels_in(self, arrays: Arrays, num_classes: int) -> Labels:
        """Return one array for all records of the same test images.

        Labels of the same length and checksum are unpacked once: thousands of records share them.
        """
        mark = arrays.mark(LABEL)
        if mark not in self._marked:
            labels = labels_of(to_array(arrays.raw(LABEL)), num_classes)
            same = (known for known in self._marked.values() if np.array_equal(known, labels))
            self._marked[mark] = next(same, labels)
        return self._marked[mark]


def kept_as(record: Record, rule: str) -> str | None:
    """Return the array of ``logits.npz`` that a rule's choice rests on, None where none is kept."""
    index = RULES[rule](record.history)
    return None if index is None else record.logits_name(index)
