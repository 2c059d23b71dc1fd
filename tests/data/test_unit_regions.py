"""Where drawn faces show the units that another class shares with them."""

from __future__ import annotations

import numpy as np

from benchmark.data.dataset import EMOTIONS, Part
from benchmark.data.synthetic import synthetic_dataset
from benchmark.data.unit_regions import regions_of, shared_units, unit_regions

SURPRISE, FEAR, HAPPINESS, NEUTRAL = map(
    EMOTIONS.index, ("surprise", "fear", "happiness", "neutral")
)


def test_units_that_emotions_share() -> None:
    assert shared_units(SURPRISE, FEAR) == (1, 2, 5, 26)
    assert shared_units(FEAR, SURPRISE) == shared_units(SURPRISE, FEAR)
    assert shared_units(HAPPINESS, FEAR) == ()
    assert shared_units(NEUTRAL, FEAR) == ()


def test_a_surprised_face_shows_fear_at_brows_and_mouth() -> None:
    regions = unit_regions([SURPRISE] * 60, seed=3, size=48)
    often = regions[:, FEAR].mean(axis=0)
    rows = often.mean(axis=1)
    assert regions.shape == (60, 7, 48, 48)
    assert rows[6:20].max() > 0.1  # brows and forehead
    assert rows[36:46].max() > 0.1  # the open mouth
    assert often[:, :3].max() < 0.1  # no hair at the rim
    assert not regions[:, [SURPRISE, NEUTRAL, HAPPINESS]].any()


def test_a_face_does_not_depend_on_those_beside_it() -> None:
    labels = np.array([SURPRISE, FEAR, HAPPINESS, NEUTRAL] * 12)
    whole = unit_regions(labels, seed=5, size=24)
    assert np.array_equal(unit_regions(labels[:7], seed=5, size=24), whole[:7])


def test_the_embedded_sets_own_regions() -> None:
    test = (3, 3, 4, 2, 2, 4, 2)
    dataset = synthetic_dataset(size=32, train=1, validation=(1,) * 7, test=test)
    labels = dataset.labels[dataset.indices(Part.TEST)]
    expected = unit_regions(labels, seed=(0, int(Part.TEST)), size=32)
    found = regions_of(dataset)
    assert found is not None
    assert np.array_equal(found, expected)
    other = synthetic_dataset(seed=1, size=32, train=1, validation=(1,) * 7, test=test)
    assert regions_of(other) is None  # drawn with another seed: nothing is guessed
