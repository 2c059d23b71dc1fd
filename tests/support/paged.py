"""A store whose page has everything: several groups, one and several seeds, markup as text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from made_records import made_record
from numpy.typing import NDArray

from benchmark.store.record import Cell, Record
from benchmark.store.store import Store

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028'\""


def hostile_record() -> tuple[Record, dict[str, NDArray[np.generic]]]:
    """A record whose dataset, names, notes and facts are markup."""
    record, arrays = made_record("cb", None, 7, hyper={"beta": 0.999, "<b>x": 1.0})
    cell = Cell.model_validate({**record.cell.model_dump(), "dataset": "zoo<b>&amp;"})
    told = {**record.provenance, HOSTILE: HOSTILE, "command": [HOSTILE, "--x"]}
    return record.model_copy(
        update={
            "cell": cell,
            "id": cell.id,
            "method_title": f"CB {HOSTILE}",
            "classes": (f"neutral{HOSTILE}", *record.classes[1:]),
            "notes": (HOSTILE,),
            "provenance": told,
        }
    ), arrays


def paged_store(stored: Path, root: Path) -> Store:
    """The records of one store, and one of a group of its own that is full of markup."""
    kept = Store(root)
    for record in Store(stored).records():
        kept.add(record, Store(stored).logits(record))
    kept.add(*hostile_record())
    return kept
