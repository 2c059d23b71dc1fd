"""The embedded set: drawn faces with the seven basic emotions, for a run without any data.

A face wears the action units of its emotion after EMFACS (Friesen & Ekman, "EMFACS-7: Emotional
Facial Action Coding System", 1983), at a random and often low intensity, with some of them missing
and others leaking in. So the classes overlap as those of photographs do: surprise and fear share
their brows, lids and jaw, and a faint expression is hard to tell from a neutral face.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.dataset import EMOTIONS, FaceDataset, Part, make_dataset
from benchmark.data.faces import ACTION_UNITS, TRAITS, Floats, draw_faces
from benchmark.data.source import BLOCK, Block, Index, Mark, Source
from benchmark.errors import InputError

NAME = "synthetic"

PROTOTYPES: dict[str, tuple[int, ...]] = {
    "neutral": (),
    "happiness": (6, 12),
    "surprise": (1, 2, 5, 26),
    "sadness": (1, 4, 15),
    "anger": (4, 5, 7, 23),
    "fear": (1, 2, 4, 5, 20, 26),
    "disgust": (9, 15, 16),
}
"""The action units of each emotion (EMFACS)."""

# How hard the set is. Chosen so that a small network trained from scratch on the set with factor
# 50 gets about three quarters of the balanced test set right, and the tail clearly less.
FAINTEST = 0.8  # the least intensity of an expression; 1 is the strongest the muscles can do
UNIT_SPREAD = (0.75, 1.2)  # each unit's own share of the expression's intensity
MISSING_SHARE = 0.05  # how often a unit of the prototype does not show
LEAK_SHARE = 0.15  # how often a unit of another emotion shows
LEAK_MOST = 0.25  # and how strongly at most

CAMERA: dict[str, tuple[float, float]] = {
    "gain": (0.80, 1.10),
    "offset": (-0.05, 0.08),
    "blur": (0.0, 0.18),  # share of a pixel's light that goes to each neighbour along an axis
    "noise": (0.005, 0.035),  # standard deviation of the sensor's noise
    "cover": (-19.0, 1.0),  # an object before the face where above 0: one face in twenty
    "cover_x": (-0.9, 0.9),
    "cover_y": (-0.8, 0.9),
    "cover_width": (0.12, 0.35),
    "cover_height": (0.15, 0.9),
    "cover_slant": (-0.8, 0.8),
    "cover_tone": (0.1, 0.9),
}
"""What lies between the face and its pixels, each with its range."""

TRAIN_IMAGES = 600  # of each class, so that factor 150 leaves 4 of the smallest
# As in real sets, common expressions are common in the test set too; so overall and mean accuracy
# tell different stories.
VALIDATION_IMAGES = (80, 72, 48, 40, 32, 24, 16)
TEST_IMAGES = (200, 180, 120, 100, 80, 60, 40)
LEAST_SIZE = 16  # pixels; below it eyes and mouth are no longer apart

_CHUNK_PIXELS = 1 << 16  # the arrays of a chunk fit into the processor's cache
_ALLOCATOR_HINT = 1 << 24  # bytes; glibc heeds blocks of up to 32 MiB

NOTES = (
    "These are drawn faces, not photographs: the numbers show that the benchmark works and how "
    "methods behave under imbalance; they say nothing about real faces.",
)


def expression_units(labels: NDArray[np.int64], chance: NDArray[np.float64]) -> dict[int, Floats]:
    """Return how strongly each action unit shows on each face.

    Args:
        labels: (N,), indices into ``EMOTIONS``.
        chance: uniform in 0..1, (N, 1 + 3 * number of units): the expression's intensity, then for
            each unit its spread, whether it goes missing or leaks, and how strongly it leaks.

    Returns:
        float32 in 0..1, (N,), for each unit of ``ACTION_UNITS``.
    """
    intensity = FAINTEST + (1 - FAINTEST) * chance[:, 0]
    spread, gate, leak = chance[:, 1:].reshape(len(labels), 3, len(ACTION_UNITS)).transpose(1, 2, 0)
    low, high = UNIT_SPREAD
    units = {}
    for row, unit in enumerate(ACTION_UNITS):
        wears = np.array([unit in PROTOTYPES[name] for name in EMOTIONS])[labels]
        shown = intensity * (low + (high - low) * spread[row]) * (gate[row] >= MISSING_SHARE)
        leaked = LEAK_MOST * leak[row] * (gate[row] < LEAK_SHARE)
        units[unit] = np.minimum(np.where(wears, shown, leaked), 1).astype(np.float32)
    return units


def _in_ranges(
    ranges: dict[str, tuple[float, float]], chance: NDArray[np.float64]
) -> dict[str, Floats]:
    """Spread uniform numbers (N, K) over the K ranges."""
    return {
        name: (low + (high - low) * column).astype(np.float32)
        for (name, (low, high)), column in zip(ranges.items(), chance.T, strict=True)
    }


def _cover(images: Floats, camera: dict[str, Floats]) -> None:
    """Lay a slanted bar, about as wide as a hand or a scarf, over some faces, in place."""
    chosen = np.flatnonzero(camera["cover"] > 0)
    c = {name: values[chosen, None, None] for name, values in camera.items()}
    size = images.shape[-1]
    grid = ((np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1).astype(np.float32)
    x, y = grid[None, None, :] - c["cover_x"], grid[None, :, None] - c["cover_y"]
    across, along = x - c["cover_slant"] * y, y + c["cover_slant"] * x
    inside = np.minimum(c["cover_width"] - np.abs(across), c["cover_height"] - np.abs(along))
    coverage = np.clip(inside * (size / 2) + 0.5, 0, 1)
    tone = c["cover_tone"] * (1 - 0.4 * across)
    images[chosen] += coverage * (tone - images[chosen])


def _blur(images: Floats, share: Floats) -> Floats:
    """Let each pixel give ``share`` (N,) of its light to both neighbours along each axis."""
    share = share[:, None, None]
    padded = np.pad(images, ((0, 0), (1, 1), (0, 0)), mode="edge")
    images = images + share * (padded[:, :-2] + padded[:, 2:] - 2 * images)
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1)), mode="edge")
    images += share * (padded[:, :, :-2] + padded[:, :, 2:] - 2 * images)
    return images


def photograph(images: Floats, camera: dict[str, Floats], noise: Floats) -> NDArray[np.uint8]:
    """Turn drawn faces into pixels: cover, exposure, blur, noise, rounding.

    Args:
        images: float32, (N, S, S), 0 (black) to 1 (white); overwritten.
        camera: all of ``CAMERA``, float32, (N,) each.
        noise: standard normal, float32, (N, S, S).
    """
    _cover(images, camera)
    gain, offset, sigma = (camera[k][:, None, None] for k in ("gain", "offset", "noise"))
    images = _blur(images * gain + offset, camera["blur"]) + sigma * noise
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Sitting:
    """What some faces are drawn from.

    Attributes:
        place: where they stand among all.
        labels: (n,), indices into ``EMOTIONS``.
        traits: all of ``TRAITS``, float32, (n,) each.
        units: all of ``ACTION_UNITS``, likewise.
        camera: all of ``CAMERA``, likewise.
    """

    place: slice
    labels: NDArray[np.int64]
    traits: dict[str, Floats]
    units: dict[int, Floats]
    camera: dict[str, Floats]


def sittings(
    labels: NDArray[np.int64], *, seed: int | tuple[int, ...], chunk: int
) -> Iterator[Sitting]:
    """Yield what the faces of :func:`synthetic_faces` are drawn from, ``chunk`` at a time."""
    chances, _ = _streams(seed)
    drawn = len(TRAITS) + len(CAMERA)
    for start in range(0, len(labels), chunk):
        part = labels[start : start + chunk]
        chance = chances.random((len(part), drawn + 1 + 3 * len(ACTION_UNITS)))
        for_traits, for_camera, for_units = np.split(chance, (len(TRAITS), drawn), axis=1)
        yield Sitting(
            place=slice(start, start + len(part)),
            labels=part,
            traits=_in_ranges(TRAITS, for_traits),
            units=expression_units(part, for_units),
            camera=_in_ranges(CAMERA, for_camera),
        )


def _streams(seed: int | tuple[int, ...]) -> tuple[np.random.Generator, np.random.Generator]:
    """Return the streams of what is drawn and of the pixels' noise."""
    one, other = np.random.SeedSequence(seed).spawn(2)
    return np.random.Generator(np.random.PCG64(one)), np.random.Generator(np.random.PCG64(other))


