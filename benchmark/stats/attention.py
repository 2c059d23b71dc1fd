"""What class attention maps say of a network: mirrored faces, other classes, the rim of the face.

A map is any real field. Its heat is what figures show of it: the map less its smallest value, in
shares of the sum, as in the code of Zhou et al. ("Learning deep features for discriminative
localization", CVPR 2016); a map that is the same everywhere is warm everywhere alike. So no measure
depends on a map's scale or offset, and methods with other logits can be compared. Maps of other
sizes cannot: a coarser one overlaps more.

Shapes: n images, K classes, h and w of a map, H and W of an image.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Maps = NDArray[np.floating[Any]]

CENTRE = 0.75
"""Height and width of the face's centre as parts of the image's: brows, eyes, nose and mouth of an
aligned crop lie in it, hair, ears, chin and background outside."""

_FLAT = 1e-6  # a range that is rounding, as a part of the largest value


def heat(maps: Maps) -> Floats:
    """Return maps (..., h, w) less their smallest value, each in shares of its sum."""
    values = maps.astype(np.float64)
    lowest = values.min(axis=(-2, -1), keepdims=True)
    raised = np.where(_flat(values), 1.0, values - lowest)
    return np.asarray(raised / raised.sum(axis=(-2, -1), keepdims=True))


def mirror_consistency(maps: Maps, mirrored: Maps) -> Floats:
    """Return how alike an image's maps and those of its mirror image are, (n, K) in -1..1.

    Pearson's correlation over the places of a map ("CC" of Bylinski et al., "What do different
    evaluation metrics tell us about saliency models?", TPAMI 2019, section 3.2) of the map and the
    other one mirrored back. EAC and MEK train for a small squared difference of the same two; that
    difference also falls where a network's logits are small. Two maps that are the same everywhere
    are alike (1); one such map beside another that is not says nothing of it (0).

    Args:
        maps: (n, K, h, w).
        mirrored: (n, K, h, w) of the mirrored images, as the network gives them.
    """
    one, other = maps.astype(np.float64), mirrored[..., ::-1].astype(np.float64)
    flat = _flat(one)[..., 0, 0], _flat(other)[..., 0, 0]
    one = one - one.mean(axis=(-2, -1), keepdims=True)
    other = other - other.mean(axis=(-2, -1), keepdims=True)
    size = np.sqrt((one**2).sum(axis=(-2, -1)) * (other**2).sum(axis=(-2, -1)))
    either = flat[0] | flat[1] | (size == 0)
    found = (one * other).sum(axis=(-2, -1)) / np.where(either, 1.0, size)
    return np.where(either, 1.0 * (flat[0] & flat[1]), np.clip(found, -1, 1))


def class_overlap(maps: Maps) -> Floats:
    """Return how much heat each class's map shares with those of the others, (n, K) in 0..1.

    The intersection of two heats (Swain and Ballard, "Color indexing", IJCV 1991, equation 1;
    "SIM" of Bylinski et al., TPAMI 2019), averaged over the other classes: 1 where all maps are
    alike.

    Args:
        maps: (n, K, h, w), of two classes at least.

    Raises:
        ValueError: there is one class.
    """
    classes = maps.shape[1]
    if classes < 2:
        raise ValueError("one class has no others to overlap with")
    heats = heat(maps)
    total = np.zeros(heats.shape[:2])
    for shift in range(1, classes):
        total += np.minimum(heats, np.roll(heats, shift, axis=1)).sum(axis=(-2, -1))
    return np.asarray(total / (classes - 1))


def share_outside(maps: Maps) -> Floats:
    """Return the share of each map's heat outside the face's centre, (n, K) in 0..1.

    The centre is the middle :data:`CENTRE` of height and width. A place of the map that it cuts
    counts by its area; a map that is warm everywhere alike gives 1 - CENTRE^2.

    Args:
        maps: (n, K, h, w).
    """
    down, across = (_within(side) for side in maps.shape[-2:])
    return np.asarray(1 - np.einsum("nkhw,h,w->nk", heat(maps), down, across))


def share_on(maps: Maps, regions: NDArray[np.bool_]) -> Floats:
    """Return the share of each map's heat on a region, (n, K) in 0..1; nan where that is empty.

    The pointing game by energy (Wang et al., "Score-CAM", CVPR Workshops 2020, section 4.3), which
    unlike the game by the maximum (Zhang et al., "Top-down neural attention by excitation
    backprop", IJCV 2018) is defined on coarse maps. A pixel's heat is its place's, spread evenly.

    Args:
        maps: (n, K, h, w).
        regions: bool (n, K, H, W), H and W no smaller than h and w.
    """
    heats, (height, width) = heat(maps), regions.shape[-2:]
    down, across = (
        _places(pixels, of) for pixels, of in zip((height, width), maps.shape[-2:], strict=True)
    )
    covered = np.einsum("hH,nkHW,wW->nkhw", down, regions.astype(np.float64), across)
    pixels = down.sum(axis=1)[:, None] * across.sum(axis=1)
    shares = (heats * covered / pixels).sum(axis=(-2, -1))
    return np.where(regions.any(axis=(-2, -1)), shares, np.nan)


def _flat(values: Floats) -> NDArray[np.bool_]:
    """Return which maps are the same everywhere but for rounding, (..., 1, 1)."""
    extent = np.ptp(values, axis=(-2, -1), keepdims=True)
    return np.asarray(extent <= _FLAT * np.abs(values).max(axis=(-2, -1), keepdims=True))


def _within(side: int) -> Floats:
    """Return which part of each of ``side`` stretches of 0..1 lies in the middle, (side,)."""
    edges = np.linspace(0, 1, side + 1)
    low, high = (1 - CENTRE) / 2, (1 + CENTRE) / 2
    return np.asarray(np.diff(np.clip(edges, low, high)) * side)


def _places(pixels: int, side: int) -> Floats:
    """Return which place of a map each pixel belongs to by its middle, 0 or 1, (side, pixels)."""
    of = ((np.arange(pixels) + 0.5) * side / pixels).astype(np.int64)
    return np.asarray(np.arange(side)[:, None] == of, dtype=np.float64)
