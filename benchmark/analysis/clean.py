"""Accuracies without the test images whose pixels stand in the training set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis.answers import Answers
from benchmark.analysis.groups import Entry
from benchmark.stats.accuracy import accuracies

WORTH_SAYING = 0.5
"""Points that a number has to differ by on clean images to be given."""

Floats = NDArray[np.float64]


def clean_accuracies(entry: Entry, answers: Answers) -> tuple[Floats, Floats] | None:
    """Return overall and mean accuracy in percent on clean images, (S,) each, a number a run.

    None where marks or logits are not kept, or the marks are of other images.

    Args:
        entry: with runs.
        answers: of their store, to all images.

    Raises:
        InputError: marks or logits are damaged.
    """
    records = list(entry.runs.values())
    marked = answers.marks(entry.first)
    reading = answers.read(entry.decoration)
    if marked is None or not all(map(reading.keeps, records)):
        return None
    labels, right = reading.of(records)
    if not np.array_equal(marked.labels, labels):
        return None
    kept = marked.kept("clean")
    overall, mean = accuracies(labels[kept], right[:, kept], len(entry.first.classes))
    return 100 * overall, 100 * mean
