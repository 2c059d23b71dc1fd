"""Batches of one training set: which samples stand in a step, and their views.

Everything is drawn from generators seeded by (seed, epoch, step), so there is no sampler state to
keep: any step can be made again from its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.augment import evaluation_view, training_view
from benchmark.data.dataset import FaceDataset
from benchmark.data.imbalance import Split
from benchmark.data.transfer import Rows, upload
from benchmark.protocols.protocol import Protocol
from benchmark.seeds import derive
from methods.base import Batch, ClassShares, Stream, Views
from methods.functional import reversed_sampling_probabilities


def epoch_order(n: int, batch_size: int, *, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Return the positions 0..n-1 in random order, divided into batches.

    Every sample stands in exactly one batch. A last batch of one joins the one before it, since
    batch norm cannot take the statistics of a single vector.
    """
    order = np.random.default_rng(derive(seed, "order", epoch)).permutation(n)
    return _divided(order, batch_size)


def sampled_order(
    labels: NDArray[np.int64], shares: Tensor, batch_size: int, *, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Return as many positions as there are, drawn by class and divided into batches.

    Args:
        labels: int64 (n,), the class at each position.
        shares: of each class, (K,), in this epoch.
        batch_size: positions in a batch; a last batch of one joins the one before it.
        seed: of the training.
        epoch: from 0.
    """
    drawn = drawn_positions(labels, shares, len(labels), seed=derive(seed, "sampled", epoch))
    return _divided(drawn, batch_size)


def _divided(order: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    n = len(order)
    starts = list(range(0, n, batch_size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return np.split(order, starts[1:])


def drawn_positions(
    labels: NDArray[np.int64], shares: Tensor, n: int, *, seed: int
) -> NDArray[np.int64]:
    """Draw n positions: first a class by its share, then one of its samples, with replacement.

    Args:
        labels: int64, the class at each position.
        shares: of each class, (K,); a class with a share has positions.
        n: how many to draw.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    probabilities = shares.double().numpy()
    counts = np.bincount(labels, minlength=len(probabilities))
    classes = rng.choice(len(counts), size=n, p=probabilities / probabilities.sum())
    by_class = np.argsort(labels, kind="stable")
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    within = np.floor(rng.random(n) * counts[classes]).astype(np.int64)
    drawn: NDArray[np.int64] = by_class[first[classes] + within]
    return drawn


@dataclass(frozen=True, eq=False)
class BatchMaker:
    """Makes the batches of one cell.

    Attributes:
        dataset: where the pixels are.
        split: the training set.
        protocol: sizes and augmentation.
        views: what the method asks for.
        reversed_stream: whether the method asks for the second stream.
        mirror_first: whether images are mirrored at random before their mirrored pair is made.
        seed: the training seed.
        device: where batches are made.
        sampling: how an epoch's samples are drawn; None for each sample once.
        keep: whether images and labels stay on the device, so that a step sends only which of them
            it takes.
    """

    dataset: FaceDataset
    split: Split
    protocol: Protocol
    views: Views
    reversed_stream: bool
    seed: int
    device: torch.device
    sampling: ClassShares | None = None
    mirror_first: bool = False
    keep: bool = False

    @cached_property
    def images(self) -> Rows:
        """All images of the dataset, those of its other parts too."""
        return Rows(self.dataset.images, self.device, keep=self.keep)

    @cached_property
    def _there(self) -> tuple[Tensor, Tensor]:
        """The training set on the device: its places in the dataset and its labels, int64 (n,)."""
        return upload(self.split.indices, self.device), upload(self.labels, self.device)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The labels of the training set, int64 (n,)."""
        return self.dataset.labels[self.split.indices]

    def order(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the positions of every batch of an epoch."""
        size = self.protocol.training.batch_size
        if self.sampling is None:
            return epoch_order(len(self.split.indices), size, seed=self.seed, epoch=epoch)
        shares = self.sampling(self.split.counts, epoch, self.protocol.training.epochs)
        return sampled_order(self.labels, shares, size, seed=self.seed, epoch=epoch)

    def batch(self, positions: NDArray[np.int64], *, epoch: int, step: int) -> Batch:
        """Make one batch; the same numbers always give the same batch."""
        host = torch.Generator().manual_seed(derive(self.seed, "augment", epoch, step))
        pixels = torch.Generator(self.device).manual_seed(derive(self.seed, "noise", epoch, step))
        index, label, images = self._drawn(positions)
        flip = self.mirror_first or self.views is not Views.MIRRORED

        def view(source: Tensor) -> Tensor:
            return training_view(
                source,
                self.protocol.image,
                self.protocol.augment,
                flip=flip,
                host=host,
                device=pixels,
            )

        first = view(images)
        if self.views is Views.MIRRORED:
            views: tuple[Tensor, ...] = (first, first.flip(-1))
        elif self.views is Views.TWO:
            views = (first, view(images))
        else:
            views = (first,)
        second = None
        if self.reversed_stream:
            partners = drawn_positions(
                self.labels,
                reversed_sampling_probabilities(self.split.counts),
                len(positions),
                seed=derive(self.seed, "reversed", epoch, step),
            )
            theirs, their_label, their_images = self._drawn(partners)
            second = Stream(index=theirs, label=their_label, images=view(their_images))
        return Batch(index=index, label=label, views=views, second=second)

    def plain(self, positions: NDArray[np.int64]) -> Tensor:
        """Return un-augmented, normalised training images on the host, float32 (B, 3, S, S)."""
        pixels = torch.from_numpy(self.dataset.images[self.split.indices[positions]])
        return evaluation_view(pixels, self.protocol.image)

    def _drawn(self, positions: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Return positions, labels and pixels on the device."""
        index = upload(positions, self.device)
        if self.images.kept is None:
            pixels = self.images.at(self.split.indices[positions])
            return index, upload(self.labels[positions], self.device), pixels
        places, labels = self._there
        return index, labels[index], self.images.kept[places[index]]
