"""Records under one selection rule: their frame, their confusion matrices, their logits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analysis.answers import Answers, Labels
from benchmark.analysis.decoration import Decoration, rule_of
from benchmark.analysis.frame import row_of, tidy
from benchmark.analysis.groups import Entry, Run, can_follow, group_records
from benchmark.choices import Images
from benchmark.paper.published import RECALL_PREFIX
from benchmark.selection import rules
from benchmark.store.outdated import read_outdated
from benchmark.store.record import Confusion, Record, Split
from benchmark.store.store import Store

Judge = Callable[[Entry, Entry, Sequence[Run], str], float | None]
"""The two-sided p-value of a difference: an entry, another, runs that both have, a column; None
where what the test needs was not kept."""

_Reading = tuple[str, Decoration | None]
"""A record's id, and how it is read."""


class Measurements:
    """What tables are made from. Logits are read from the store when a test asks for them.

    Attributes:
        rule: the selection rule.
        split: what the numbers are of; logits are kept of the test split alone.
        images: which test images count.
        decorations: other readings of each row's records that stand below it.
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
        decorations: Sequence[Decoration] = (),
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
        self.decorations = tuple(decorations)
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
        rows = self.frame.to_dict("records")
        self._rows: dict[_Reading, Mapping[Any, Any]] = {(row["id"], None): row for row in rows}
        self._p_values: dict[tuple[tuple[_Reading, ...], ...], dict[str, float]] = {}

    def rows(self, entry: Entry) -> list[Mapping[Any, Any]]:
        """Return a row of the frame for each run of an entry, as its decoration reads it."""
        return [self._row(record, entry.decoration) for record in entry.runs.values()]

    def values(self, entry: Entry, column: str) -> list[float]:
        """Return the numbers of an entry's runs in a column of the frame, without missing ones."""
        found = [float(row.get(column, math.nan)) for row in self.rows(entry)]
        return [value for value in found if not math.isnan(value)]

    def confusions(self, entry: Entry) -> list[Confusion]:
        """Return the confusion matrix of each run's chosen epoch, of the images that count."""
        return [self.confusion_of(record, entry.decoration) for record in entry.runs.values()]

    def confusion_of(self, record: Record, decoration: Decoration | None = None) -> Confusion:
        """Return the confusion matrix of a record's chosen epoch, of the images that count."""
        if self.answers is not None:
            return self.answers.read(decoration).confusion(record)
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

    def logits(self, entry: Entry) -> list[tuple[NDArray[np.floating[Any]], Labels] | None]:
        """Return each run's logits (n, K) of the chosen epoch and labels (n,); None: not kept.

        Raises:
            InputError: the file of the logits is damaged or not the record's.
        """
        if self.answers is None:
            return [None] * len(entry.runs)
        reading = self.answers.read(entry.decoration)
        return [reading.logits(record) for record in entry.runs.values()]

    def _row(self, record: Record, decoration: Decoration | None) -> Mapping[Any, Any]:
        key = record.id, decoration
        if key not in self._rows:
            rule = rule_of(decoration, self.rule)
            row = row_of(record, rule, self.split, lambda one: self.confusion_of(one, decoration))
            assert row is not None  # whoever decorates has looked whether it can be read so
            self._rows[key] = row
        return self._rows[key]

    def _p_value(self, a: Entry, b: Entry, runs: Sequence[Run], column: str) -> float | None:
        """Return the p-value of one column; those of all columns are worked out together."""
        key = tuple(tuple((of.ids[run], of.decoration) for run in runs) for of in (a, b))
        if key not in self._p_values:
            self._p_values[key] = self._compare(a, b, runs)
        return self._p_values[key].get(column)

    def _compare(self, a: Entry, b: Entry, runs: Sequence[Run]) -> dict[str, float]:
        from benchmark.stats.paired import deciding_p_values

        answers = self.answers
        if answers is None or not all(
            answers.read(of.decoration).keeps(of.runs[run]) for of in (a, b) for run in runs
        ):
            return {}
        labels, right_a, right_b = answers.side_by_side(a, b, runs)
        classes = a.first.classes
        return {
            key if isinstance(key, str) else f"{RECALL_PREFIX}{classes[key]}": p
            for key, p in deciding_p_values(labels, right_a, right_b).items()
        }
