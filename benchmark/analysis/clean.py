"""Recalls and accuracies without the test images whose pixels stand in the training set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis.answers import Answers
from benchmark.analysis.groups import Entry
from benchmark.paper.published import RECALL_PREFIX
from benchmark.stats.accuracy import accuracies, recalls_of

WORTH_SAYING = 0.5
"""Points that a number has to differ by on clean images to be given."""

Floats = NDArray[np.float64]


def clean_numbers(entry: Entry, answers: Answers) -> dict[str, Floats] | None:
    """Return recalls, overall and mean accuracy in percent on clean images, (S,) by column.

    A class without clean images has nan. All is None where marks or logits are not kept, or the
    marks are of other images.

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
    names = entry.first.classes
    of_these = labels[kept], right[:, kept], len(names)
    each = recalls_of(*of_these).T
    found = {f"{RECALL_PREFIX}{name}": of for name, of in zip(names, each, strict=True)}
    found |= zip(("overall", "mean"), accuracies(*of_these), strict=True)
    return {column: 100 * of for column, of in found.items()}
