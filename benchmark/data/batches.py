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
from benchmark.protocol import Protocol
from benchmark.seeds import derive
from methods.base import Batch, Stream, Views
from methods.functional import reversed_sampling_probabilities


def epoch_order(n: int, batch_size: int, *, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Return the positions 0..n-1 in random order, divided into batches.

    Every sample stands in exactly one batch. A last batch of one joins the one before it, since
    batch norm cannot take the statistics of a single vector.
    """
    order = np.random.default_rng(derive(seed, "order", epoch)).permutation(n)
    starts = list(range(0, n, batch_size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return np.split(order, starts[1:])


def reversed_positions(
    labels: NDArray[np.int64], counts: tuple[int, ...], n: int, *, seed: int
) -> NDArray[np.int64]:
    """Draw n positions by the reversed sampler: rare classes in proportion to 1 / n_c.

    Within a class every sample is as likely, with replacement.

    Args:
        labels: int64, the class at each position.
        counts: positions of each class.
        n: how many to draw.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    probabilities = reversed_sampling_probabilities(counts).double().numpy()
    classes = rng.choice(len(counts), size=n, p=probabilities / probabilities.sum())
    by_class = np.argsort(labels, kind="stable")
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    within = np.floor(rng.random(n) * np.asarray(counts)[classes]).astype(np.int64)
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
        seed: the training seed.
        device: where batches are made.
    """

    dataset: FaceDataset
    split: Split
    protocol: Protocol
    views: Views
    reversed_stream: bool
    seed: int
    device: torch.device

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The labels of the training set, int64 (n,)."""
        return self.dataset.labels[self.split.indices]

    def order(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the positions of every batch of an epoch."""
        size = self.protocol.training.batch_size
        return epoch_order(len(self.split.indices), size, seed=self.seed, epoch=epoch)

    def batch(self, positions: NDArray[np.int64], *, epoch: int, step: int) -> Batch:
        """Make one batch; the same numbers always give the same batch."""
        host = torch.Generator().manual_seed(derive(self.seed, "augment", epoch, step))
        pixels = torch.Generator(self.device).manual_seed(derive(self.seed, "noise", epoch, step))
        images = self._pixels(positions)
        flip = self.views is not Views.MIRRORED

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
            partners = reversed_positions(
                self.labels,
                self.split.counts,
                len(positions),
                seed=derive(self.seed, "reversed", epoch, step),
            )
            index, label = self._labelled(partners)
            second = Stream(index=index, label=label, images=view(self._pixels(partners)))
        index, label = self._labelled(positions)
        return Batch(index=index, label=label, views=views, second=second)

    def plain(self, positions: NDArray[np.int64]) -> Tensor:
        """Return un-augmented, normalised training images, float32 (B, 3, S, S)."""
        return evaluation_view(self._pixels(positions), self.protocol.image)

    def _pixels(self, positions: NDArray[np.int64]) -> Tensor:
        return upload(self.dataset.images[self.split.indices[positions]], self.device)

    def _labelled(self, positions: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        return upload(positions, self.device), upload(self.labels[positions], self.device)


def upload(array: NDArray[np.uint8] | NDArray[np.int64], device: torch.device) -> Tensor:
    """Copy an array to the device without waiting for it where that is possible."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        # Only pinned memory may be copied while the host goes on: it is kept until that is done.
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
