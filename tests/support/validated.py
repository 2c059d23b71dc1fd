"""Made records with the logits of their validation images, as this version's training leaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.data.marks import Mark, Marked, Marks
from benchmark.speed.made import answering
from benchmark.stats.accuracy import confusion_matrix
from benchmark.store.record import Record

Arrays = dict[str, NDArray[np.generic]]


def with_validation(record: Record, test: NDArray[np.int64]) -> tuple[Record, Arrays, Marks]:
    """The record with validation logits and clean matrices, those arrays, and marks to put beside.

    Every third validation image is an exact copy, every third test image a mirrored one.
    """
    arrays: Arrays = {}
    kept: dict[str, int] = {}
    history = []
    for index, entry in enumerate(record.history):
        assert entry.validation is not None
        found = answering(entry.validation, index)
        labels, logits = found["label"], found["last"]
        copies = np.arange(len(labels)) % 3 == 0
        clean = confusion_matrix(labels[~copies], logits.argmax(1)[~copies], len(record.classes))
        history.append(entry.model_copy(update={"clean_validation": clean.tolist()}))
        if (name := record.logits_name(index)) is not None:
            arrays[name], kept[name] = logits, index
    arrays["label"] = labels
    mirrored = np.where(np.arange(len(test)) % 3 == 0, np.uint8(Mark.MIRRORED), np.uint8(0))
    marks = Marks(_marked(test, mirrored), _marked(labels, copies * np.uint8(Mark.EXACT)))
    update = {"history": history, "validation": kept, "marks_sha256": marks.digest}
    return record.model_copy(update=update), arrays, marks


def _marked(labels: NDArray[np.int64], marks: NDArray[np.uint8]) -> Marked:
    names = np.array([f"image {i}" for i in range(len(labels))], dtype=np.str_)
    return Marked(names, labels, marks)
