"""The only training loop: a cell in, a history and test logits out."""

from __future__ import annotations

import math
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark import environment
from benchmark.data.batches import BatchMaker
from benchmark.data.dataset import FaceDataset
from benchmark.data.imbalance import Split
from benchmark.engine import checkpoint
from benchmark.engine.answers import Evaluation
from benchmark.engine.assemble import assemble, laid_out, place
from benchmark.engine.compiled import train_compiled
from benchmark.engine.device import keeps_images
from benchmark.engine.final_weights import digest
from benchmark.engine.memory import is_out_of_memory, largest_that_fits
from benchmark.engine.optim import build_optimizer, rates_on_device, set_rate
from benchmark.engine.outcome import Listener, Outcome
from benchmark.engine.schedule import rate_factor
from benchmark.engine.stage import stage_protocol
from benchmark.errors import DivergedError, TrainingError, describe
from benchmark.models.build import Weights, build_backbone
from benchmark.protocols.protocol import Protocol as TrainingProtocol
from benchmark.seeds import derive
from benchmark.store.record import Cell, Epoch
from benchmark.words import short
from methods.base import Batch, LossParts, Method, Progress

LOG_INTERVAL = 10
"""Steps between two looks at the loss; each look waits for the device once."""

_CALIBRATION_IMAGES = 512
_CALIBRATION_BATCH = 64


