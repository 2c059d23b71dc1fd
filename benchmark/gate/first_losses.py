"""The first training steps of a method, always the same: what stored loss curves hold it to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmark.data.dataset import FaceDataset, Part
from benchmark.data.synthetic import synthetic_dataset
from benchmark.engine.device import private_generators
from benchmark.engine.trainer import Trainer
from benchmark.gate.curves import Curve
from benchmark.protocols import load_protocol
from benchmark.protocols.protocol import Protocol
from benchmark.store.record import Epoch
from benchmark.sweep.plan import make_hyper, plan
from methods.base import Batch, LossParts, Method, Progress

PROTOCOL = "smoke"
FACTOR = 12.0
SEED = 0

# So small that all methods take seconds, and such that each one's own term acts within 15 steps.
# SGD, as Adam turns the rounding of a gradient near zero into a whole step; a rate for the backbone
# and another for the heads, a clip that some steps meet, and decay that a few steps show.
OVERRIDES = (
    "image.size=36",
    "training.epochs=3",
    "training.batch_size=28",
    "training.optimizer=sgd",
    "training.lr=0.01",
    "training.head_lr=0.1",
    "training.clip_norm=2.0",
    "methods.cb.beta=0.9999",
    "methods.cb_focal.beta=0.9999",
    "methods.crt.epochs=3",
    "methods.drw.beta=0.9999",
    "methods.ldam.beta=0.9999",
    "methods.rul.dropout=0.4",
    "methods.eac.consistency=5.0",
    "methods.mek.consistency=2.0",
    "methods.scn.rank_margin=0.3",
    "methods.scn.relabel_after=0.3",
    "methods.scn.relabel_margin=0.1",
    "methods.soft.consistency=10.0",
    "methods.soft.decay=0.9999",
    "methods.soft.rampup=0.5",
)

_CPU = torch.device("cpu")


def faces() -> FaceDataset:
    """Draw the set: 48 training images of each class, of which the factor leaves 48 to 4."""
    return synthetic_dataset(size=36, train=48, validation=(0,) * 7, test=(6,) * 7)


def first_losses(method: type[Method]) -> Curve:
    """Train the first steps of a method on the CPU, in float32 and on one thread.

    Raises:
        InputError: the method cannot be trained in this setting.
        TrainingError: the loss is no longer finite.
    """
    name, dataset = method.info.name, faces()
    protocol = load_protocol(PROTOCOL, OVERRIDES)
    sweep = plan(
        dataset, {name: method}, [FACTOR], [SEED], protocol, weights="scratch", precision="fp32"
    )
    split = sweep.splits[FACTOR]
    state = None
    with private_generators(_CPU), _one_thread():
        for cell in sweep.cells:  # a first stage, where there is one, and the method itself
            chosen = sweep.methods[cell.method]
            hyper = make_hyper(chosen, cell.hyper)
            start = None if cell.stage is None else state
            trainer = _Watched(cell, chosen, hyper, dataset, split, _CPU, None, start)
            with TemporaryDirectory() as folder:
                outcome = trainer.run(Path(folder), _Deaf(), {})
            state = trainer.method.state_dict()
    return Curve(
        method=name,
        version=method.info.version,
        setting=_setting(protocol),
        terms={term: tuple(values) for term, values in trainer.terms.items()},
        test=_answers(outcome.logits["last"], dataset.labels[dataset.indices(Part.TEST)]),
        provenance={"torch": torch.__version__.partition("+")[0]},
    )


class _Watched(Trainer):
    """The trainer, keeping the terms of every step."""

    def __init__(self, *values: Any) -> None:
        self.terms: dict[str, list[float]] = {}
        super().__init__(*values)

    def _build(self, method: type[Method], hyper: Any) -> Method:
        built = super()._build(method, hyper)
        _smooth(built)
        return built

    def step(self, batch: Batch, progress: Progress) -> LossParts:
        parts = super().step(batch, progress)
        for name, term in parts.terms.items():
            self.terms.setdefault(name, []).append(float(term.detach()))
        return parts


def _smooth(module: nn.Module) -> None:
    """Exchange kinks for smooth layers of the same shape, in place.

    Where rounding moves a value across the kink of a ReLU or exchanges the largest of a pool, the
    gradient jumps, and within a few steps the curve is that of the machine.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, nn.SiLU())
        elif isinstance(child, nn.MaxPool2d):
            setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
        else:
            _smooth(child)


class _Deaf:
    """A listener that needs to hear nothing."""

    def stepped(self, progress: Progress, steps: int, loss: float, rate: float) -> None:
        """Hear that a step was taken."""

    def evaluated(self, epoch: Epoch) -> None:
        """Hear that an epoch is over."""


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _setting(protocol: Protocol) -> dict[str, Any]:
    return {
        "protocol": f"{protocol.name} v{protocol.version}",
        "overrides": sorted(OVERRIDES),
        "factor": FACTOR,
        "seed": SEED,
    }


def _answers(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the cross-entropy and the mean size of test logits (n, K)."""
    exact = torch.from_numpy(logits).double()
    loss = torch.nn.functional.cross_entropy(exact, torch.from_numpy(labels))
    return {"cross_entropy": float(loss), "mean_abs_logit": float(exact.abs().mean())}
