"""What is known of each set that people hold under one name: its classes and contents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.data.dataset import EMOTIONS, Part
from benchmark.data.ferplus import EIGHT, EIGHT_EMOTIONS
from benchmark.data.ferplus import NAME as FERPLUS
from benchmark.data.holdout import held_out_note, parted
from benchmark.data.rafdb import CLASSES as RAFDB_CLASSES
from benchmark.data.rafdb import NAME as RAFDB
from benchmark.data.synthetic import NAME as SYNTHETIC
from benchmark.datasets import title_of


@dataclass(frozen=True)
class KnownSet:
    """One set, as its authors hand it out.

    Attributes:
        classes: in the order of its columns.
        counts: images of each class in each part.
        pictures: :func:`benchmark.data.evidence.picture_digest` of the real set, empty where nobody
            could compute it.
        consistent: whether the real set's repeated pictures always bear the same label.
    """

    classes: tuple[str, ...]
    counts: Mapping[Part, tuple[int, ...]]
    pictures: str = ""
    consistent: bool = False

    def of(self, part: Part) -> dict[str, int]:
        """Return the images of each class in one part."""
        return dict(zip(self.classes, self.counts[part], strict=True))


def dataset_title(name: str) -> str:
    """Return a dataset's name in print: its own for one that nobody else holds."""
    base, fraction = parted(name)
    title = title_of(base) or base
    if fraction is None:
        return title
    return f"{title} with {100 * fraction:g} % of training held out for validation"


def dataset_notes(name: str) -> list[str]:
    """Return the sentences that stand below every number of a dataset, as far as its name tells."""
    notes = [SYNTHETIC_NOTE] if name == SYNTHETIC else []
    return [*notes, *filter(None, [held_out_note(name)])]


# FERPlus: the training counts and the denominators of the published recalls; the validation set is
# what the majority rule keeps of fer2013new.csv. With contempt all three follow from that rule.
# RAF-DB: the counts of its authors. Its pictures may not be copied, so no digest of them is here.
KNOWN = {
    RAFDB: KnownSet(
        classes=RAFDB_CLASSES,
        counts={
            Part.TRAIN: (4772, 2524, 1982, 1290, 717, 705, 281),
            Part.VALIDATION: (0,) * 7,
            Part.TEST: (1185, 680, 478, 329, 160, 162, 74),
        },
    ),
    FERPLUS: KnownSet(
        classes=EMOTIONS,
        counts={
            Part.TRAIN: (8740, 7287, 3149, 3014, 2100, 532, 119),
            Part.VALIDATION: (1182, 865, 415, 351, 287, 62, 24),
            Part.TEST: (1090, 893, 396, 384, 273, 83, 18),
        },
        pictures="901e83cfde81960d8602c8bc04dc828b5ec74ea0582143c8374d59492000ea23",
        consistent=True,
    ),
    EIGHT: KnownSet(
        classes=EIGHT_EMOTIONS,
        counts={
            Part.TRAIN: (8740, 7287, 3149, 3014, 2100, 532, 119, 119),
            Part.VALIDATION: (1182, 865, 415, 351, 287, 62, 24, 13),
            Part.TEST: (1090, 893, 396, 384, 273, 83, 18, 16),
        },
        pictures="93d5476521f254867bb8633c0e7d0798687f0240c0a43531095fa2543a698018",
        consistent=True,
    ),
}

SYNTHETIC_NOTE = "Synthetic faces, drawn by the program: these numbers say nothing of real ones."
