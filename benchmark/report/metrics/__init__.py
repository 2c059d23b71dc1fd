"""The metrics of the summary, a file each: a column of ``report --detail summary``.

A file ``<name>.py`` declares, as plain values at its top:

``TITLE``  the header of its column;
``NOTE``   what it is, below the table, where that has to be said;
``PLACE``  where it stands among the others;

and ``values(runs)``, which returns the metric of each run (:class:`Seen`) in 0..1, nan where it is
not known; where something is to stand beside the number, ``remark(runs)`` returns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.offered import Offer, offers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.store.record import Confusion


@dataclass(frozen=True, eq=False)
class Seen:
    """What is known of one run.

    Attributes:
        classes: their names.
        confusion: the confusion matrix of the epoch and the images that count.
        train_counts: training images of each class.
        answers: logits (n, K) and labels (n,) of the same images; None where they are not kept.
    """

    classes: Sequence[str]
    confusion: Confusion
    train_counts: Sequence[int]
    answers: tuple[NDArray[np.floating[Any]], NDArray[np.int64]] | None


@dataclass(frozen=True)
class Metric:
    """What a file of this folder declares.

    Attributes:
        title: the header of its column.
        note: what it is; empty where that goes without saying.
        offer: the file.
    """

    title: str
    note: str
    offer: Offer

    def values(self, runs: Sequence[Seen]) -> list[float]:
        """Return the metric of each run in 0..1, nan where it is not known."""
        found: list[float] = self.offer.function("values")(runs)
        return found

    def remark(self, runs: Sequence[Seen]) -> str:
        """Return what stands beside the number, mostly nothing."""
        tell = getattr(self.offer.load(), "remark", None)
        return "" if tell is None else str(tell(runs))


def metrics() -> dict[str, Metric]:
    """Return every metric by its name."""
    return {
        name: Metric(offer.facts["TITLE"], offer.facts.get("NOTE", ""), offer)
        for name, offer in offers(__name__).items()
    }
