"""How a figure looks: colours with markers and dashes, the style file, text of others made safe."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from matplotlib import style

from benchmark.resources import asset

PALETTE = (
    "#656364",
    "#578dff",
    "#adad7d",
    "#c849a9",
    "#86c8dd",
    "#ff5e02",
    "#1845fb",
    "#c91f16",
)
"""Eight colours that stay apart under the common colour-vision deficiencies.

Source: Petroff, "Accessible Color Sequences for Data Visualization", arXiv:2107.02270, the sequence
of eight, in another order: grey for the baseline, red for MEK.
"""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p")
DASHES: tuple[Any, ...] = (
    (0, (1, 1)),
    (0, (5, 1.5)),
    (0, (2.5, 1)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (9, 1.5)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (6, 1, 2, 1)),
    "-",
)
LABEL_LENGTH = 40


class Look(NamedTuple):
    """How one series is drawn; colour, marker and dashes each tell it from its neighbours."""

    color: str
    marker: str
    dashes: Any

    @property
    def size(self) -> float:
        """Return the marker's size in points: thin shapes are larger, to weigh the same."""
        return {"*": 6.5, "X": 4.8, "P": 4.8, "D": 3.8}.get(self.marker, 4.2)


def look(slot: int) -> Look:
    """Return the look of a slot; no two of the first 88 slots agree in all three."""
    return Look(
        PALETTE[slot % len(PALETTE)], MARKERS[slot % len(MARKERS)], DASHES[slot % len(DASHES)]
    )


def styled() -> AbstractContextManager[None]:
    """Use the style of fer-bench, and nothing of the user's own, while a figure is made."""
    return style.context(asset("templates/figures.mplstyle"), after_reset=True)


def plain(text: str, length: int = LABEL_LENGTH) -> str:
    """Return text of others as one short printable line.

    Maths is off in the style, so dollars and backslashes are drawn as they stand.
    """
    words = " ".join(text.split())
    flat = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"
