"""Which cell's folder is meant: a path, or a name in a store."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

from benchmark.errors import InputError
from benchmark.store.record_file import RECORD
from benchmark.store.store import Store
from benchmark.words import DIGITS, count

_SHOWN = 5


def find_folder(model: str | os.PathLike[str], results: Path) -> Path:
    """Return the folder of a cell.

    Args:
        model: the folder itself; or in the store the name of a cell such as ``mek-ferplus-150-s0``,
            a pattern of names that fits one cell, the name of its folder, or its id.
        results: the store that is looked into where no such folder is there.

    Raises:
        InputError: no cell or several are meant, or there is no store.
    """
    folder = Path(model)
    if (folder / RECORD).is_file():
        return folder
    if folder.is_dir():
        raise InputError(
            f"{folder}: holds no {RECORD}; give the folder of one finished cell, such as "
            "results/runs/cells/NAME"
        )
    store = Store(results)
    store.require()
    slugs = sorted(path.parent.name for path in store.cells.glob(f"*/{RECORD}"))
    wanted = os.fspath(model)
    found = [slug for slug in slugs if _is_meant(slug, wanted)]
    if not found:
        shown = "; its cells: " + _some(slugs) if slugs else ", which holds no finished cell"
        raise InputError(f"no cell '{wanted}' in {results}{shown}")
    if len(found) > 1:
        raise InputError(
            f"'{wanted}' fits {count(len(found), 'cell')} of {results}: {_some(found)}; name one"
        )
    return store.cells / found[0]


def _is_meant(slug: str, wanted: str) -> bool:
    name, _, digits = slug.rpartition("-")
    by_id = len(wanted) >= DIGITS and wanted.startswith(digits)
    return by_id or fnmatchcase(name, wanted) or fnmatchcase(slug, wanted)


def _some(slugs: list[str]) -> str:
    more = f" and {len(slugs) - _SHOWN} more" if len(slugs) > _SHOWN else ""
    return ", ".join(slugs[:_SHOWN]) + more
