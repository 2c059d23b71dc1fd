"""The tables of measured numbers, a file each; ``report --detail`` offers what stands here.

A file ``<name>.py`` declares, as plain values at its top:

``HELP``   what it says, for ``--detail``;
``SPLIT``  ``"validation"`` where it is of that split, and no test image may be looked at;
``PLAIN``  why it has the rows of the records alone, and no decorated ones below them;
``MAPS``   True where it is of the final weights' attention maps, which are measured first where
           that was not done;
``TRIES``  True where it is of tries of ``fer-bench tune``, which it reads itself;
``LAST``   why it reads cells in one way, and leaves no choice of epochs and rows;
``NOTHING``  what is said where it has no table at all, if that can be;
``PLACE``  where it stands among the others; the first is what ``report`` prints by itself;

and ``build(measured, *, number, mixed)``, which returns its tables
(:class:`benchmark.report.sheet.Table`) from :class:`benchmark.analysis.measurements.Measurements`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from benchmark.offered import Offer, offers

if TYPE_CHECKING:
    from benchmark.store.record import Split


@cache
def details() -> dict[str, Offer]:
    """Return every table by its name but the first, which is no detail."""
    _, *others = offers(__name__).items()
    return dict(others)


def split_of(detail: str | None) -> Split:
    """Return the split that a detail is of."""
    split: Split = "test" if detail is None else details()[detail].facts.get("SPLIT", "test")
    return split
