"""Records under one selection rule: their frame, their confusion matrices, their logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analysis.answers import Answers, Labels, kept_as
from benchmark.analysis.emphasis import Judge
from benchmark.analysis.frame import RECALL_PREFIX, tidy
from benchmark.analysis.groups import Entry, can_follow, group_records
from benchmark.choices import Images
from benchmark.selection import rules
from benchmark.store.outdated import read_outdated
from benchmark.store.record import Confusion, Record, Split
from benchmark.store.store import Store


class Measurements:
    """What tables are made from. Logits are read from the store when a test asks for them.

    Attributes:
        rule: the selection rule.
        split: what the numbers are of; logits are kept of the test split alone.
        images: which test images count.
        groups: the comparable groups of the records that can follow the rule and have the split.
        frame: a row for each record of the groups.
        records: those records, by id.
        answers: to what was asked on the images that count; None without a store, or of the other
            split.
        left_out: how many records cannot follow the rule or lack the split.
        store: where they are from, if it is known.
        outdated: what the store says of records of older versions of a method.
    """

    def __init__(
        self,
        records: Sequence[Record],
        rule: str,
        store: Store | None = None,
        *,
        split: Split = "test",
        older: bool = False,
        images: Images = "all",
    ) -> None:
        """Take records of one store.

        Args:
            records: all of them.
            rule: the selection rule.
            store: where their logits are, None where nothing asks for any.
            split: what the numbers are of.
            older: whether records of a method's older versions have rows of their own.
            images: which test images count.

        Raises:
            InputError: not all images count, and logits or marks are not there.
        """
        self.rule, self.split, self.images = rule, split, images
        self.groups = group_records(records, rule, split=split, older=older)
        used = {identity for group in self.groups for identity in group.records}
        self.records = {record.id: record for record in records if record.id in used}
        self.left_out = sum(not can_follow(record, rule, split) for record in records)
        self.store = store
        self.outdated = () if store is None else read_outdated(store.root)
        tested = store is not None and split == "test"
        self.answers = Answers(store, rule, images) if store and tested else None
        self.frame: pd.DataFrame = tidy(
            list(self.records.values()),
            [rule],
            split=split,
            confusion_of=None if images == "all" else self.confusion_of,
        )
        self._rows = {row["id"]: row for row in self.frame.to_dict("records")}
        self._p_values: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, float]] = {}

    def values(self, entry: Entry, column: str) -> list[float]:
        """Return the numbers of an entry's runs in a column of the frame, without missing ones."""
        found = [float(self._rows[one].get(column, math.nan)) for one in entry.ids.values()]
        return [value for value in found if not math.isnan(value)]

    def confusion(self, identity: str) -> Confusion:
        """Return the confusion matrix of the chosen epoch, of the images that count."""
        return self.confusion_of(self.records[identity])

    def confusion_of(self, record: Record) -> Confusion:
        """Return the confusion matrix of a record's chosen epoch, of the images that count."""
        if self.answers is not None:
            return self.answers.confusion(record)
        history = record.history
        index = rules()[self.rule].choose(history)
        assert index is not None  # otherwise the record would not be here
        matrix = history[index].confusion(self.split)
        assert matrix is not None
        return matrix

    @cached_property
    def judge(self) -> Judge | None:
        """The paired test between two entries, None where there are no logits."""
        return None if self.answers is None else self._p_value

    def logits(self, identity: str) -> tuple[NDArray[np.floating[Any]], Labels] | None:
        """Return logits (n, K) of the chosen epoch and labels (n,), None where they are not kept.

        Raises:
            InputError: the file of the logits is damaged or not the record's.
        """
        return None if self.answers is None else self.answers.logits(self.records[identity])

    def _p_value(self, ids_a: Sequence[str], ids_b: Sequence[str], column: str) -> float | None:
        """Return the p-value of one column; those of all columns are worked out together."""
        key = tuple(ids_a), tuple(ids_b)
        if key not in self._p_values:
            self._p_values[key] = self._compare(*key)
        return self._p_values[key].get(column)

    def _compare(self, ids_a: tuple[str, ...], ids_b: tuple[str, ...]) -> dict[str, float]:
        from benchmark.stats.paired import deciding_p_values

        records = [self.records[identity] for identity in ids_a + ids_b]
        if self.answers is None or any(kept_as(one, self.rule) is None for one in records):
            return {}
        labels, right = self.answers.of(records)
        a, b = right[: len(ids_a)], right[len(ids_a) :]
        classes = self.records[ids_a[0]].classes
        return {
            key if isinstance(key, str) else f"{RECALL_PREFIX}{classes[key]}": p
            for key, p in deciding_p_values(labels, a, b).items()
        }
