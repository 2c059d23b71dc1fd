"""Pages beside stored cells: compared with the records, or written anew.

A file ``results/NAME/report.html`` is what ``fer-bench report --page`` writes of the store beside
it. Drawings are left out of the comparison: their paths differ from one Matplotlib to the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from generated_blocks import RUNS

from benchmark.analysis.measurements import Measurements
from benchmark.report.page.document import document
from benchmark.store.ledger import without_tries
from benchmark.store.store import Store

PAGE = "report.html"
DRAWING = re.compile(r"<svg\b.*?</svg>", re.DOTALL)


def stale_pages(root: Path) -> Iterator[str]:
    """Yield for each page below a checkout that its records do not tell where it differs.

    Raises:
        InputError: the store beside a page is damaged.
    """
    for path in _pages(root):
        pairs = zip_longest(_says(_fresh(path)), _says(path.read_text(encoding="utf-8")))
        for number, (fresh, kept) in enumerate(pairs, 1):
            if fresh != kept:
                yield f"{path.relative_to(root).as_posix()}:{number}: its records say otherwise"
                break


def write_pages(root: Path) -> Iterator[str]:
    """Write the pages below a checkout anew, and yield which have changed.

    Raises:
        InputError: the store beside a page is damaged; no page was written.
    """
    fresh = {path: _fresh(path) for path in _pages(root)}
    for path, text in fresh.items():
        if text != path.read_text(encoding="utf-8"):
            path.write_text(text, encoding="utf-8")
            yield path.relative_to(root).as_posix()


def _pages(root: Path) -> list[Path]:
    found = (root / "results").glob(f"*/{PAGE}")
    return sorted(path for path in found if path.parent != root / RUNS)


def _fresh(path: Path) -> str:
    store = Store(path.parent)
    records = without_tries(store.records(), store.root)
    return document(Measurements(records, "last", store))


def _says(text: str) -> list[str]:
    """Return the lines of a page without its drawings."""
    return DRAWING.sub("<svg/>", text).splitlines()
