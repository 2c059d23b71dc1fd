"""What a network said of each test image, as CSV."""

from __future__ import annotations

import csv
import io

import numpy as np
from scipy.special import softmax

from benchmark.analysis.answers import Answers
from benchmark.data.marks import Mark, Marked
from benchmark.store.record import Record

_SUBSETS = (
    (Mark.EXACT, "exact copy"),
    (Mark.MIRRORED, "mirrored copy"),
    (Mark.NEAR, "near copy"),
)


def predictions_csv(record: Record, answers: Answers) -> str | None:
    """Return a row an image: its split, name, label, prediction and each class's probability.

    The last column says how the image stands in the training set: ``clean``, or a copy of which
    kind (the closest); it is empty, and images are numbered, where the store does not know.

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
    logits, labels = found
    marked = answers.marks(record)
    if marked is not None and not np.array_equal(marked.labels, labels):
        marked = None  # of other images
    probabilities = softmax(logits.astype(np.float64), axis=1)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [f"probability_{name}" for name in record.classes]
    writer.writerow(["split", "image", "label", "prediction", *columns, "subset"])
    for place, (label, row) in enumerate(zip(labels, probabilities, strict=True)):
        image, subset = _told(marked, place)
        said = record.classes[int(logits[place].argmax())]
        shares = [f"{share:.6f}" for share in row]
        writer.writerow(["test", image, record.classes[label], said, *shares, subset])
    return text.getvalue()


def _told(marked: Marked | None, place: int) -> tuple[str, str]:
    """Return an image's name and subset."""
    if marked is None:
        return str(place), ""
    mark = Mark(int(marked.marks[place]))
    subset = next((name for kind, name in _SUBSETS if kind in mark), "clean")
    return str(marked.names[place]), subset
