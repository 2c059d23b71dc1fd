"""From a method's parameter groups and a protocol to an optimiser."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.protocols.protocol import TrainingSpec
from methods.base import Method, ParameterGroup

_MOMENTUM = 0.9


def build_optimizer(method: Method, spec: TrainingSpec) -> torch.optim.Optimizer:
    """Return the optimiser; each group keeps its undecayed rate as ``base_lr``.

    Raises:
        InputError: the method's groups leave a trainable parameter out or name one twice.
    """
    groups = method.parameter_groups()
    _check_cover(method, groups)
    entries = [entry for group in groups for entry in _entries(group, spec) if entry["params"]]
    entries = entries or [{"params": []}]  # of a method that trains nothing
    if spec.optimizer in ("sgd", "nesterov"):
        nesterov = spec.optimizer == "nesterov"
        # Only the fused one takes the scale of fp16 along; the other would wait for the device in
        # each step. On a CPU it would round otherwise than stored results did.
        on_gpu = any(p.device.type != "cpu" for entry in entries for p in entry["params"])
        built: torch.optim.Optimizer = torch.optim.SGD(
            entries, lr=spec.lr, momentum=_MOMENTUM, nesterov=nesterov, fused=on_gpu or None
        )
    else:
        kind = torch.optim.AdamW if spec.optimizer == "adamw" else torch.optim.Adam
        built = kind(entries, lr=spec.lr, fused=True)
    rates_on_device(built)
    return built


def rates_on_device(optimizer: torch.optim.Optimizer) -> None:
    """Have rates lie where CUDA kernels read them, so that a captured step sees each new one.

    On a CPU they stay numbers of Python: a tensor is float32, and results would round otherwise.
    To be called again after a state was loaded, whose rates lie on the host.
    """
    for group in optimizer.param_groups:
        place = group["params"][0].device if group["params"] else torch.device("cpu")
        if place.type == "cuda":
            group["lr"] = torch.full((), float(group["base_lr"]), device=place)


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's rate to ``factor`` times its own."""
    for group in optimizer.param_groups:
        rate = group["base_lr"] * factor
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def _entries(group: ParameterGroup, spec: TrainingSpec) -> Iterable[dict[str, Any]]:
    """Yield torch's groups: matrices and filters decay, vectors only where the protocol says so."""
    lr = (spec.head_lr if group.head else spec.lr) * group.lr_scale
    vectors = [p for p in group.parameters if p.ndim <= 1 and not spec.decay_vectors]
    chosen = {id(p) for p in vectors}
    rest = [p for p in group.parameters if id(p) not in chosen]
    for parameters, decay in ((rest, spec.weight_decay), (vectors, 0.0)):
        yield {"params": parameters, "lr": lr, "base_lr": lr, "weight_decay": decay}


def _check_cover(method: nn.Module, groups: list[ParameterGroup]) -> None:
    named = {id(p): name for name, p in method.named_parameters() if p.requires_grad}
    given = [id(p) for group in groups for p in group.parameters]
    missing = sorted(name for key, name in named.items() if key not in set(given))
    if missing or len(given) != len(set(given)):
        what = f"leave out {', '.join(missing)}" if missing else "name a parameter twice"
        raise InputError(f"{type(method).__name__}.parameter_groups() {what}")
