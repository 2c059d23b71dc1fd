"""How likely each class is drawn.

Shapes: B batch, K classes.
"""

from __future__ import annotations

from torch import Tensor

from methods.functional.counts import Counts, like, positive_counts


def reversed_sampling_probabilities(counts: Counts) -> Tensor:
    """Return the class probabilities of BBN's reversed sampler, (1 / n_c) / sum(1 / n), (K,).

    Source: Zhou et al., CVPR 2020, section 4.2.
    """
    inverse = 1.0 / positive_counts(counts)
    return like(inverse / inverse.sum(), counts)


def sampling_probabilities(counts: Counts, power: float) -> Tensor:
    """Return the class probabilities n^power / sum(n^power), (K,).

    Power 1 is natural sampling, 1/2 the square root, 0 class-balanced. Source: Kang et al., ICLR
    2020.
    """
    powered = positive_counts(counts) ** power
    return like(powered / powered.sum(), counts)


def progressive_sampling_probabilities(counts: Counts, epoch: int, epochs: int) -> Tensor:
    """Return the class probabilities (1 - t) natural + t balanced, (K,).

    t = epoch / (epochs - 1), where ``epoch`` counts from 0, so the last one is balanced; a single
    epoch is natural. Source: Kang et al., ICLR 2020, with the t of the authors' code.
    """
    n = positive_counts(counts)
    t = epoch / (epochs - 1) if epochs > 1 else 0.0
    natural, balanced = sampling_probabilities(n, 1.0), sampling_probabilities(n, 0.0)
    return like((1.0 - t) * natural + t * balanced, counts)
