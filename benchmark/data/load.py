"""Loading a dataset by its name, decoded once and then taken from the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmark.data import ferplus, folder, rafdb
from benchmark.data.cache import cached_dataset
from benchmark.data.dataset import FaceDataset
from benchmark.data.source import Source
from benchmark.errors import InputError

FINDERS: dict[str, Callable[[Path | str | None], Source]] = {
    ferplus.NAME: ferplus.find,
    rafdb.NAME: rafdb.find,
    folder.NAME: folder.find,
}
SYNTHETIC = "synthetic"


def find_source(name: str, root: Path | str | None) -> Source:
    """Find the files of a dataset without reading a pixel.

    Raises:
        InputError: the name is unknown, or the files are not there.
    """
    if name not in FINDERS:
        known = ", ".join((SYNTHETIC, *FINDERS))
        raise InputError(f"no dataset is called '{name}'; known: {known}")
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
        The dataset; its images are memory-mapped and read-only, but for ``synthetic``.

    Raises:
        InputError: the files are missing or wrong, or the cache cannot be written.
    """
    if name == SYNTHETIC:
        from benchmark.data.synthetic import synthetic_dataset

        return synthetic_dataset()
    return cached_dataset(find_source(name, root), cache_dir)
