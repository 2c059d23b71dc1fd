"""Answers of two methods, made without any network."""

from __future__ import annotations

import numpy as np

SIZES = (160, 120, 60, 40, 12)


def answers(
    rng: np.random.Generator,
    seeds: int,
    *,
    seed_spread: float = 0.0,
    skill: float = 0.0,
    sizes: tuple[int, ...] = SIZES,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and two methods' answers; images differ in difficulty, seeds in skill by class."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    ease = np.linspace(2, -0.5, len(sizes))[labels] + rng.normal(size=len(labels)) * 1.5
    both = []
    for gain in (skill, 0.0):
        own = rng.normal(size=len(labels)) * 0.5
        lift = rng.normal(size=(seeds, len(sizes))) * seed_spread
        chance = 1 / (1 + np.exp(-(ease + own + gain + lift[:, labels])))
        both.append(rng.random((seeds, len(labels))) < chance)
    return labels, *both
