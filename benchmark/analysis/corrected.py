"""What entries answer after their logits are corrected for the training set's imbalance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis.answers import Answers
from benchmark.analysis.groups import Entry, Run
from benchmark.stats.accuracy import accuracies
from benchmark.stats.adjustment import right_by_tau

Right = NDArray[np.bool_]
Floats = NDArray[np.float64]


def corrected_answers(
    entry: Entry, answers: Answers
) -> tuple[list[Run], NDArray[np.int64], Right] | None:
    """Return the runs, the labels (n,), and whether each image is right at each tau, (S, T, n).

    None where logits of a run are not kept.

    Args:
        entry: with runs.
        answers: of their store.

    Raises:
        InputError: logits are damaged, or nothing tells which images count.
    """
    found = [answers.logits(record) for record in entry.runs.values()]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found):
        return None
    counts = [record.cell.class_counts for record in entry.runs.values()]
    if any(0 in of for of in counts):  # no share to correct by
        return None
    right = [
        right_by_tau(logits, labels, of) for (logits, labels), of in zip(known, counts, strict=True)
    ]
    return list(entry.runs), known[0][1], np.stack(right)


def corrected_accuracies(entry: Entry, answers: Answers) -> tuple[Floats, Floats] | None:
    """Return overall and mean accuracy in percent by run and tau, both (S, T); None as above.

    Args:
        entry: with runs.
        answers: of their store.

    Raises:
        InputError: as for :func:`corrected_answers`.
    """
    found = corrected_answers(entry, answers)
    if found is None:
        return None
    _, labels, right = found
    overall, mean = accuracies(labels, right, len(entry.first.classes))
    return 100 * overall, 100 * mean
