"""What a network said of each test and validation image, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from benchmark.analysis.answers import Answers, Labels
from benchmark.data.marks import Mark, Marked
from benchmark.store.record import Record, Split

_SUBSETS = (
    (Mark.EXACT, "exact copy"),
    (Mark.MIRRORED, "mirrored copy"),
    (Mark.NEAR, "near copy"),
)


def predictions_csv(record: Record, answers: Answers) -> str | None:
    """Return a row an image: its split, name, label, prediction and each class's probability.

    The last column says how the image stands in the parts that it should not stand in: ``clean``,
    or a copy of which kind (the closest); it is empty, and images are numbered, where the store
    does not know. Validation images follow the test images where their logits are kept.

    Args:
        record: of a finished cell.
        answers: of its store, all images, and the rule that chooses the epoch.

    Returns:
        The text; None where no logits of that epoch are kept.

    Raises:
        InputError: logits or marks are damaged.
    """
    found = answers.logits(record)
    if found is None:
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [f"probability_{name}" for name in record.classes]
    writer.writerow(["split", "image", "label", "prediction", *columns, "subset"])
    writer.writerows(_rows(record, answers, "test", *found))
    validation = answers.validation_logits(record, "all")
    if validation is not None:
        writer.writerows(_rows(record, answers, "validation", *validation))
    return text.getvalue()


def _rows(
    record: Record,
    answers: Answers,
    split: Split,
    logits: NDArray[np.floating[Any]],
    labels: Labels,
) -> Iterator[list[str]]:
    marked = answers.marks(record, split)
    if marked is not None and not np.array_equal(marked.labels, labels):
        marked = None  # of other images
    probabilities = softmax(logits.astype(np.float64), axis=1)
    for place, (label, row) in enumerate(zip(labels, probabilities, strict=True)):
        image, subset = _told(marked, place)
        said = record.classes[int(logits[place].argmax())]
        shares = [f"{share:.6f}" for share in row]
        yield [split, image, record.classes[label], said, *shares, subset]


def _told(marked: Marked | None, place: int) -> tuple[str, str]:
    """Return an image's name and subset."""
    if marked is None:
        return str(place), ""
    mark = Mark(int(marked.marks[place]))
    subset = next((name for kind, name in _SUBSETS if kind in mark), "clean")
    return str(marked.names[place]), subset
