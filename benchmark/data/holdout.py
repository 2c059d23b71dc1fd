"""A validation split for a dataset that comes without one, drawn from its training images by class.

What comes of it is a dataset of its own, named like ``raf-db-holdout0.1``: its training set is
smaller than the one it was drawn from, so its numbers never stand where those of that one do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from benchmark.data.dataset import Part
from benchmark.data.source import Index, Source
from benchmark.errors import InputError
from benchmark.seeds import derive
from benchmark.words import count

HOLDOUT_SEED = 0
"""One for all training seeds and cut sets: what values are chosen by is the same for each."""

MOST = 0.5
"""The largest share of a class: more would train on less than what is only looked at."""

_NAMED = re.compile(r"(.+)-holdout(0\.[0-9]+)")


def held_out_name(name: str, fraction: float) -> str:
    """Return the name of a dataset from which a share of the training images is held out.

    Raises:
        InputError: the share is not above 0 and at most ``MOST``, or the name has another.
    """
    if not 0 < fraction <= MOST:
        raise InputError(f"--holdout {fraction:g}: must be above 0 and at most {MOST:g}")
    base, named = parted(name)
    if named not in (None, fraction):
        raise InputError(f"{name}: --holdout {fraction:g} is not what the name says; keep one")
    return f"{base}-holdout{Decimal(repr(fraction)):f}"


def parted(name: str) -> tuple[str, float | None]:
    """Return the dataset that a name starts from, and the share held out of it, None for none."""
    found = _NAMED.fullmatch(name)
    return (name, None) if found is None else (found[1], float(found[2]))


def held_out_note(name: str) -> str:
    """Return where the validation images of a dataset of that name are from; empty for its own."""
    fraction = parted(name)[1]
    if fraction is None:
        return ""
    return (
        f"Validation: {100 * fraction:g} % of the training images of each class, drawn by this "
        f"program (seed {HOLDOUT_SEED})."
    )


def held_count(images: int, fraction: float) -> int:
    """Return how many of a class's images are held out: the nearest number, halves rounded up.

    The fraction counts as it is written in decimals: 0.29 of 50 images is 14.5, not a little less.
    """
    return math.floor(Fraction(repr(fraction)) * images + Fraction(1, 2))


def counts_with(
    counts: Mapping[Part, tuple[int, ...]], fraction: float
) -> dict[Part, tuple[int, ...]]:
    """Return the images of each class in each part once a share of the training set is held out."""
    train = counts[Part.TRAIN]
    held = tuple(held_count(n, fraction) for n in train)
    left = tuple(n - taken for n, taken in zip(train, held, strict=True))
    return {**counts, Part.TRAIN: left, Part.VALIDATION: held}


def draw_holdout(
    labels: NDArray[np.int64], parts: NDArray[np.int8], classes: tuple[str, ...], fraction: float
) -> NDArray[np.int64]:
    """Draw the training images that become validation images.

    Each class is shuffled once, in the dataset's own order, and its first images are held out; so a
    larger share contains every smaller one.

    Args:
        labels: (N,), indices into ``classes``.
        parts: (N,), a :class:`Part` each.
        classes: the class names.
        fraction: the share of each class.

    Returns:
        int64, ascending indices into the dataset.

    Raises:
        InputError: a class would have no image for training or for validation.
    """
    members = [np.flatnonzero((parts == Part.TRAIN) & (labels == k)) for k in range(len(classes))]
    _check_smallest(dict(zip(classes, map(len, members), strict=True)), fraction)
    held = []
    for label, own in enumerate(members):
        order = np.random.default_rng(derive(HOLDOUT_SEED, "holdout", label)).permutation(len(own))
        held.append(own[order[: held_count(len(own), fraction)]])
    return np.sort(np.concatenate(held)).astype(np.int64)


def _check_smallest(images: Mapping[str, int], fraction: float) -> None:
    """Refuse where the smallest class, and so any, has no image for one of the two parts."""
    name, number = min(images.items(), key=lambda item: item[1])
    has = f"class '{name}' has {count(number, 'training image')}"
    if number < 2:
        raise InputError(f"{has}, and training and validation need one each; leave --holdout out")
    if held_count(number, fraction) < 1:
        least = math.ceil(50 / number) / 100
        raise InputError(
            f"{has}, of which --holdout {fraction:g} takes none, and validation needs one of each "
            f"class; pass {least:g} or more"
        )


def with_holdout(source: Source, fraction: float) -> Source:
    """Return a source whose validation images are drawn from another's training images.

    Raises:
        InputError: the dataset has a validation split of its own, or as :func:`held_out_name`;
            reading the index raises as :func:`draw_holdout`.
    """
    if source.has_validation:
        raise InputError(
            f"{source.name}: it has a validation split of its own; leave --holdout {fraction:g} out"
        )
    name = held_out_name(source.name, fraction)

    def read_index() -> Index:
        index = source.read_index()
        try:
            held = draw_holdout(index.labels, index.parts, index.classes, fraction)
        except InputError as error:
            raise InputError(f"{source.name}: {error}") from None
        parts = index.parts.copy()
        parts[held] = Part.VALIDATION
        of = count(int((index.parts == Part.TRAIN).sum()), "image")
        note = f"{held_out_note(name).rstrip('.')}: {len(held)} of {of}"
        return replace(index, parts=parts, notes=(*index.notes, note))

    return replace(source, name=name, read_index=read_index)
