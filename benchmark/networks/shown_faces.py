"""Faces to be shown with what networks look at: named ones, or picked by a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.dataset import FaceDataset, Part
from benchmark.errors import InputError
from benchmark.networks.images import whole
from benchmark.networks.network import Network
from benchmark.stats.attention import heat
from benchmark.words import count

_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Face:
    """A picture as networks see it.

    Attributes:
        name: of the file, or which image of the dataset it is.
        pixels: uint8 (H, W) or (H, W, 3).
        label: its class, None for a picture that is not the dataset's.
    """

    name: str
    pixels: NDArray[np.uint8]
    label: int | None


@dataclass(frozen=True, eq=False)
class Look:
    """What one network finds in a face and in its mirror image.

    Attributes:
        heats: float64 (2, K, h, w), of the face and of its mirror, as the network gives them.
        predicted: the classes that it takes them for.
    """

    heats: NDArray[np.float64]
    predicted: tuple[int, int]


def look_at(network: Network, face: Face) -> Look:
    """Return what a network finds in a face.

    Raises:
        InputError: its method has no maps.
    """
    pair = [face.pixels, np.ascontiguousarray(face.pixels[:, ::-1])]
    one, other = (int(row.argmax()) for row in network.logits(pair))
    return Look(heat(network.attention(pair)), (one, other))


def named_faces(
    names: Sequence[str], dataset: FaceDataset | None, shape: tuple[int, ...] | None
) -> list[Face]:
    """Return faces by name.

    Args:
        names: files of pictures; or of the dataset's test images the file's name, or ``image N`` or
            ``N``, where N counts its images from 0 as ``fer-bench predictions export`` does.
        dataset: whose images may be meant, None where its files are not at hand.
        shape: of its images, which pictures are brought to.

    Raises:
        InputError: a name leads to nothing, or a picture cannot be used.
    """
    return [_named(name, dataset, shape) for name in names]


def picked_faces(
    networks: Sequence[Network],
    dataset: FaceDataset,
    right: NDArray[np.bool_],
    train_counts: Sequence[int],
    minor: int,
    number: int,
) -> list[Face]:
    """Return the test images on which the maps of a minor class differ most.

    Candidates are images of major classes (those with more than the average of training images)
    that all networks recognised; they differ by the heat that the first and the last network's maps
    of the minor class do not share, of one network by what its map and the mirrored face's do not.
    Of equals the earlier image comes first.

    Args:
        networks: one at least.
        dataset: of their cells.
        right: bool (S, n), which test images each network recognised.
        train_counts: training images of each class.
        minor: the class whose maps are compared.
        number: how many to pick.

    Raises:
        InputError: fewer images are left.
    """
    indices = dataset.indices(Part.TEST)
    major = np.asarray(train_counts) > np.mean(train_counts)
    major[minor] = False
    labels = dataset.labels[indices]
    chosen = np.flatnonzero(major[labels] & right.all(axis=0))
    if len(chosen) < number:
        raise InputError(
            f"--pick {number}: all networks recognised {count(len(chosen), 'test image')} of "
            "classes with more than the average of training images; pick fewer"
        )
    differences = _differences(networks, dataset.images[indices[chosen]], minor)
    order = np.argsort(-differences, kind="stable")[:number]
    return [_of_dataset(dataset, int(indices[chosen[place]])) for place in order]


def _differences(
    networks: Sequence[Network], images: NDArray[np.uint8], minor: int
) -> NDArray[np.float64]:
    """Return the heat that two maps of a class do not share, 0..1, (n,)."""
    found = []
    for start in range(0, len(images), _AT_ONCE):
        part = list(images[start : start + _AT_ONCE])
        one = networks[0].attention(part)[:, minor]
        if len(networks) > 1:
            other = networks[-1].attention(part)[:, minor]
        else:
            mirrored = [np.ascontiguousarray(pixels[:, ::-1]) for pixels in part]
            other = networks[0].attention(mirrored)[:, minor, :, ::-1]
        found.append(1 - np.minimum(heat(one), heat(other)).sum(axis=(-2, -1)))
    return np.concatenate(found)


def _named(name: str, dataset: FaceDataset | None, shape: tuple[int, ...] | None) -> Face:
    index = None if dataset is None else _index(name, dataset)
    if dataset is not None and index is not None:
        return _of_dataset(dataset, index)
    if not Path(name).is_file():
        tests = "" if dataset is None else f" or a test image of {dataset.name}"
        raise InputError(f"--faces: '{name}' is no file{tests}")
    (read,) = whole([name], shape)
    return Face(Path(name).name, read.pixels, None)


def _index(name: str, dataset: FaceDataset) -> int | None:
    """Return the test image of a name, None where there is none.

    Raises:
        InputError: several have it.
    """
    tests = dataset.indices(Part.TEST)
    number = name.removeprefix("image ")
    if number.isdecimal():
        return int(number) if int(number) in tests else None
    found = [i for i in tests if dataset.sources and _fits(dataset.sources[i], name)]
    if len(found) > 1:
        several = count(len(found), "test image")
        raise InputError(f"--faces: {several} of {dataset.name} are called '{name}'")
    return int(found[0]) if found else None


def _fits(source: str, name: str) -> bool:
    return name in (source, Path(source).name)


def _of_dataset(dataset: FaceDataset, index: int) -> Face:
    name = Path(dataset.sources[index]).name if dataset.sources else f"image {index}"
    return Face(name, np.asarray(dataset.images[index]), int(dataset.labels[index]))