class Trainer:
    """Trains one cell on one device, going on from its checkpoint where there is one."""

    def __init__(
        self,
        cell: Cell,
        method: type[Method],
        hyper: Any,
        dataset: FaceDataset,
        split: Split,
        device: torch.device,
        weights: Weights = None,
        start: Mapping[str, Tensor] | None = None,
        clean_validation: NDArray[np.bool_] | None = None,
    ) -> None:
        """Build the method on its backbone, all random weights drawn from the cell's seed.

        Args:
            cell: the cell.
            method: the class.
            hyper: an instance of its ``Hyper``.
            dataset: what the cell is of.
            split: its training set.
            device: where to train.
            weights: where the backbone's weights are read from.
            start: the final weights of the first stage, where the cell has one.
            clean_validation: which validation images stand in no other part of the dataset, (n,);
                None where that is not known.

        Raises:
            TrainingError: ``weights`` are not those that the cell names, or ``start`` does not fit.
        """
        self.cell = cell
        self.weights = weights
        stage = method.second_stage(hyper)
        self.protocol: TrainingProtocol = stage_protocol(cell, stage)
        self.epochs = self.protocol.training.epochs if stage is None else stage.epochs
        self.dataset = dataset
        self.device = device
        self.batches = BatchMaker(
            dataset=dataset,
            split=split,
            protocol=self.protocol,
            views=method.views,
            reversed_stream=method.reversed_stream,
            mirror_first=method.mirror_first,
            seed=cell.seed,
            device=device,
            sampling=method.sampling(hyper),
            keep=keeps_images(dataset.images.nbytes, device),
        )
        self.evaluation = Evaluation(
            dataset, self.batches.images, self.protocol.image, clean_validation
        )
        self.outcome = Outcome()
        self.advanced: Callable[[], object] = lambda: None
        self.readings: deque[tuple[int, float]] = deque(maxlen=5)
        started = time.perf_counter()
        torch.manual_seed(derive(cell.seed, "weights"))
        self.method = self._build(method, hyper)
        if start is not None:
            self._start_from(start)
        self.optimizer = build_optimizer(self.method, self.protocol.training)
        self.scaler = torch.amp.GradScaler(device.type, enabled=cell.precision == "fp16")
        self.outcome.spend("build", started)

    def run(
        self,
        folder: Path,
        listener: Listener,
        session: dict[str, Any],
        advanced: Callable[[], object] = lambda: None,
    ) -> Outcome:
        """Train to the last epoch, leaving a checkpoint in ``folder`` after each.

        Args:
            folder: of the checkpoint.
            listener: hears of progress; what it raises stops training before the next checkpoint.
            session: what is known of this process, kept among the outcome's sessions.
            advanced: called at each step and at each batch of an evaluation.

        Raises:
            TrainingError: loss or logits are no longer finite, or memory ran out.
            OSError: the checkpoint cannot be written.
        """
        self.advanced = advanced
        done = self._restore(folder)
        # Sums are split by thread: what was begun with so many goes on with as many.
        begun = self.outcome.sessions[0] if self.outcome.sessions else {}
        torch.set_num_threads(begun.get("threads", torch.get_num_threads()))
        facts = {"started": environment.now(), "after_epochs": done, **session}
        self.outcome.sessions.append({**facts, "threads": torch.get_num_threads()})
        try:
            self._train(done, folder, listener)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)  # they hold the step's tensors
            raise TrainingError(self._does_not_fit(str(error))) from None
        self.outcome.state_sha256 = digest(self.method.state_dict())
        return self.outcome

    def _train(self, done: int, folder: Path, listener: Listener) -> None:
        for epoch in range(done, self.epochs):
            self._epoch(epoch, listener)
            if epoch + 1 < self.epochs:
                checkpoint.save(folder, self._state())
        if not self.epochs:  # what it starts from, changed as it is built
            entry = self._evaluate(epoch=0, loss={}, lr=0.0, seconds=0.0, images=0)
            listener.evaluated(entry)

    def _does_not_fit(self, error: str) -> str:
        """Find by trying what batch size fits, and say it; the cell itself is not changed."""
        size = self.protocol.training.batch_size
        positions = self.batches.order(0)[0]

        def attempt(images: int) -> None:
            batch = self.batches.batch(positions[:images], epoch=0, step=0)
            self.step(batch, Progress(0, self.epochs, 0))

        found = largest_that_fits(attempt, min(size, len(positions)))
        fits = (
            f"{found} would fit: --set training.batch_size={found} (another cell, as its result "
            "differs)"
            if found
            else "not even one image fits: choose a smaller image.size or backbone "
            f"({error.partition(chr(10))[0]})"
        )
        return f"{self.cell.method}: out of memory at batch size {size}; {fits}"

    def _build(self, method: type[Method], hyper: Any) -> Method:
        backbone = build_backbone(
            self.protocol.backbone.name, self.protocol.image.size, self.weights
        )
        if backbone.weights != self.cell.weights:
            raise TrainingError(
                f"the backbone would start from {short(backbone.weights)}, but the cell is of the "
                f"weights {short(self.cell.weights)}; if their file was changed, run again"
            )
        # On the host, where float64 is at hand and every device gets the same statistics.
        order = np.random.default_rng(derive(self.cell.seed, "calibration"))
        positions = order.permutation(len(self.batches.labels))[:_CALIBRATION_IMAGES]
        backbone.calibrate(
            self.batches.plain(positions[start : start + _CALIBRATION_BATCH])
            for start in range(0, len(positions), _CALIBRATION_BATCH)
        )
        grey = self.dataset.images.ndim == 3
        place(backbone, self.protocol.image, self.device, self.cell.precision, grey=grey)
        built = assemble(method, hyper, backbone, self.dataset, self.batches.split, self.protocol)
        built = laid_out(built, self.device)
        if self.protocol.training.compile:
            train_compiled(built)
        return built

    def _start_from(self, start: Mapping[str, Tensor]) -> None:
        try:
            self.method.start_from(start)
        except (RuntimeError, KeyError) as error:
            raise TrainingError(
                f"{self.cell.method}: the weights of its first stage do not fit ({describe(error)})"
            ) from error

    def _epoch(self, epoch: int, listener: Listener) -> None:
        started = time.perf_counter()
        self.method.train()
        orders = self.batches.order(epoch)
        sums: dict[str, Tensor] = {}
        means: dict[str, float] = {}
        seen = 0
        factor = 0.0
        for number, positions in enumerate(orders):
            step = epoch * len(orders) + number
            progress = Progress(epoch, self.epochs, step, steps=self.epochs * len(orders))
            factor = rate_factor(self.protocol.training, step, len(orders))
            set_rate(self.optimizer, factor)
            parts = self.step(self.batches.batch(positions, epoch=epoch, step=step), progress)
            self.advanced()
            for name, term in parts.terms.items():
                sums[name] = sums.get(name, 0.0) + term.detach().float() * len(positions)
            seen += len(positions)
            if (number + 1) % LOG_INTERVAL == 0 or number + 1 == len(orders):
                means = self._finite(sums, seen, progress)
                rate = seen / (time.perf_counter() - started)
                listener.stepped(progress, len(orders), sum(means.values()), rate)
        seconds = time.perf_counter() - started
        self.outcome.spend("train", started)
        entry = self._evaluate(
            epoch=epoch,
            loss=means,
            lr=self.protocol.training.lr * factor,
            seconds=seconds,
            images=seen,
        )
        listener.evaluated(entry)

    def step(self, batch: Batch, progress: Progress) -> LossParts:
        """Take one optimiser step; what is random inside a method is seeded by the step too."""
        torch.manual_seed(derive(self.cell.seed, "step", progress.step))
        self.optimizer.zero_grad(set_to_none=True)
        parts: LossParts = self.method(batch, progress)
        torch.autograd.backward(self.scaler.scale(parts.total))
        clip = self.protocol.training.clip_norm
        if clip:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.method.parameters(), clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.method.after_step(replace(progress, step=progress.step + 1))
        return parts

    def _finite(self, sums: dict[str, Tensor], seen: int, progress: Progress) -> dict[str, float]:
        """Return the mean of each term so far; the one place where a step waits for the device."""
        totals = torch.stack(list(sums.values())).tolist()
        means = {name: total / seen for name, total in zip(sums, totals, strict=True)}
        if not all(math.isfinite(value) for value in means.values()):
            terms = ", ".join(f"{name} {value:.4g}" for name, value in means.items())
            last = ", ".join(f"{loss:.4g} at step {step}" for step, loss in self.readings) or "none"
            raise DivergedError(
                f"{self.cell.method}: the loss is not finite at step {progress.step + 1} (epoch "
                f"{progress.epoch + 1}): {terms}; the last finite means: {last}; try a lower "
                "training.lr"
            )
        self.readings.append((progress.step + 1, sum(means.values())))
        return means

    def _evaluate(self, *, epoch: int, **facts: Any) -> Epoch:
        started = time.perf_counter()
        answers = self.evaluation.of(self.method, epoch, self.advanced)
        entry = Epoch(epoch=epoch + 1, **answers.matrices, **facts)
        self.outcome.add(entry, answers.test, answers.validation)
        self.outcome.spend("evaluate", started)
        return entry

    def _state(self) -> dict[str, Any]:
        return {
            "cell": self.cell.id,
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            **self.outcome.state(),
        }

    def _restore(self, folder: Path) -> int:
        """Go back to the checkpoint and return the number of epochs that are done."""
        state = checkpoint.load(folder, self.cell.id)
        if state is None:
            return 0
        try:
            self.method.load_state_dict(state["method"])
            self.optimizer.load_state_dict(state["optimizer"])
            rates_on_device(self.optimizer)
            self.scaler.load_state_dict(state["scaler"])
            self.outcome.go_on_from(state)
        except (RuntimeError, ValueError, KeyError) as error:
            if is_out_of_memory(error):  # the machine's fault, and the checkpoint is whole
                raise
            raise TrainingError(
                f"the checkpoint in {folder} is of other code than this; remove the folder to "
                "train the cell anew"
            ) from error
        return len(self.outcome.history)
