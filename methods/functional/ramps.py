"""What changes while training goes on.

Shapes: B batch, K classes.
"""

from __future__ import annotations

import math


def sigmoid_rampup(epoch: float, length: float) -> float:
    """Return SOFT's ramp exp(-5 (1 - min(epoch, length) / length)^2); 1 where there is no ramp.

    ``epoch`` counts from 0. Source: Tarvainen and Valpola, NeurIPS 2017, as used by the authors of
    SOFT.
    """
    if length <= 0:
        return 1.0
    phase = 1.0 - min(max(epoch, 0.0), length) / length
    return math.exp(-5.0 * phase * phase)


def ema_decay(step: int, decay: float) -> float:
    """Return min(1 - 1 / (step + 1), decay): the decay of SOFT's teacher after ``step`` steps.

    ``step`` counts the optimiser step just taken, so the first call has step 1 and gives 0.5.
    """
    return min(1.0 - 1.0 / (step + 1), decay)


def decay_over(steps: int, decay: float, usual_steps: int) -> float:
    """Return the decay that remembers the same share of a training as ``decay`` of a usual one.

    1 - (1 - decay) usual_steps / steps, never above ``decay``, nor below 0 where steps are few.

    Args:
        steps: optimiser steps of this training.
        decay: chosen for a training of ``usual_steps``.
        usual_steps: of that training.
    """
    return min(decay, max(0.0, 1.0 - (1.0 - decay) * usual_steps / steps))


def deferral_start(epochs: int, share: float) -> float:
    """Return the epoch, from 0, at which deferred re-weighting begins: ``share`` of all epochs.

    The last epoch is always weighted, or a short training would not be re-weighted at all.
    """
    return min(share * epochs - 1e-9, epochs - 1)  # 0.07 * 100 is a little more than 7


def bilateral_alpha(epoch: float, max_epoch: int) -> float:
    """Return BBN's alpha = 1 - ((epoch - 1) / max_epoch)^2; ``epoch`` counts from 1.

    Exactly 1 as the first epoch begins; fractions move it within an epoch. Source: Zhou et al.,
    CVPR 2020, and the authors' code, which moves it by whole epochs.
    """
    return 1.0 - ((epoch - 1) / max_epoch) ** 2
