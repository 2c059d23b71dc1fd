"""What lies between nodes and the driver, in a process of its own on the driver's machine.

Nodes leave here what there is to tell, and checkpoints where they do not see the store's folder. It
knows which attempt of each job counts: an older one, whose node was given up but lives on, is told
so and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from benchmark.write import put_file

Event = tuple[Any, ...]
"""The name of what happened, and what belongs to it."""


class News(NamedTuple):
    """What one attempt of a job told at once; nothing at all where it only lives."""

    job: int
    attempt: int
    events: Sequence[Event]


class Reached(Protocol):
    """The depot as a node reaches it."""

    def tell(self, job: int, attempt: int, events: Sequence[Event]) -> bool:
        """Leave events; False where the attempt no longer counts."""

    def keep(self, job: int, attempt: int, slug: str, content: bytes) -> bool:
        """Leave a cell's checkpoint; False where the attempt no longer counts."""

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return those files of the store that are there, by their names below its root."""


class Depot:
    """Takes what nodes send.

    Args:
        root: of the driver's store, in full.
    """

    def __init__(self, root: str) -> None:
        self._root = Path(root)
        self._counts: dict[int, int] = {}
        self._news: list[News] = []

    def expect(self, job: int, attempt: int | None) -> None:
        """Say which attempt of a job counts from now on; None for none any more."""
        if attempt is None:
            self._counts.pop(job, None)
        else:
            self._counts[job] = attempt

    def tell(self, job: int, attempt: int, events: Sequence[Event]) -> bool:
        """Leave events; False where the attempt no longer counts."""
        counts = self._counts.get(job) == attempt
        if counts:
            self._news.append(News(job, attempt, events))
        return counts

    def keep(self, job: int, attempt: int, slug: str, content: bytes) -> bool:
        """Leave a cell's checkpoint; False where the attempt no longer counts.

        Raises:
            OSError: it cannot be written.
        """
        counts = self._counts.get(job) == attempt
        folder = self._root / "running" / slug
        if counts and folder.is_dir():  # the driver removes it when the cell is finished
            put_file(folder / "checkpoint.pt", content)
        return counts

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return those files of the store that are there, by their names below its root."""
        files = {name: self._root / name for name in names}
        return {name: path.read_bytes() for name, path in files.items() if path.is_file()}

    def collect(self) -> list[News]:
        """Return what was told since the last call, in its order."""
        news, self._news = self._news, []
        return news
