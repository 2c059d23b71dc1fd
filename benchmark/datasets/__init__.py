"""Datasets, a file each: where their files are and what is in them.

A file ``<name>.py``, of which ``_`` becomes ``-``, has ``find(root)``, which returns the
:class:`benchmark.data.source.Source` that it finds below a folder without reading a pixel. As plain
values at its top it may declare ``TITLE``, its name in print, and ``PLACE``, where it stands among
the others. What was published of a set, its counts, stands in :mod:`benchmark.data.known`. The list
of datasets is read without importing them.
"""

from __future__ import annotations

from functools import cache

from benchmark.offered import Offer, offers


def title_of(name: str) -> str | None:
    """Return a dataset's name in print, None of one that declares none or is not at hand."""
    return datasets()[name].facts.get("TITLE") if name in datasets() else None


@cache
def datasets() -> dict[str, Offer]:
    """Return every dataset by its name."""
    return {name.replace("_", "-"): offer for name, offer in offers(__name__).items()}
