"""Training steps one at a time, made and taken by the trainer's own code."""

from __future__ import annotations

import numpy as np
import torch

from benchmark.data.dataset import FaceDataset, Part
from benchmark.engine.device import keep_float32, private_generators, resolve_precision
from benchmark.engine.evaluate import logits_of
from benchmark.engine.memory import keep_freed_memory
from benchmark.engine.trainer import Trainer
from benchmark.errors import InputError
from benchmark.models.build import weights_identity
from benchmark.protocols.protocol import Protocol
from benchmark.sweep.plan import make_hyper, plan
from methods import registry
from methods.base import Progress


class Steps:
    """Steps of one method on all training images of a dataset.

    Attributes:
        orders: positions of each whole batch of an epoch, over and over again.
        precision: that the backbone computes in.
    """

    def __init__(
        self,
        method: str,
        dataset: FaceDataset,
        protocol: Protocol,
        device: torch.device = torch.device("cpu"),  # noqa: B008
    ) -> None:
        keep_freed_memory()
        keep_float32()
        chosen = registry.get(method)
        self.precision = resolve_precision(protocol.training.precision, device)
        sweep = plan(
            dataset,
            {method: chosen},
            [None],
            [0],
            protocol,
            weights=weights_identity(protocol.backbone.name),
            precision=self.precision,
        )
        cell = sweep.cells[-1]  # a first stage stands before it
        if cell.stage is not None and not cell.stage.epochs:
            raise InputError(f"{method} trains nothing, so that there is no speed to measure")
        with private_generators(device):
            self.trainer = Trainer(
                cell, chosen, make_hyper(chosen, cell.hyper), dataset, sweep.splits[None], device
            )
        self.trainer.method.train()
        orders = self.trainer.batches.order(0)
        size = protocol.training.batch_size
        self.orders = [positions for positions in orders if len(positions) == size] or orders
        self.taken = 0

    def step(self) -> int:
        """Make the next batch, take a step on it, and return the number of its samples."""
        trainer, number = self.trainer, self.taken
        self.taken += 1
        positions = self.orders[number % len(self.orders)]
        batch = trainer.batches.batch(positions, epoch=0, step=number)
        trainer.step(batch, Progress(0, trainer.protocol.training.epochs, number))
        return len(positions)

    def evaluate(self, images: int) -> int:
        """Compute the logits of some training images as an evaluation does."""
        trainer = self.trainer
        indices = trainer.dataset.indices(Part.TRAIN)[:images]
        logits = logits_of(trainer.method, trainer.batches.images, indices, trainer.protocol.image)
        assert np.isfinite(logits).all()
        return len(logits)
