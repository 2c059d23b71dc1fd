"""Learning rates as a pure function of the step, so a schedule has no state to keep."""

from __future__ import annotations

import math

from benchmark.protocols.protocol import TrainingSpec

_START = 1 / 25  # OneCycle's first rate over its largest, torch's default
_END = 1e-4 / 25  # OneCycle's last rate over its largest, torch's default
_FLOOR = 0.01  # cosine's last rate over its largest: the authors' code of MEK
_STEP_START = 1 / 3  # multistep's first rate over its largest: the authors' code of BBN
_WARM_START = 0.001  # cosine's first rate over its largest: the authors' code of MEK


def rate_factor(spec: TrainingSpec, step: int, steps_per_epoch: int) -> float:
    """Return the factor on the base learning rates at a step.

    Args:
        spec: schedule, gamma, warm-up and epochs.
        step: optimiser steps taken before this one.
        steps_per_epoch: steps in one epoch.
    """
    total = spec.epochs * steps_per_epoch
    if spec.schedule == "exponential":
        return spec.gamma ** (step // steps_per_epoch)
    if spec.schedule == "onecycle":
        return _one_cycle(step, total, spec.warmup)
    if spec.schedule == "cosine":
        return _cosine(step, total, spec.warmup)
    if spec.schedule == "multistep":
        rising = spec.warmup * total
        if step < rising:
            return _STEP_START + (1 - _STEP_START) * step / rising
        return spec.gamma ** sum(step >= milestone * total for milestone in spec.milestones)
    return 1.0


def _one_cycle(step: int, total: int, warmup: float) -> float:
    """Rise and fall along half cosines, as torch's OneCycleLR does."""
    peak = warmup * total - 1
    if step <= peak:
        return _anneal(_START, 1.0, step / peak) if peak > 0 else 1.0
    return _anneal(1.0, _END, min(1.0, (step - peak) / max(1.0, total - 1 - peak)))


def _cosine(step: int, total: int, warmup: float) -> float:
    """Rise linearly, then follow one half cosine over all steps, as the authors' code of MEK."""
    rising = warmup * total
    if step < rising:
        return _WARM_START + (1.0 - _WARM_START) * step / rising
    return _anneal(1.0, _FLOOR, step / total)


def _anneal(start: float, end: float, phase: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * phase))
