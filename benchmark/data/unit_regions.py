"""Where the action units of the drawn faces are: what a class shares with a face of another class.

Fear and surprise share raised brows, wide eyes and the open mouth. On a surprised face the places
of these are where a network finds what fear looks like. They are exact: the same face is drawn once
more without the units, and where it changes is where they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.data.dataset import EMOTIONS, FaceDataset, Part
from benchmark.data.faces import Floats, draw_faces
from benchmark.data.synthetic import NAME, PROTOTYPES, Sitting, sittings, synthetic_faces

SEEN = 0.05
"""The least change of a pixel that counts, in parts of black to white: more than the noise of most
cameras here."""

_AT_ONCE = 32


def shared_units(label: int, other: int) -> tuple[int, ...]:
    """Return the action units that two emotions' prototypes share, by their indices."""
    both = set(PROTOTYPES[EMOTIONS[label]]) & set(PROTOTYPES[EMOTIONS[other]])
    return tuple(sorted(both))


def unit_regions(
    labels: Sequence[int] | NDArray[np.int64], *, seed: int | tuple[int, ...], size: int = 48
) -> NDArray[np.bool_]:
    """Return where each face shows the units that each class shares with it.

    Args:
        labels: as :func:`benchmark.data.synthetic.synthetic_faces` takes them.
        seed: of those faces.
        size: of those faces.

    Returns:
        bool (N, K, size, size), K the emotions; empty for the face's own class and for a class that
        shares no unit with it.
    """
    wanted = np.asarray(labels, dtype=np.int64)
    regions = np.zeros((len(wanted), len(EMOTIONS), size, size), np.bool_)
    for sitting in sittings(wanted, seed=seed, chunk=_AT_ONCE):
        whole = draw_faces(sitting.traits, sitting.units, size)
        for other in range(len(EMOTIONS)):
            regions[sitting.place, other] = _changed(sitting, other, whole, size)
    return regions


def regions_of(dataset: FaceDataset) -> NDArray[np.bool_] | None:
    """Return :func:`unit_regions` of a dataset's test images, None where they are not known.

    They are where the test images are those that the embedded set is drawn with.
    """
    tests = dataset.indices(Part.TEST)
    images, labels = dataset.images[tests], dataset.labels[tests]
    if dataset.name != NAME or images.ndim != 3:
        return None
    seed, size = (0, int(Part.TEST)), images.shape[1]
    if not np.array_equal(synthetic_faces(labels, seed=seed, size=size), images):
        return None
    return unit_regions(labels, seed=seed, size=size)


def _changed(sitting: Sitting, other: int, whole: Floats, size: int) -> NDArray[np.bool_]:
    """Return where faces (n, size, size) change without the units that they share with a class."""
    shares = [() if label == other else shared_units(int(label), other) for label in sitting.labels]
    without = {
        unit: np.where([unit in of for of in shares], np.float32(0), strength)
        for unit, strength in sitting.units.items()
    }
    changed: NDArray[np.bool_] = np.abs(draw_faces(sitting.traits, without, size) - whole) >= SEEN
    return changed
