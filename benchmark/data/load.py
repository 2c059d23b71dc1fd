"""Loading a dataset by its name, decoded once and then taken from the cache."""

from __future__ import annotations

from pathlib import Path

from benchmark.data import ferplus, folder, synthetic
from benchmark.data.cache import cached_dataset
from benchmark.data.dataset import FaceDataset
from benchmark.data.holdout import parted, with_holdout
from benchmark.data.source import Source
from benchmark.datasets import datasets
from benchmark.errors import InputError

BY_CLASSES = {
    (ferplus.NAME, 7): ferplus.NAME,
    (ferplus.NAME, 8): ferplus.EIGHT,
    (ferplus.EIGHT, 8): ferplus.EIGHT,
}
"""The datasets that are one set with so many classes."""


def with_classes(name: str, classes: int | None) -> str:
    """Return the dataset that a set is with so many classes, itself if no number is given.

    Raises:
        InputError: the set does not come with that many classes.
    """
    if classes is None:
        return name
    if (name, classes) in BY_CLASSES:
        return BY_CLASSES[name, classes]
    known = ", ".join(f"{of} with {number}" for of, number in BY_CLASSES)
    raise InputError(f"{name}: --classes {classes} does not go with it; there are {known}")


def find_source(name: str, root: Path | str | None, *, resize: int | None = None) -> Source:
    """Find the files of a dataset without reading a pixel.

    Raises:
        InputError: the name is unknown, the files are not there, ``resize`` is out of bounds or
            for a dataset whose images are all of one size, or images are to be held out of a
            dataset that has a validation split.
    """
    name, fraction = parted(name)
    found = _find(name, root, resize)
    return found if fraction is None else with_holdout(found, fraction)


def _find(name: str, root: Path | str | None, resize: int | None) -> Source:
    if name not in datasets():
        raise InputError(f"no dataset is called '{name}'; known: {', '.join(datasets())}")
    if resize is None:
        found = datasets()[name].function("find")(root)
        if not isinstance(found, Source):
            raise InputError(f"{name}: find(root) returns {type(found).__name__}, not a Source")
        return found
    if name != folder.NAME:
        raise InputError(
            f"{name}: --resize is for {folder.NAME}, whose images may be of mixed sizes; leave it "
            "out: the protocol's image.size says what the network is fed"
        )
    return folder.find(root, resize=resize)


def load_dataset(
    name: str,
    root: Path | str | None = None,
    *,
    cache_dir: Path | str | None = None,
    resize: int | None = None,
) -> FaceDataset:
    """Load a dataset.

    Args:
        name: one of :func:`benchmark.datasets.datasets`; with a share of its training images held
            out for validation, such as ``raf-db-holdout0.1``.
        root: the folder that holds its files; ``synthetic`` needs none.
        cache_dir: where decoded images are kept; this user's cache folder by default.
        resize: height and width that every image of a ``folder`` dataset is brought to, each on its
            own; None leaves them, and they must be of one size.

    Returns:
        The dataset; its images are memory-mapped and read-only.

    Raises:
        InputError: the files are missing or wrong, or the cache cannot be written.
    """
    source = find_source(name, root, resize=resize)
    try:
        return cached_dataset(source, cache_dir)
    except InputError:
        if name != synthetic.NAME:
            raise
        return synthetic.synthetic_dataset()  # the embedded set needs no disk
