"""Measures of attention maps, against plain loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.stats import attention as measures

SHAPES = st.tuples(st.integers(1, 3), st.integers(2, 4), st.integers(1, 5), st.integers(2, 5))


def made(seed: int, shape: tuple[int, ...], flat: bool = False) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=shape) * rng.choice([0.01, 1, 100]) + rng.choice([0, -5, 5])
    if flat:
        maps[0, 0] = 3.25
    return maps.astype(np.float32)


def plain_heat(grid: list[list[float]]) -> list[list[float]]:
    lowest = min(min(row) for row in grid)
    raised = [[value - lowest for value in row] for row in grid]
    total = sum(map(sum, raised))
    places = len(grid) * len(grid[0])
    if total == 0:
        return [[1 / places for _ in row] for row in grid]
    return [[value / total for value in row] for row in raised]


def plain_correlation(one: list[float], other: list[float]) -> float:
    a, b = (sum(of) / len(of) for of in (one, other))
    top = sum((x - a) * (y - b) for x, y in zip(one, other, strict=True))
    below = sum((x - a) ** 2 for x in one) * sum((y - b) ** 2 for y in other)
    return top / math.sqrt(below)


@given(st.integers(0, 10**6), SHAPES, st.booleans())
def test_all_measures_against_plain_loops(seed: int, shape: Any, flat: bool) -> None:
    maps, mirrored = made(seed, shape, flat), made(seed + 1, shape)
    region = np.random.default_rng(seed).random((*shape[:2], 10, 12)) < 0.3
    region[-1, -1] = False
    overlap, outside = measures.class_overlap(maps), measures.share_outside(maps)
    alike, on = measures.mirror_consistency(maps, mirrored), measures.share_on(maps, region)
    n, classes, h, w = shape
    for i in range(n):
        heats = [plain_heat(grid) for grid in maps[i].tolist()]
        for k in range(classes):
            shared = [
                sum(min(heats[k][y][x], heats[j][y][x]) for y in range(h) for x in range(w))
                for j in range(classes)
                if j != k
            ]
            assert overlap[i, k] == pytest.approx(sum(shared) / len(shared), abs=1e-6)
            fine = 64  # sample points of each place and direction: exact for sides up to 5 x 64
            inside = sum(
                heats[k][y][x]
                * sum(abs((y + (s + 0.5) / fine) / h - 0.5) <= 0.375 for s in range(fine))
                * sum(abs((x + (s + 0.5) / fine) / w - 0.5) <= 0.375 for s in range(fine))
                / fine**2
                for y in range(h)
                for x in range(w)
            )
            assert outside[i, k] == pytest.approx(1 - inside, abs=2e-2)
            back = [value for row in mirrored[i, k].tolist() for value in reversed(row)]
            own = [value for row in maps[i, k].tolist() for value in row]
            expected = 0.0 if flat and (i, k) == (0, 0) else plain_correlation(own, back)
            assert alike[i, k] == pytest.approx(expected, abs=1e-6)
            held, pixels = 0.0, np.zeros((h, w))
            for y in range(10):
                for x in range(12):
                    pixels[int((y + 0.5) * h / 10), int((x + 0.5) * w / 12)] += 1
            for y in range(10):
                for x in range(12):
                    at = int((y + 0.5) * h / 10), int((x + 0.5) * w / 12)
                    held += region[i, k, y, x] * heats[k][at[0]][at[1]] / pixels[at]
            assert on[i, k] == pytest.approx(held, abs=1e-6, nan_ok=True) or not region[i, k].any()
    assert np.isnan(on[-1, -1])


@given(st.integers(0, 10**6), SHAPES, st.floats(0.1, 50), st.floats(-20, 20))
def test_scale_and_offset_change_nothing(seed: int, shape: Any, scale: float, by: float) -> None:
    maps = np.random.default_rng(seed).normal(size=shape)
    for measure in (measures.class_overlap, measures.share_outside):
        np.testing.assert_allclose(measure(maps), measure(scale * maps + by), atol=1e-8)
    one = measures.mirror_consistency(maps, maps)
    np.testing.assert_allclose(one, measures.mirror_consistency(scale * maps + by, maps), atol=1e-8)


@given(st.integers(0, 10**6), SHAPES)
def test_a_mirrored_map_is_wholly_consistent(seed: int, shape: Any) -> None:
    maps = np.random.default_rng(seed).normal(size=shape)
    found = measures.mirror_consistency(maps, maps[..., ::-1])
    np.testing.assert_allclose(found, 1)


def test_what_alike_and_even_maps_come_to() -> None:
    even = np.full((1, 3, 4, 4), -2.5)
    assert measures.mirror_consistency(even, even).tolist() == [[1, 1, 1]]
    np.testing.assert_allclose(measures.class_overlap(even), 1)
    np.testing.assert_allclose(measures.share_outside(even), 1 - 0.75**2)
    left = np.zeros((1, 3, 8, 8), dtype=bool)
    left[..., :2] = True
    np.testing.assert_allclose(measures.share_on(even, left), 0.25)


def test_maps_that_share_no_place_do_not_overlap() -> None:
    maps = np.zeros((1, 2, 2, 2))
    maps[0, 0, 0, 0] = maps[0, 1, 1, 1] = 1
    assert measures.class_overlap(maps).tolist() == [[0, 0]]
    np.testing.assert_allclose(measures.share_outside(maps), 1 - 0.75**2)
    with pytest.raises(ValueError, match="one class"):
        measures.class_overlap(maps[:, :1])
