"""What the chosen epoch of a record answered: which test images were right, and its logits."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis.decoration import CHOSEN, Decoration, Tau, rule_of
from benchmark.analysis.groups import Entry, Run
from benchmark.choices import Images
from benchmark.data.marks import Marked, Marks
from benchmark.errors import InputError
from benchmark.selection import rules
from benchmark.stats.accuracy import confusion_matrix
from benchmark.stats.adjustment import adjusted, choose_tau
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.logits_file import LABEL, LOGITS, VALIDATION, Arrays, opened, to_array
from benchmark.store.record import Confusion, Record, Split
from benchmark.store.store import Store
from benchmark.store.whole import labels_of, logits_of
from benchmark.words import short

Labels = NDArray[np.int64]
Right = NDArray[np.bool_]


class Answers:
    """The one reader of stored logits; what was right is read once for each record.

    Attributes:
        images: which test images count.
    """

    def __init__(self, store: Store, rule: str, images: Images = "all") -> None:
        """Read from a store what ``rule``, a name of :func:`benchmark.selection.rules`, chooses."""
        self.images = images
        self._store = store
        self._rule = rule
        self._tau: Tau | None = None
        self._taus: dict[str, float | None] = {}
        self._readings: dict[Decoration, Answers] = {}
        self._marks: dict[str, Marks | None] = {}
        self._counted: dict[tuple[int, str], Labels] = {}
        self._right: dict[str, tuple[Labels, Right]] = {}
        self._marked: dict[tuple[int, int] | None, Labels] = {}

    @property
    def rule(self) -> str:
        """The selection rule."""
        return self._rule

    @property
    def store(self) -> Store:
        """Where the records are."""
        return self._store

    def read(self, decoration: Decoration | None) -> Answers:
        """Return the answers to the same images as a decoration reads them; None is the plain way.

        They share what tells images apart, so that theirs stand beside the plain ones.
        """
        if decoration is None:
            return self
        if decoration not in self._readings:
            other = copy(self)
            other._rule, other._tau = rule_of(decoration, self._rule), decoration.tau
            other._right, other._taus = {}, {}
            self._readings[decoration] = other
        return self._readings[decoration]

    def of(
        self, records: Sequence[Record], decorations: Sequence[Decoration | None] | None = None
    ) -> tuple[Labels, Right]:
        """Return labels (n,) and answers (S, n), a row a record.

        Args:
            records: one at least.
            decorations: how each is read; None for all as they are.

        Raises:
            InputError: logits are not kept or damaged, or belong to different test images.
        """
        readings = map(self.read, decorations or [None] * len(records))
        pairs = [reading._of(record) for reading, record in zip(readings, records, strict=True)]
        labels = pairs[0][0]
        for (other, _), record in zip(pairs, records, strict=True):
            if other is not labels:
                raise InputError(
                    f"the logits of {short(records[0].id)} and {short(record.id)} belong to "
                    "different test images though their datasets are the same; run one of them "
                    "again"
                )
        return labels, np.stack([right for _, right in pairs])

    def side_by_side(self, a: Entry, b: Entry, runs: Sequence[Run]) -> tuple[Labels, Right, Right]:
        """Return labels (n,) and the answers (S, n) of two entries, a row a run that both have.

        Raises:
            InputError: as for :meth:`of`.
        """
        both = [(of.runs[run], of.decoration) for of in (a, b) for run in runs]
        labels, right = self.of([record for record, _ in both], [how for _, how in both])
        return labels, right[: len(runs)], right[len(runs) :]

    def keeps(self, record: Record) -> bool:
        """Whether logits of the chosen epoch are kept."""
        return kept_as(record, self._rule) is not None

    def tau(self, record: Record) -> float | None:
        """Return how far a record's logits are corrected, chosen on validation images if so wished.

        None where they are not, or where that cannot be chosen.

        Raises:
            InputError: validation logits are damaged.
        """
        if self._tau != CHOSEN:
            return self._tau
        if record.id not in self._taus:
            found, counts = self.validation_logits(record), record.cell.class_counts
            tau = choose_tau(*found, counts) if found is not None and len(found[1]) else None
            self._taus[record.id] = tau
        return self._taus[record.id]

    def confusion(self, record: Record) -> Confusion:
        """Return the confusion matrix of the images that count.

        Raises:
            InputError: not all count or they are corrected, and logits or marks are not there.
        """
        if self.images == "all" and self._tau is None:
            index = rules()[self._rule].choose(record.history)
            assert index is not None  # whoever asks has looked whether the rule can be followed
            return record.history[index].test
        found = self._found(record)
        matrix = confusion_matrix(found[1], found[0].argmax(axis=1), len(record.classes))
        return [[int(n) for n in row] for row in matrix]

    def marks(self, record: Record, split: Split = "test") -> Marked | None:
        """Return the marks of a split's images, None where the store does not have them.

        Raises:
            InputError: they are damaged.
        """
        fingerprint = record.cell.fingerprint
        if fingerprint not in self._marks:
            self._marks[fingerprint] = KeptMarks(self._store.root).get(fingerprint)
        found = self._marks[fingerprint]
        if found is None:
            return None
        return found.test if split == "test" else found.validation

    def logits(self, record: Record) -> tuple[NDArray[np.floating[Any]], Labels] | None:
        """Return logits (n, K) and labels (n,) of the images that count.

        None where no logits of the chosen epoch are kept.

        Raises:
            InputError: the file of the logits is damaged or not the record's, or nothing tells
                which images count.
        """
        everything = self._all_logits(record)
        if everything is None or self.images == "all":
            return everything
        logits, labels = everything
        kept = self._kept(record, self.marks(record), labels, self.images)
        # One array for all records of the same images, as for the labels of all of them; sets of
        # the same labels may differ in what is a copy.
        images = (id(labels), record.cell.fingerprint)
        return logits[kept], self._counted.setdefault(images, labels[kept])

    def counted(self, record: Record, labels: Labels) -> NDArray[np.bool_]:
        """Return which test images count, (n,).

        Args:
            record: of a finished cell.
            labels: of all of its test images, (n,).

        Raises:
            InputError: not all count, and nothing tells which.
        """
        if self.images == "all":
            return np.ones(len(labels), dtype=np.bool_)
        return self._kept(record, self.marks(record), labels, self.images)

    def validation_logits(
        self, record: Record, images: Images = "clean"
    ) -> tuple[NDArray[np.floating[Any]], Labels] | None:
        """Return logits (n, K) and labels (n,) of the validation images of the chosen epoch.

        None where they are not kept.

        Args:
            record: of a finished cell.
            images: which of them; by all, values would be chosen by copies of test images.

        Raises:
            InputError: the file of the logits is damaged or not the record's, or nothing tells
                which images are clean.
        """
        name = kept_as(record, self._rule, "validation")
        content = self._store.packed_validation(record)
        if name is None or content is None:
            return None
        k = len(record.classes)
        try:
            with opened(content) as arrays:
                labels = labels_of(to_array(arrays.raw(LABEL)), k)
                logits = logits_of(to_array(arrays.raw(name)), len(labels), k)
        except ValueError as error:
            raise self._store.damaged_file(record, VALIDATION, str(error)) from error
        if images == "all":
            return logits, labels
        kept = self._kept(record, self.marks(record, "validation"), labels, images)
        return logits[kept], labels[kept]

    def _kept(
        self, record: Record, marked: Marked | None, labels: Labels, images: Images
    ) -> NDArray[np.bool_]:
        """Return which images count, (n,).

        Raises:
            InputError: nothing tells, or marks of other images do.
        """
        cell = record.cell
        if marked is None:
            raise InputError(
                f"--images {images}: {self._store.root} does not say which images of "
                f"{cell.dataset} ({cell.fingerprint[:8]}) are copies; 'fer-bench data verify "
                f"{cell.dataset} --results {self._store.root}' finds them"
            )
        if not np.array_equal(marked.labels, labels):
            raise InputError(
                f"--images {images}: the marks of {cell.dataset} ({cell.fingerprint[:8]}) in "
                f"{self._store.root} are of other images than record {short(record.id)}; remove "
                "them and look for copies again with 'fer-bench data verify --results'"
            )
        return marked.kept(images)

    def _all_logits(self, record: Record) -> tuple[NDArray[np.floating[Any]], Labels] | None:
        name = kept_as(record, self._rule)
        if name is None:
            return None
        content = self._store.packed_logits(record)
        k = len(record.classes)
        try:
            with opened(content) as arrays:
                labels = self._labels_in(arrays, k)
                logits = logits_of(to_array(arrays.raw(name)), len(labels), k)
        except ValueError as error:
            raise self._store.damaged_file(record, LOGITS, str(error)) from error
        if self._tau is None:
            return logits, labels
        tau = self.tau(record)
        return None if tau is None else (adjusted(logits, record.cell.class_counts, tau), labels)

    def _of(self, record: Record) -> tuple[Labels, Right]:
        if record.id not in self._right:
            logits, labels = self._found(record)
            self._right[record.id] = labels, np.asarray(logits.argmax(axis=1) == labels)
        return self._right[record.id]

    def _found(self, record: Record) -> tuple[NDArray[np.floating[Any]], Labels]:
        found = self.logits(record)
        if found is None:
            raise InputError(
                f"record {short(record.id)} holds no logits of --select {self._rule}; use last"
            )
        return found

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


def kept_as(record: Record, rule: str, split: Split = "test") -> str | None:
    """Return the array of a split's logits that a rule's choice rests on, None where none is kept.

    Args:
        record: of a finished cell.
        rule: a name of :func:`benchmark.selection.rules`.
        split: of whose images.
    """
    index = rules()[rule].choose(record.history)
    return None if index is None else record.logits_name(index, split)
