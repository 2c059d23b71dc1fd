"""Figures from stored records, a file each; ``fer-bench figure`` offers what stands here.

A file ``<name>.py`` declares, as plain values at its top:

``HELP``        what it shows;
``ALL_IMAGES``  True where it has no numbers of chosen test images alone, and ``WHY`` says why;
``PLAIN``       why it has no adjusted series beside the plain ones, where it has none;
``FACES``       True where it shows single faces, which are named or picked;
``TRIES``       True where it is of tries of ``fer-bench tune``, which it reads itself;
``WITHOUT_RECORDS``  True where it can be drawn from published numbers alone;
``PLACE``       where it stands among the others;

and ``draw(drawn)``, which returns the figure of one comparable group
(:class:`benchmark.report.drawing.drawn.Drawn`); or ``drawings(records, wanted, store)``, which
returns all of its figures, where they are not of such groups.
"""

from __future__ import annotations

from functools import cache

from benchmark.offered import Offer, offers


@cache
def figures() -> dict[str, Offer]:
    """Return every figure by its name."""
    return offers(__name__)
