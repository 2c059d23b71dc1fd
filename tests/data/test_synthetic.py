"""The embedded faces: the same ones every time, moved where the action units say, learnable."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.data import faces, synthetic
from benchmark.data.dataset import EMOTIONS, FaceDataset, Part
from benchmark.data.imbalance import counts_for, draw_split
from benchmark.data.synthetic import synthetic_dataset, synthetic_faces
from benchmark.errors import InputError

SIZE = 48
MIXED = np.arange(70) % len(EMOTIONS)


@pytest.fixture(scope="module")
def dataset() -> FaceDataset:
    return synthetic_dataset()


def draw(active: dict[int, float], size: int = SIZE) -> NDArray[np.floating]:
    """One average face with some action units."""
    units = {u: np.full(1, active.get(u, 0), np.float32) for u in faces.ACTION_UNITS}
    return faces.draw_faces(faces.middle_traits(1), units, size)[0]


def test_faces_are_grey_bytes_of_the_size_asked_for() -> None:
    for size in (16, 33, 48, 96):
        drawn = synthetic_faces([0, 3, 6], seed=1, size=size)
        assert drawn.dtype == np.uint8
        assert drawn.shape == (3, size, size)
    assert synthetic_faces([], seed=1).shape == (0, SIZE, SIZE)


def test_drawing_stays_in_single_precision() -> None:
    assert draw({1: 1.0}).dtype == np.float32


def test_same_seed_gives_same_faces() -> None:
    assert np.array_equal(synthetic_faces(MIXED, seed=3), synthetic_faces(MIXED, seed=3))


def test_other_seed_gives_other_faces() -> None:
    first, second = synthetic_faces(MIXED, seed=3), synthetic_faces(MIXED, seed=4)
    assert (first != second).mean(axis=(1, 2)).min() > 0.5


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_chunk_size_changes_nothing(chunk: int) -> None:
    whole = synthetic_faces(MIXED, seed=3)
    assert np.array_equal(synthetic_faces(MIXED, seed=3, chunk=chunk), whole)


@pytest.mark.parametrize("count", [1, 13, 69])
def test_first_faces_do_not_depend_on_how_many_follow(count: int) -> None:
    whole = synthetic_faces(MIXED, seed=3)
    assert np.array_equal(synthetic_faces(MIXED[:count], seed=3), whole[:count])


def test_a_face_does_not_depend_on_the_labels_of_others() -> None:
    changed = MIXED.copy()
    changed[10] = (changed[10] + 1) % len(EMOTIONS)
    differs = (synthetic_faces(MIXED, seed=3) != synthetic_faces(changed, seed=3)).any(axis=(1, 2))
    assert np.flatnonzero(differs).tolist() == [10]


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="16 pixels"):
        synthetic_faces([0], seed=0, size=15)
    with pytest.raises(ValueError, match="labels"):
        synthetic_faces([7], seed=0)
    with pytest.raises(ValueError, match="labels"):
        synthetic_faces([-1], seed=0)


def test_every_unit_of_a_prototype_can_be_drawn() -> None:
    assert tuple(synthetic.PROTOTYPES) == EMOTIONS
    assert {u for units in synthetic.PROTOTYPES.values() for u in units} <= set(faces.ACTION_UNITS)


def test_units_follow_the_prototypes() -> None:
    labels = np.repeat(np.arange(len(EMOTIONS)), 400)
    columns = 1 + 3 * len(faces.ACTION_UNITS)
    chance = np.random.default_rng(0).random((len(labels), columns))
    units = synthetic.expression_units(labels, chance)
    for unit, strength in units.items():
        assert strength.min() >= 0
        assert strength.max() <= 1
        for label, name in enumerate(EMOTIONS):
            mean = strength[labels == label].mean()
            worn = unit in synthetic.PROTOTYPES[name]
            assert mean > 0.5 if worn else mean < 0.1, (unit, name, mean)


# Rows of an average face at 48 pixels: everything above the lids, lids and nose, lips and chin.
BROWS, MIDDLE, MOUTH = slice(2, 21), slice(21, 34), slice(34, 48)


@pytest.mark.parametrize(
    ("unit", "most", "least"),
    [
        (1, BROWS, MOUTH),
        (2, BROWS, MOUTH),
        (4, BROWS, MOUTH),
        (5, slice(17, 25), MOUTH),
        (6, MIDDLE, MOUTH),
        (7, MIDDLE, MOUTH),
        (9, MIDDLE, slice(0, 12)),
        (12, MOUTH, BROWS),
        (15, MOUTH, BROWS),
        (16, MOUTH, BROWS),
        (20, MOUTH, BROWS),
        (23, MOUTH, BROWS),
        (26, MOUTH, BROWS),
    ],
)
def test_unit_moves_its_part_of_the_face(unit: int, most: slice, least: slice) -> None:
    change = np.abs(draw({unit: 1.0}) - draw({}))
    assert change.max() > 0.1
    assert change[most].sum() > 5 * change[least].sum()


@pytest.mark.parametrize("unit", sorted(faces.ACTION_UNITS))
def test_unit_grows_continuously(unit: int) -> None:
    steps = [draw({unit: a}) for a in np.linspace(0, 1, 41)]
    change = [np.abs(b - a).mean() for a, b in itertools.pairwise(steps)]
    assert min(change) > 0
    assert max(change) < 0.005


def test_smile_lifts_the_lip_corners_and_a_frown_drops_them() -> None:
    def corner_row(unit: int) -> float:
        dark = np.maximum(draw({}, 96) - draw({unit: 1.0}, 96), 0)
        corners = dark[60:, 66:78]  # right of the resting mouth's middle
        return float((corners.sum(axis=1) * np.arange(len(corners))).sum() / corners.sum())

    assert corner_row(12) < corner_row(15) - 1


def test_dataset_is_complete(dataset: FaceDataset) -> None:
    assert dataset.name == "synthetic"
    assert dataset.classes == EMOTIONS
    assert dataset.images.shape[1:] == (SIZE, SIZE)
    assert dataset.counts(Part.TRAIN) == (synthetic.TRAIN_IMAGES,) * 7
    assert dataset.counts(Part.VALIDATION) == synthetic.VALIDATION_IMAGES
    assert dataset.counts(Part.TEST) == synthetic.TEST_IMAGES
    assert "drawn" in dataset.notes[0]
    assert "nothing about real faces" in dataset.notes[0]


def test_dataset_is_the_same_each_time() -> None:
    def small(seed: int) -> str:
        return synthetic_dataset(seed=seed, train=5, validation=(2,) * 7, test=(3,) * 7).fingerprint

    assert small(0) == small(0)
    assert small(0) != small(1)


def test_no_image_is_in_two_parts(dataset: FaceDataset) -> None:
    assert len({image.tobytes() for image in dataset.images}) == len(dataset.images)


def test_parts_have_streams_of_their_own() -> None:
    small = synthetic_dataset(train=4, validation=(4,) * 7, test=(4,) * 7)
    parts = [small.images[small.indices(p)] for p in Part]
    for a in range(3):
        for b in range(a):
            assert (parts[a] != parts[b]).mean(axis=(1, 2)).min() > 0.5


def test_pixels_use_the_range_without_clipping(dataset: FaceDataset) -> None:
    images = dataset.images
    assert 90 < images.mean() < 170
    assert 30 < images.std() < 80
    assert (images == 0).mean() < 0.01
    assert (images == 255).mean() < 0.01
    assert images.std(axis=(1, 2)).min() > 5


@pytest.mark.parametrize(("factor", "least"), [(50, 12), (100, 6), (150, 4)])
def test_imbalance_factors_are_feasible(dataset: FaceDataset, factor: int, least: int) -> None:
    counts = counts_for(dataset, factor)
    assert list(counts) == sorted(counts, reverse=True)
    assert counts[0] == synthetic.TRAIN_IMAGES
    assert counts[-1] == least
    assert len(draw_split(dataset, factor).indices) == sum(counts)


def nearest_mean_accuracy(
    train: NDArray[np.uint8], test: NDArray[np.uint8], labels: NDArray[np.int64]
) -> float:
    """Accuracy of the nearest class mean; ``labels`` holds for both sets."""

    def standardised(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        flat = images.reshape(len(images), -1).astype(float)
        return (flat - flat.mean(1, keepdims=True)) / flat.std(1, keepdims=True)

    seen, unseen = standardised(train), standardised(test)
    means = np.stack([seen[labels == c].mean(axis=0) for c in range(len(EMOTIONS))])
    distance = ((unseen[:, None] - means) ** 2).sum(axis=2)
    return float((distance.argmin(axis=1) == labels).mean())


def test_classes_can_be_told_apart_but_not_trivially() -> None:
    labels = np.arange(420) % len(EMOTIONS)
    first, second = synthetic_faces(labels, seed=1), synthetic_faces(labels, seed=2)
    assert 2 / 7 < nearest_mean_accuracy(first, second, labels) < 0.8


def test_stronger_expressions_are_easier(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.arange(420) % len(EMOTIONS)

    def accuracy() -> float:
        sets = (synthetic_faces(labels, seed=s) for s in (1, 2))
        return nearest_mean_accuracy(*sets, labels)

    usual = accuracy()
    monkeypatch.setattr(synthetic, "FAINTEST", 1.0)
    monkeypatch.setattr(synthetic, "LEAK_MOST", 0.0)
    assert accuracy() > usual


def test_drawing_is_fast() -> None:
    start = time.process_time()
    synthetic_faces(np.arange(700) % len(EMOTIONS), seed=0)
    assert time.process_time() - start < 3  # about 0.2 s on one core
