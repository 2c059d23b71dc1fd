"""Copies: exact, mirrored and near ones, against a plain loop over all pairs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from benchmark.choices import IMAGES
from benchmark.data.copies import (
    THRESHOLD,
    Kind,
    Prints,
    correlation,
    exact_pairs,
    near_pairs,
    prints_of,
    reduced,
)
from benchmark.data.dataset import FaceDataset, Part, make_dataset
from benchmark.data.load import load_dataset
from benchmark.data.marks import Marks, marks_from, marks_of
from benchmark.errors import InputError
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.logits_file import pack

TRAIN, VALIDATION, TEST = Part


def face(seed: int, side: int = 48) -> np.ndarray:
    """A smooth picture, as faces are."""
    coarse = np.random.default_rng(seed).integers(20, 236, (6, 6))
    return np.kron(coarse, np.ones((side // 6, side // 6))).astype(np.uint8)


def noisy(image: np.ndarray, amount: int = 6) -> np.ndarray:
    noise = np.random.default_rng(5).integers(-amount, amount + 1, image.shape)
    return np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8)


def dataset_of(*placed: tuple[Part, np.ndarray]) -> FaceDataset:
    images = np.stack([image for _, image in placed])
    labels = np.arange(len(placed)) % 2
    parts = np.array([part for part, _ in placed])
    return make_dataset("made", images, labels, parts, ("a", "b"))


def everything(
    prints: Prints, ones: list[int], others: list[int], threshold: float = THRESHOLD
) -> dict[tuple[int, int], Kind]:
    found = {
        (p.one, p.other): p.kind
        for p in near_pairs(prints, np.array(ones), np.array(others), threshold)
    }
    return found | {
        (p.one, p.other): p.kind for p in exact_pairs(prints, np.array(ones), np.array(others))
    }


def test_every_kind_of_copy_is_found_and_named() -> None:
    picture = face(1)
    faces = dataset_of(
        (TRAIN, picture),
        (TEST, picture),
        (TEST, picture[:, ::-1]),
        (TEST, noisy(picture)),
        (TEST, noisy(picture[:, ::-1])),
        (TEST, face(2)),
        (TEST, (picture // 2 + 40).astype(np.uint8)),
    )
    found = everything(prints_of(faces), [1, 2, 3, 4, 5, 6], [0])
    assert found == {
        (1, 0): Kind.EXACT,
        (2, 0): Kind.MIRRORED,
        (3, 0): Kind.NEAR,
        (4, 0): Kind.NEAR_MIRRORED,
        (6, 0): Kind.NEAR,
    }, "light and contrast make no other picture"


@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([0.2, 0.5, 0.9]))
def test_near_pairs_are_those_of_a_plain_loop(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (9, 6, 6), dtype=np.uint8)
    images[1] = images[0][:, ::-1]
    images[2] = 7  # of one grey: near nothing
    prints = Prints()
    prints.add(np.arange(9), images)
    ones, others = [0, 1, 2, 3, 4, 5], [3, 4, 5, 6, 7, 8]
    expected = set()
    for i in ones:
        for j in others:
            if i == j or (j < i and i in others and j in ones) or 2 in (i, j):
                continue
            both = (
                pearsonr(picture.ravel().astype(float), images[j].ravel().astype(float)).statistic
                for picture in (images[i], images[i][:, ::-1])
            )
            if max(both) >= threshold:
                expected.add((i, j))
    found = list(near_pairs(prints, np.array(ones), np.array(others), threshold))
    assert {(pair.one, pair.other) for pair in found} == expected
    assert len(found) == len(expected), "each pair once"


@given(st.integers(0, 10_000), st.integers(3, 60), st.integers(3, 60), st.booleans())
def test_reduced_pictures_are_means_of_pieces(
    seed: int, height: int, width: int, rgb: bool
) -> None:
    shape = (2, height, width, 3) if rgb else (2, height, width)
    images = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    small = reduced(images)
    rows, columns = min(24, height), min(24, width)
    assert small.shape == (2, rows, columns)
    for r in (0, rows - 1):
        for c in (0, columns - 1):
            piece = images[
                :,
                r * height // rows : (r + 1) * height // rows,
                c * width // columns : (c + 1) * width // columns,
            ]
            means = piece.reshape(2, -1).mean(axis=1)
            assert np.abs(small[:, r, c] - means).max() <= 0.5 + 1e-6


def test_correlation_is_pearsons_and_exact_for_equal_pictures() -> None:
    one, other = face(1, 24), noisy(face(1, 24), 60)
    expected = pearsonr(one.ravel().astype(float), other.ravel().astype(float)).statistic
    assert correlation(one, other) == pytest.approx(expected, abs=1e-12)
    assert correlation(one, np.full_like(one, 9)) == 0.0


def test_blocks_of_pairs_leave_none_out(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.stack([face(i) for i in range(30)] + [face(i) for i in range(30)])
    prints = prints_of(dataset_of(*((TRAIN, image) for image in images)))
    whole = everything(prints, list(range(60)), list(range(60)))
    assert set(whole) >= {(i, i + 30) for i in range(30)}
    monkeypatch.setattr("benchmark.data.copies._ROWS", 7)
    monkeypatch.setattr("benchmark.data.copies._COLUMNS", 11)
    assert everything(prints, list(range(60)), list(range(60))) == whole


def made_marks() -> Marks:
    picture, other = face(1), face(3)
    return marks_of(
        dataset_of(
            (TRAIN, picture),
            (TEST, picture),
            (TEST, noisy(picture)),
            (TEST, face(2)),
            (TEST, other),
            (VALIDATION, picture),
            (VALIDATION, other),
            (VALIDATION, face(4)),
            (VALIDATION, noisy(other)),
        )
    )


def test_marks_say_which_images_are_counted() -> None:
    marks = made_marks()
    kept = {name: marks.test.kept(name).tolist() for name in IMAGES}
    assert kept == {
        "all": [True] * 4,
        "clean": [False, True, True, True],
        "no-near-copies": [False, False, True, True],
    }
    kept = {name: marks.validation.kept(name).tolist() for name in IMAGES}
    assert kept == {
        "all": [True] * 4,
        "clean": [False, False, True, True],
        "no-near-copies": [False, False, True, False],
    }, "of copies of test images, too"


def test_marks_are_kept_and_read_again(tmp_path: Path) -> None:
    marks = made_marks()
    store = KeptMarks(tmp_path)
    assert store.get("f" * 64) is None
    store.put("f" * 64, pack(marks.arrays()))
    again = store.get("f" * 64)
    assert again is not None
    assert again.digest == marks.digest
    assert again.test.names.tolist() == ["image 1", "image 2", "image 3", "image 4"]


@pytest.mark.parametrize("damage", ["bytes", "missing", "other", "length"])
def test_damaged_marks_are_one_line(tmp_path: Path, damage: str) -> None:
    arrays = made_marks().arrays()
    if damage == "missing":
        del arrays["test_marks"]
    if damage == "other":
        arrays["test_marks"] = arrays["test_marks"] + np.uint8(8)
    if damage == "length":
        arrays["test_names"] = arrays["test_names"][:-1]
    content = b"PK" + bytes(50) if damage == "bytes" else pack(arrays)
    store = KeptMarks(tmp_path)
    store.put("f" * 64, content)
    with pytest.raises(InputError, match=r"damaged \(.*remove it"):
        store.get("f" * 64)


def test_marks_follow_from_arrays() -> None:
    marks = made_marks()
    assert marks_from(marks.arrays()).digest == marks.digest


@pytest.mark.ferplus
def test_copies_in_the_real_set(tmp_path: Path) -> None:
    faces = load_dataset("ferplus", os.environ["FER_BENCH_FERPLUS"])
    marks = KeptMarks(tmp_path).of(faces)
    copied = ~marks.test.kept("clean")
    assert np.bincount(marks.test.labels[copied]).tolist() == [39, 36, 109, 27, 30, 11, 5]
    assert int(marks.test.kept("no-near-copies").sum()) == 2826
    assert int(marks.validation.kept("clean").sum()) == 2913
