"""The imbalanced sets: the published numbers, nesting, bounds."""

from __future__ import annotations

import csv
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.data.dataset import FaceDataset, Part, make_dataset
from benchmark.data.imbalance import (
    PUBLISHED,
    counts_by_formula,
    draw_split,
    factor_label,
    imbalanced_counts,
    parse_factor,
)
from benchmark.errors import InputError
from benchmark.resources import asset


def small_set(counts: list[int], name: str = "folder") -> FaceDataset:
    """A set with these training counts and one test image of each class, in shuffled order."""
    labels = np.repeat(np.arange(len(counts)), counts)
    labels = np.random.default_rng(0).permutation(labels)
    labels = np.concatenate([labels, np.arange(len(counts))])
    parts = np.repeat([Part.TRAIN, Part.TEST], [sum(counts), len(counts)])
    images = np.zeros((len(labels), 2, 2), np.uint8)
    return make_dataset(name, images, labels, parts, tuple(f"c{k}" for k in range(len(counts))))


@pytest.mark.parametrize(("dataset", "table"), [("raf-db", 4), ("ferplus", 5)])
def test_every_count_of_tables_4_and_5(dataset: str, table: int) -> None:
    with asset(f"results/paper/table{table}.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    for row in rows:
        published = {name: int(row[name]) for name in PUBLISHED[dataset].counts}
        if row["imbalance"] == "-":
            assert published == PUBLISHED[dataset].counts
        else:
            assert imbalanced_counts(dataset, float(row["imbalance"])) == published
        # Table 5 prints 23280 for factor 100; its own row adds up to 23298.
        wrong_total = (dataset, row["imbalance"]) == ("ferplus", "100")
        assert sum(published.values()) == (23298 if wrong_total else int(row["total"]))


def test_columns_stand_in_the_order_of_the_paper() -> None:
    for dataset, table in (("raf-db", 4), ("ferplus", 5)):
        header = asset(f"results/paper/table{table}.csv").read_text().splitlines()[0].split(",")
        assert list(imbalanced_counts(dataset, 100)) == header[1:-1]


@pytest.mark.parametrize(("dataset", "bound"), [("raf-db", 17), ("ferplus", 74)])
def test_the_tail_bounds_the_factor(dataset: str, bound: int) -> None:
    counts = imbalanced_counts(dataset, bound)
    assert max(counts.values()) / min(counts.values()) == pytest.approx(bound, rel=0.02)
    with pytest.raises(InputError, match=f"ask for {bound} or more"):
        imbalanced_counts(dataset, bound - 1)
    cut = imbalanced_counts(dataset, bound - 1, cut_head=True)
    assert min(cut.values()) == min(PUBLISHED[dataset].counts.values())
    assert max(cut.values()) == (bound - 1) * min(cut.values())


@pytest.mark.parametrize("factor", [0.5, -1, float("nan"), float("inf"), 10**6])
def test_impossible_factors_are_refused(factor: float) -> None:
    with pytest.raises(InputError):
        imbalanced_counts("raf-db", factor)


def test_unknown_set_is_refused() -> None:
    with pytest.raises(InputError, match="known: ferplus, ferplus-8, raf-db"):
        imbalanced_counts("affectnet", 50)


@given(st.lists(st.integers(40, 5000), min_size=2, max_size=9), st.floats(1, 400))
def test_formula_keeps_order_and_reaches_the_factor(counts: list[int], factor: float) -> None:
    try:
        kept = counts_by_formula(counts, factor)
    except InputError:
        bound = max(counts) / min(counts)
        assert factor < bound or max(counts) / factor < 1
        return
    assert all(0 < k <= n for k, n in zip(kept, counts, strict=True))
    for (a, m), (b, n) in itertools.combinations(zip(kept, counts, strict=True), 2):
        assert (a - b) * (m - n) >= 0
    assert max(kept) == max(counts)
    smallest = max(counts) / factor
    assert min(kept) == pytest.approx(smallest, abs=0.51)


@given(st.lists(st.integers(30, 200), min_size=3, max_size=5), st.integers(0, 5))
@settings(max_examples=30)
def test_sets_are_nested_and_frozen(counts: list[int], seed: int) -> None:
    dataset = small_set(counts)
    sets = [draw_split(dataset, factor, seed=seed) for factor in (None, 10, 15, 20)]
    for wider, narrower in itertools.pairwise(sets):
        assert set(narrower.indices) <= set(wider.indices)
    again = draw_split(dataset, 15, seed=seed)
    assert np.array_equal(again.indices, sets[2].indices)
    assert again.hash == sets[2].hash != sets[1].hash
    labels = dataset.labels[again.indices]
    assert tuple(np.bincount(labels, minlength=len(counts))) == again.counts
    assert set(again.indices) <= set(dataset.indices(Part.TRAIN))


def test_the_seed_draws_another_set() -> None:
    dataset = small_set([100, 50, 20])
    one, two = draw_split(dataset, 20, seed=0), draw_split(dataset, 20, seed=1)
    assert one.counts == two.counts
    assert one.hash != two.hash


def test_a_published_set_is_known_by_its_counts() -> None:
    counts = PUBLISHED["ferplus"].counts
    real = small_set(list(counts.values()), name="ferplus")
    real = make_dataset("ferplus", real.images, real.labels, real.parts, tuple(counts))
    assert sum(draw_split(real, 150).counts) == 21452
    assert sum(draw_split(real, 50).counts) == 20814
    other = small_set([9000, 7287, 3149, 3014, 2100, 532, 119], name="ferplus")
    assert draw_split(other, 150).counts != draw_split(real, 150).counts


def test_a_class_without_training_images_is_named() -> None:
    with pytest.raises(InputError, match="class 'c1' has no training images"):
        draw_split(small_set([5, 0, 3]), None)


@pytest.mark.parametrize("text", ["50", " 50.0 ", "5e1"])
def test_parse_factor(text: str) -> None:
    assert parse_factor(text) == 50


def test_parse_factor_full() -> None:
    assert parse_factor("Full") is None
    assert (factor_label(None), factor_label(150.0), factor_label(17.5)) == ("full", "150", "17.5")


@pytest.mark.parametrize("text", ["", "x", "nan", "0", "-3", "inf"])
def test_parse_factor_refuses(text: str) -> None:
    with pytest.raises(InputError, match="--factors"):
        parse_factor(text)
