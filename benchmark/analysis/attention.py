"""What attention maps say, from the measures that lie beside records: averages and their test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis.answers import Answers, Labels
from benchmark.stats.averages import average_difference
from benchmark.stats.crossed import Contrast
from benchmark.store.attention_file import MEASURES, KeptAttention, Measures
from benchmark.store.logits_file import LABEL
from benchmark.store.record import Record
from benchmark.store.store import Store
from benchmark.store.whole import labels_of

CLAIMED = {f"map {name}": name for name in MEASURES}
"""The measures that a sentence can speak of, as claims call them."""

FINE_ENOUGH = 3
"""Places a side from which on a map can say where; with two, all have the same heat outside."""


@dataclass(frozen=True)
class Seen:
    """The measures of the images that count.

    Attributes:
        labels: (n,).
        measures: (n, K) by name; nan where a number says nothing of its class.
    """

    labels: Labels
    measures: Measures


class MapNumbers:
    """The one reader of measures of attention maps; each record is read once."""

    def __init__(self, store: Store, answers: Answers) -> None:
        """Read from a store, of the images that count for ``answers``."""
        self._store, self._answers = store, answers
        self._kept = KeptAttention(store)
        self._seen: dict[str, Seen | None] = {}

    def of(self, record: Record) -> Seen | None:
        """Return what was measured of a record, None where nothing was.

        Outside the face's centre counts for classes alone that the image does not show, and not at
        all where maps are too coarse to say.

        Raises:
            InputError: the measures are damaged, or nothing tells which images count.
        """
        if record.id not in self._seen:
            self._seen[record.id] = self._read(record)
        return self._seen[record.id]

    def by_image(self, record: Record, name: str) -> NDArray[np.float64] | None:
        """Return a measure's average over the classes of each image that has one, (n,).

        None where it was not measured, or says nothing of any.
        """
        seen = self.of(record)
        values = None if seen is None else seen.measures.get(name)
        if values is None or not (of_some := ~np.isnan(values).all(axis=1)).any():
            return None
        return np.asarray(np.nanmean(values[of_some], axis=1))

    def average(self, record: Record, name: str, label: int | None = None) -> float:
        """Return a measure's average over images, nan where there is none.

        Args:
            record: of the store.
            name: of the measure.
            label: of the maps' class; None for all: each image's average over classes first.
        """
        if label is None:
            over = self.by_image(record, name)
            return np.nan if over is None else float(over.mean())
        seen = self.of(record)
        values = None if seen is None else seen.measures.get(name)
        if values is None or np.isnan(values[:, label]).all():
            return np.nan
        return float(np.nanmean(values[:, label]))

    def difference(
        self, first: Sequence[Record], second: Sequence[Record], name: str
    ) -> tuple[float, float, Contrast] | None:
        """Return both averages and the paired test of their difference, None without measures.

        Args:
            first: a record a seed.
            second: of the same seeds.
            name: of the measure.
        """
        rows = [[self.by_image(record, name) for record in side] for side in (first, second)]
        if any(row is None for side in rows for row in side):
            return None
        a, b = (np.stack([row for row in side if row is not None]) for side in rows)
        return float(a.mean()), float(b.mean()), average_difference(a, b)

    def places(self, record: Record) -> tuple[int, int] | None:
        """Return height and width of a record's maps, None where they were not measured."""
        return self._kept.places(record)

    def _read(self, record: Record) -> Seen | None:
        measures = self._kept.get(record)
        if measures is None:
            return None
        labels = labels_of(self._store.logits(record, [LABEL])[LABEL], len(record.classes))
        counted = self._answers.counted(record, labels)
        found = {name: np.array(values[counted]) for name, values in measures.items()}
        labels = labels[counted]
        places = self._kept.places(record)
        if places is not None and max(places) < FINE_ENOUGH:
            found["outside"][:] = np.nan
        found["outside"][np.arange(len(labels)), labels] = np.nan
        return Seen(labels, found)
