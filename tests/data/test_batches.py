"""Batches: every sample once an epoch, replayable, the second stream balanced towards the tail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.data.batches import BatchMaker, drawn_positions, epoch_order, sampled_order
from benchmark.data.imbalance import draw_split
from benchmark.data.synthetic import synthetic_dataset
from benchmark.data.transfer import Rows
from benchmark.protocols import load_protocol
from benchmark.seeds import derive
from methods.base import ClassShares, Views
from methods.functional import reversed_sampling_probabilities


def maker(
    views: Views = Views.ONE,
    reversed_stream: bool = False,
    seed: int = 0,
    sampling: ClassShares | None = None,
    mirror_first: bool = False,
    keep: bool = False,
) -> BatchMaker:
    dataset = synthetic_dataset(train=30, validation=(2,) * 7, test=(2,) * 7)
    return BatchMaker(
        dataset=dataset,
        split=draw_split(dataset, 10),
        protocol=load_protocol("smoke", ["training.batch_size=16"]),
        views=views,
        reversed_stream=reversed_stream,
        seed=seed,
        device=torch.device("cpu"),
        sampling=sampling,
        mirror_first=mirror_first,
        keep=keep,
    )


def test_images_that_are_kept_are_those_that_are_sent() -> None:
    sent, kept = (maker(reversed_stream=True, keep=keep) for keep in (False, True))
    positions = sent.order(0)[1]
    one, two = (each.batch(positions, epoch=0, step=1) for each in (sent, kept))
    assert kept.images.kept is not None
    assert sent.images.kept is None
    assert one.second is not None
    assert two.second is not None
    for a, b in ((one, two), (one.second, two.second)):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.label, b.label)
        assert torch.equal(a.index, b.index)
    rows = np.array([5, 0, 5])
    assert torch.equal(sent.images.at(rows), kept.images.at(rows))


def test_an_array_is_sent_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.data.transfer._CHUNK", 3)
    array = np.random.default_rng(0).integers(0, 256, (10, 4, 4), np.uint8)
    array.flags.writeable = False
    rows = Rows(array, torch.device("cpu"), keep=True)
    assert rows.kept is not None
    assert np.array_equal(rows.kept.numpy(), array)


@given(st.integers(1, 300), st.integers(1, 70), st.integers(0, 5), st.integers(0, 5))
def test_every_sample_stands_once_in_an_epoch(n: int, size: int, seed: int, epoch: int) -> None:
    batches = epoch_order(n, size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches)) == list(range(n))
    assert all(len(batch) <= size + 1 for batch in batches)
    if n > 1 and size > 1:
        assert min(len(batch) for batch in batches) > 1, "batch norm cannot take one vector"
    again = epoch_order(n, size, seed=seed, epoch=epoch)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))


def test_epochs_and_seeds_shuffle_anew() -> None:
    orders = [epoch_order(50, 50, seed=s, epoch=e)[0].tolist() for s in (0, 1) for e in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4


def test_reversed_positions_favour_the_tail() -> None:
    counts = (600, 60, 6)
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], counts))
    shares = reversed_sampling_probabilities(counts)
    drawn = drawn_positions(labels, shares, 20_000, seed=1)
    share = np.bincount(labels[drawn], minlength=3) / 20_000
    expected = np.array([1 / 600, 1 / 60, 1 / 6])
    np.testing.assert_allclose(share, expected / expected.sum(), atol=0.01)
    rare = np.bincount(drawn, minlength=666)[labels == 2]
    assert rare.min() > 0.8 * rare.mean(), "uniform within a class, with replacement"


def test_orders_are_those_of_the_stored_cells() -> None:
    """Numbers of the code that the stored cells were trained by: any other would change them."""
    batches = [batch.tolist() for batch in epoch_order(13, 6, seed=3, epoch=2)]
    assert batches == [[1, 6, 2, 9, 12, 7], [10, 3, 4, 5, 11, 0, 8]]
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], (60, 12, 3)))
    drawn = drawn_positions(labels, reversed_sampling_probabilities((60, 12, 3)), 12, seed=7)
    assert drawn.tolist() == [27, 29, 29, 28, 48, 48, 47, 48, 27, 27, 29, 27]


def balanced_in_the_end(counts: tuple[int, ...], epoch: int, epochs: int) -> torch.Tensor:
    natural = torch.tensor(counts) / sum(counts)
    t = epoch / (epochs - 1)
    return (1 - t) * natural + t / len(counts)


def test_a_methods_sampling_may_follow_the_epoch() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], (600, 60, 6)))
    for epoch in range(5):
        shares = balanced_in_the_end((600, 60, 6), epoch, 5)
        counts = np.zeros(3)
        for seed in range(30):
            batches = sampled_order(labels, shares, 64, seed=seed, epoch=epoch)
            assert [len(batch) for batch in batches] == [64] * 10 + [26]
            counts += np.bincount(labels[np.concatenate(batches)], minlength=3)
        np.testing.assert_allclose(counts / counts.sum(), shares.numpy(), atol=0.015)


@given(st.integers(1, 200), st.integers(1, 70), st.integers(0, 5), st.integers(0, 5))
def test_sampled_batches_are_as_large_as_others(n: int, size: int, seed: int, epoch: int) -> None:
    labels = np.arange(n) % 3
    shares = torch.tensor([1.0 if c < n else 0.0 for c in range(3)])
    sampled = sampled_order(labels, shares, size, seed=seed, epoch=epoch)
    plain = epoch_order(n, size, seed=seed, epoch=epoch)
    assert [len(batch) for batch in sampled] == [len(batch) for batch in plain]
    assert np.concatenate(sampled).min() >= 0
    assert np.concatenate(sampled).max() < n
    again = sampled_order(labels, shares, size, seed=seed, epoch=epoch)
    assert all(np.array_equal(a, b) for a, b in zip(sampled, again, strict=True))


def test_any_step_of_a_sampled_epoch_can_be_made_again() -> None:
    one, two = (maker(sampling=balanced_in_the_end, reversed_stream=True) for _ in range(2))
    for epoch in (2, 0):  # in any order, as after a resume
        orders = one.order(epoch)
        for step in (3, 1):
            first = one.batch(orders[step], epoch=epoch, step=step)
            again = two.batch(two.order(epoch)[step], epoch=epoch, step=step)
            assert torch.equal(first.index, again.index)
            assert torch.equal(first.images, again.images)
            assert first.second is not None
            assert again.second is not None
            assert torch.equal(first.second.index, again.second.index)
    plain = np.concatenate(maker().order(0))
    assert not np.array_equal(np.concatenate(one.order(0)), plain)


@pytest.mark.parametrize("views", list(Views))
def test_views(views: Views) -> None:
    batches = maker(views)
    positions = batches.order(0)[0]
    batch = batches.batch(positions, epoch=0, step=0)
    assert len(batch.views) == (1 if views is Views.ONE else 2)
    assert batch.images.shape == (16, 3, 48, 48)
    assert batch.label.tolist() == batches.labels[positions].tolist()
    assert batch.index.tolist() == positions.tolist()
    if views is Views.MIRRORED:
        assert torch.equal(batch.views[1], batch.views[0].flip(-1))
    if views is Views.TWO:
        assert not torch.equal(batch.views[0], batch.views[1])
    again = batches.batch(positions, epoch=0, step=0)
    assert all(torch.equal(a, b) for a, b in zip(batch.views, again.views, strict=True))
    other = batches.batch(positions, epoch=0, step=1)
    assert not torch.equal(other.images, batch.images)


def test_a_pair_is_made_of_mirrored_faces_only_where_the_method_asks_for_it() -> None:
    positions = maker().order(0)[0]
    first = {
        asked: maker(Views.MIRRORED, mirror_first=asked).batch(positions, epoch=0, step=0)
        for asked in (False, True)
    }
    assert torch.equal(first[True].views[1], first[True].views[0].flip(-1))
    # Rotation is drawn before the mirror, so a mirrored face is no exact mirror of the other draw:
    # the choice shows against the one view of a method that has no pair.
    plain = maker(Views.ONE).batch(positions, epoch=0, step=0)
    assert torch.equal(first[True].images, plain.images)
    same = [bool(torch.equal(a, b)) for a, b in zip(first[False].images, plain.images, strict=True)]
    assert 3 < sum(same) < 13, "about half are mirrored"


def test_second_stream_is_drawn_for_each_step() -> None:
    batches = maker(reversed_stream=True)
    positions = batches.order(0)[0]
    one, two = (batches.batch(positions, epoch=0, step=s).second for s in (0, 1))
    assert one is not None
    assert two is not None
    assert one.images.shape == (16, 3, 48, 48)
    assert one.label.tolist() == batches.labels[one.index.numpy()].tolist()
    assert one.index.tolist() != two.index.tolist()
    assert maker().batch(positions, epoch=0, step=0).second is None


def test_plain_images_are_not_augmented() -> None:
    batches = maker()
    positions = np.arange(5)
    assert torch.equal(batches.plain(positions), batches.plain(positions))


def test_derived_seeds_differ_in_every_part() -> None:
    seeds = {derive(*parts) for parts in [(0, "a", 1), (0, "a", 2), (0, "b", 1), (1, "a", 1)]}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive(0, "a", 1) == derive(0, "a", 1)
