"""How well each class is told from the rest whatever the threshold: areas under ROC curves.

The area of a class is the chance that an image of it scores higher than an image of another class,
ties counted half (Bamber, "The area above the ordinal dominance graph and the area below the
receiver operating characteristic graph", Journal of Mathematical Psychology 12, 1975). An image's
score is its log odds of the class, z_c - log sum_{j != c} exp(z_j): in the order of the softmax's
probabilities, but never rounded to the same 1 where a network is sure. What is added to one class's
logit, a prior or a threshold, moves all its scores alike and leaves its area as it is; what is
added to other classes' logits touches it only by how these compare among themselves.

The variance over test images is that of DeLong, DeLong and Clarke-Pearson ("Comparing the areas
under two or more correlated receiver operating characteristic curves: a nonparametric approach",
Biometrics 44, 1988): that of the placements, the share of the other side that an image lies on the
right side of, over m images of the class and n of the others. Placements come from midranks (Sun
and Xu, "Fast implementation of DeLong's algorithm", IEEE Signal Processing Letters 21, 2014). A
class whose images all score above the others would say that it always will, so each side is lent
one image of placement 1/2, a coin's, before the variance is taken; the area itself stays as
measured.

The mean over K classes: an image moves its own class's area by (placement - mean) / m and each
other class's by (placement - mean) / n. The squares of what it moves in all of them together, over
K, sum to the variance of the mean, covariances and all; the lent image is one and the same in all
classes.

Limits are Wilson's of a share A of as many independent images as that variance is worth, A (1 - A)
over it, with the lent images in this A: symmetric limits would leave 0..1 near the ends. Simulated
for normal scores of equal and unequal spread, areas from 0.55 to 0.995, 18, 83 and 1000 images
against 300 to 3119, intervals at 0.95 hold the true area with a probability of 0.90 to 1 (600
rounds each); without the lent images 0.51 to 0.96. Several seeds are averaged image by
image, which makes the test set no larger, and add Student's interval over them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.stats.intervals import seed_half_width, wilson

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LENT = 0.5
"""Placement of the image that each side is lent."""


@dataclass(frozen=True)
class RocArea:
    """An area under an ROC curve with its limits, all in 0..1; nan where a side has no images."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassAreas:
    """The areas of all classes, one against the rest, and the mean of those that have images."""

    classes: tuple[RocArea, ...]
    mean: RocArea


def log_odds(logits: ArrayLike) -> Floats:
    """Return the log odds of each class, (n, K), under the softmax of logits (n, K)."""
    from scipy.special import logsumexp

    scores = np.asarray(logits, dtype=np.float64)
    classes = range(scores.shape[1])
    rest = [logsumexp(np.delete(scores, c, axis=1), axis=1) for c in classes]
    return np.asarray(scores - np.stack(rest, axis=1), dtype=np.float64)


def roc_area(scores: ArrayLike, members: ArrayLike) -> float:
    """Return the area under the ROC curve, in 0..1; nan where a side has no images.

    Args:
        scores: (n,), larger where an image looks more like a member.
        members: bool (n,).
    """
    inside = np.asarray(members, dtype=np.bool_)
    if inside.all() or not inside.any():
        return math.nan
    return float(placements(np.asarray(scores, dtype=np.float64), inside)[inside].mean())


def placements(scores: Floats, members: Bools) -> Floats:
    """Return for each image the share of the other side that it lies on the right side of, (n,).

    A member lies right above the others, another image below the members; ties count half. Both
    sides' placements have the area as their mean.
    """
    from scipy.stats import rankdata

    ranks = rankdata(scores)
    found = np.empty(len(scores))
    for side in (members, ~members):
        # A midrank among all less that among its own side: the others below, ties half.
        found[side] = (ranks[side] - rankdata(scores[side])) / np.count_nonzero(~side)
    found[~members] = 1 - found[~members]
    return found


def class_roc_areas(logits: Sequence[ArrayLike], labels: ArrayLike) -> ClassAreas:
    """Return the area of each class against the rest, and the mean, averaged over seeds.

    Args:
        logits: (n, K) for each seed, of the same images.
        labels: integers (n,) in 0..K-1.

    Raises:
        ValueError: there are no logits, or the shapes do not fit.
    """
    truth = np.asarray(labels)
    scores = [log_odds(one) for one in logits]
    if not scores or any(one.shape != (len(truth), scores[0].shape[1]) for one in scores):
        raise ValueError(f"shapes do not fit: {truth.shape}, {[one.shape for one in scores]}")
    members = truth[:, None] == np.arange(scores[0].shape[1])
    counted = [c for c, side in enumerate(members.T) if side.any() and not side.all()]
    found = dict.fromkeys(range(members.shape[1]), RocArea(math.nan, math.nan, math.nan))
    values, centres, moved = [], [], []
    for c in counted:
        placed = np.stack([placements(one[:, c], members[:, c]) for one in scores])
        values.append(placed[:, members[:, c]].mean(axis=1))
        centre, moves = _moved(placed.mean(axis=0), members[:, c])
        centres.append(centre)
        moved.append(moves)
        found[c] = _limits(values[-1], centre, moves)
    if not counted:
        return ClassAreas(tuple(found.values()), found[0])
    mean = _limits(np.mean(values, axis=0), float(np.mean(centres)), np.mean(moved, axis=0))
    return ClassAreas(tuple(found.values()), mean)


def _moved(placed: Floats, members: Bools) -> tuple[float, Floats]:
    """Return the area with the lent images, and by how much each image moves it, lent ones last.

    The squares, (n + 2,), sum to the variance: that of each side's placements over its images.
    """
    moves, lent, centres = np.empty(len(placed)), [], []
    for side in (members, ~members):
        n = np.count_nonzero(side)
        centre = (placed[side].sum() + LENT) / (n + 1)
        scale = math.sqrt(n * (n + 1))
        moves[side] = (placed[side] - centre) / scale
        lent.append((LENT - centre) / scale)
        centres.append(centre)
    return float(centres[0]), np.append(moves, lent)


def _limits(values: Floats, centre: float, moves: Floats) -> RocArea:
    """Return the mean of values, one a seed, with its limits; arguments as ``_moved`` returns."""
    value = float(np.clip(values.mean(), 0, 1))
    variance = float(moves @ moves)
    # Without variance all placements are a coin's, and an area of 1/2 is all that can be.
    images = centre * (1 - centre) / variance if variance else math.inf
    low, high = wilson(value * images, images) if images < math.inf else (value, value)
    width = seed_half_width(values)
    low, high = value - math.hypot(value - low, width), value + math.hypot(high - value, width)
    return RocArea(value, max(0.0, low), min(1.0, high))