def synthetic_faces(
    labels: Sequence[int] | NDArray[np.int64],
    *,
    seed: int | tuple[int, ...],
    size: int = 48,
    chunk: int | None = None,
) -> NDArray[np.uint8]:
    """Draw one face for each label.

    The seed opens two streams, one for what is drawn and one for the pixels' noise. Every face
    takes the same number of values from each, in the order of the labels; so a face depends on the
    seed, its place and its own label only, not on how many faces follow or are drawn at a time.

    Args:
        labels: (N,), indices into ``EMOTIONS``.
        seed: not negative; several numbers make one seed.
        size: height and width in pixels, at least 16.
        chunk: faces drawn at a time; bounds the memory and changes nothing else.

    Returns:
        uint8, (N, size, size).

    Raises:
        InputError: the size is too small.
        ValueError: a label is not an index into ``EMOTIONS``.
    """
    wanted = np.asarray(labels, dtype=np.int64)
    if size < LEAST_SIZE:
        raise InputError(f"faces are drawn at {LEAST_SIZE} pixels or more, got {size}")
    if wanted.size and not (wanted.min() >= 0 and wanted.max() < len(EMOTIONS)):
        raise ValueError(f"labels outside 0..{len(EMOTIONS) - 1}")
    _, grains = _streams(seed)
    faces = np.empty((len(wanted), size, size), np.uint8)
    # glibc hands every freed block back to the system until it has seen a larger one freed; so
    # this one, never touched, costs nothing and makes the first call three times as fast.
    hint = np.empty(_ALLOCATOR_HINT, np.uint8)
    del hint
    for sitting in sittings(wanted, seed=seed, chunk=chunk or max(1, _CHUNK_PIXELS // size**2)):
        noise = grains.standard_normal((len(sitting.labels), size, size), np.float32)
        drawn = draw_faces(sitting.traits, sitting.units, size)
        faces[sitting.place] = photograph(drawn, sitting.camera, noise)
    return faces


def synthetic_dataset(
    *,
    seed: int = 0,
    size: int = 48,
    train: int = TRAIN_IMAGES,
    validation: Sequence[int] = VALIDATION_IMAGES,
    test: Sequence[int] = TEST_IMAGES,
) -> FaceDataset:
    """Draw the embedded set.

    Args:
        seed: the set's seed; each part has a stream of its own.
        size: height and width in pixels, at least 16.
        train: training images of each class.
        validation: validation images of each class in turn.
        test: test images of each class in turn.

    Returns:
        The dataset ``synthetic`` with grey images and the classes of ``EMOTIONS``.

    Raises:
        InputError: the size is too small.
    """
    counts = {
        Part.TRAIN: (train,) * len(EMOTIONS),
        Part.VALIDATION: tuple(validation),
        Part.TEST: tuple(test),
    }
    labels = {p: np.repeat(np.arange(len(EMOTIONS)), count) for p, count in counts.items()}
    images = [synthetic_faces(labels[p], seed=(seed, int(p)), size=size) for p in counts]
    return make_dataset(
        NAME,
        np.concatenate(images),
        np.concatenate(list(labels.values())),
        np.concatenate([np.full(len(labels[p]), p, np.int8) for p in counts]),
        EMOTIONS,
        notes=NOTES,
    )


@dataclass(frozen=True, eq=False)
class Drawn:
    """Drawn faces as the cache takes them; uint8 (N, S, S)."""

    images: NDArray[np.uint8]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image."""
        return self.images.shape[1:]

    def blocks(self) -> Iterator[Block]:
        """Yield the faces in order."""
        for start in range(0, len(self.images), BLOCK):
            yield Block(start, self.images[start : start + BLOCK], ())


def find(root: Path | str | None = None) -> Source:
    """Return the embedded set as a source for the cache; its files are the program's own.

    A changed program draws another set, so the entry of the old one is not taken for it.
    """
    here = Path(__file__).resolve().parent
    files = {name: Mark.of((here / name).stat()) for name in ("faces.py", "synthetic.py")}

    def read_index() -> Index:
        drawn = synthetic_dataset()
        return Index(
            classes=drawn.classes,
            labels=drawn.labels,
            parts=drawn.parts,
            sources=(),
            pixels=Drawn(drawn.images),
            notes=drawn.notes,
        )

    return Source(NAME, here, files, read_index, has_validation=True)
