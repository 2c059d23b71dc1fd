"""Loading a dataset by its name, decoded once and then taken from the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmark.data import ferplus, folder, rafdb, synthetic
from benchmark.data.cache import cached_dataset
from benchmark.data.dataset import FaceDataset
from benchmark.data.source import Source
from benchmark.errors import InputError

FINDERS: dict[str, Callable[[Path | str | None], Source]] = {
    ferplus.NAME: ferplus.find,
    rafdb.NAME: rafdb.find,
    folder.NAME: folder.find,
    synthetic.NAME: synthetic.find,
}


def find_source(name: str, root: Path | str | None) -> Source:
    """Find the files of a dataset without reading a pixel.

    Raises:
        InputError: the name is unknown, or the files are not there.
    """
    if name not in FINDERS:
        raise InputError(f"no dataset is called '{name}'; known: {', '.join(FINDERS)}")
    return FINDERS[name](root)


def load_dataset(
    name: str, root: Path | str | None = None, *, cache_dir: Path | str | None = None
) -> FaceDataset:
    """Load a dataset.

    Args:
        name: ``ferplus``, ``raf-db``, ``folder`` or ``synthetic``.
        root: the folder that holds its files; ``synthetic`` needs none.
        cache_dir: where decoded images are kept; this user's cache folder by default.

    Returns:
        The dataset; its images are memory-mapped and read-only.

    Raises:
        InputError: the files are missing or wrong, or the cache cannot be written.
    """
    source = find_source(name, root)
    try:
        return cached_dataset(source, cache_dir)
    except InputError:
        if name != synthetic.NAME:
            raise
        return synthetic.synthetic_dataset()  # the embedded set needs no disk
