"""RAF-DB on generated images, in the layouts that people hold it in."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest
from dataset_makers import make_raf, make_raf_folders, picture_bytes, raf_entries
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmark.data.dataset import FaceDataset, Part
from benchmark.data.load import load_dataset
from benchmark.data.rafdb import CLASSES, CODES, parse_labels
from benchmark.errors import InputError

LIST = Path("EmoLabel", "list_patition_label.txt")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def load(root: Path, cache: Path) -> FaceDataset:
    return load_dataset("raf-db", root, cache_dir=cache)


def test_labels_parts_and_pixels(tmp_path: Path, cache: Path) -> None:
    data = load(make_raf(tmp_path / "data"), cache)
    assert data.classes == CLASSES
    assert data.images.shape == (21, 100, 100, 3)
    assert data.counts(Part.TRAIN) == (2,) * 7
    assert data.counts(Part.TEST) == (1,) * 7
    assert not data.has_validation
    by_name = dict(raf_entries())
    for i, source in enumerate(data.sources):
        name = Path(source).name.replace("_aligned", "")
        assert CLASSES[data.labels[i]] == CODES[by_name[name] - 1]
        with Image.open(tmp_path / "data" / source) as image:
            assert (np.asarray(image.convert("RGB")) == data.images[i]).all()


@pytest.mark.parametrize("below", ["", "basic"])
@pytest.mark.parametrize("aligned", [True, False])
def test_variants_of_the_authors_layout(
    tmp_path: Path, cache: Path, below: str, aligned: bool
) -> None:
    expected = load(make_raf(tmp_path / "plain"), cache).fingerprint
    make_raf(tmp_path / "data" / below, aligned=aligned)
    assert load(tmp_path / "data", cache).fingerprint == expected


@pytest.mark.parametrize("below", ["", "DATASET"])
def test_the_copy_in_folders_is_the_same_dataset(tmp_path: Path, cache: Path, below: str) -> None:
    expected = load(make_raf(tmp_path / "plain"), cache)
    make_raf_folders(tmp_path / "data" / below)
    data = load(tmp_path / "data", cache)
    assert data.fingerprint == expected.fingerprint
    assert data.labels.tolist() == expected.labels.tolist()


def test_the_order_of_the_list_does_not_matter(tmp_path: Path, cache: Path) -> None:
    root = make_raf(tmp_path / "data")
    before = load(root, cache).fingerprint
    lines = (root / LIST).read_text().splitlines()
    (root / LIST).write_bytes("\r\n".join(reversed(lines)).encode("utf-8-sig"))
    assert load(root, cache).fingerprint == before


def test_the_list_wins_over_the_folders(tmp_path: Path, cache: Path) -> None:
    make_raf_folders(make_raf(tmp_path))
    assert "train/1 was not used" in load(tmp_path, cache).notes[0]


def test_notes_can_be_stored_whatever_folders_are_called(tmp_path: Path, cache: Path) -> None:
    root = make_raf(tmp_path / "data")
    make_raf_folders(Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9")))
    notes = load(root, cache).notes
    assert r"caf\udce9/train/1 was not used" in notes[0]
    " ".join(notes).encode()  # as a record would


@pytest.mark.parametrize("size", [(99, 100), (200, 200)])
def test_another_size_is_refused(tmp_path: Path, cache: Path, size: tuple[int, int]) -> None:
    root = make_raf(tmp_path)
    (root / "Image/aligned/train_00003_aligned.jpg").write_bytes(picture_bytes(1, size))
    with pytest.raises(InputError, match=r"train_00003_aligned\.jpg is .* expected 100x100"):
        load(root, cache)


def test_missing_images_and_folders_are_named(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(InputError, match=r"neither EmoLabel/list_patition_label\.txt"):
        load(tmp_path, cache)
    root = make_raf(tmp_path / "a")
    (root / "Image/aligned/test_00002_aligned.jpg").unlink()
    with pytest.raises(InputError, match=r"aligned/test_00002_aligned\.jpg is missing"):
        load(root, cache)
    (root / "Image").rename(root / "Picture")
    with pytest.raises(InputError, match="no Image/aligned"):
        load(root, cache)
    folders = make_raf_folders(tmp_path / "b")
    (folders / "test/6").rename(folders / "test/8")
    with pytest.raises(InputError, match=r"no test/6 \(anger\); .* are 1 surprise, 2 fear, "):
        load(folders, cache)


@pytest.mark.parametrize("foreign", ["train/0", "test/8", "train/contempt"])
def test_another_numbering_is_refused(tmp_path: Path, cache: Path, foreign: str) -> None:
    root = make_raf_folders(tmp_path)
    (root / foreign).mkdir()
    (root / foreign / "x_aligned.jpg").write_bytes(picture_bytes(0))
    with pytest.raises(InputError, match=f"{foreign} is no class of RAF-DB.*1 surprise"):
        load(root, cache)


def test_a_missing_image_in_a_folder_is_named(tmp_path: Path, cache: Path) -> None:
    root = make_raf_folders(tmp_path)
    load(root, cache)
    (root / "train/1/gone.jpg").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"train/1/gone\.jpg is missing"):
        load(root, cache)


def test_the_same_image_in_two_folders_is_refused(tmp_path: Path, cache: Path) -> None:
    root = make_raf_folders(tmp_path)
    (root / "train/2/train_00001.jpg").write_bytes(picture_bytes(0))
    with pytest.raises(InputError, match="the same image"):
        load(root, cache)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train_00001.jpg", "line 2: expected a name and a code"),
        ("train_00001.jpg 5 6", "line 2: expected a name and a code"),
        ("train_00001.jpg 8", "line 2: code '8'"),
        ("train_00001.jpg x", "line 2: code 'x'"),
        ("valid_00001.jpg 1", "line 2: 'valid_00001.jpg' starts with neither"),
        ("../train_00001.jpg 1", "line 2: .*outside"),
        ("/train_00001.jpg 1", "line 2: .*outside"),
        ("train_00009.jpg 1", "line 2: train_00009.jpg stood on line 1 already"),
    ],
)
def test_bad_lines_are_named(line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_labels(["train_00009.jpg 3\n", line], "list")


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(InputError, match="no lines"):
        parse_labels(["\n"], "list")


@given(st.lists(st.one_of(st.text(), st.from_regex(r"(train|test)_\d{5}\.jpg [0-9]"))))
def test_any_text_parses_or_is_refused(lines: list[str]) -> None:
    with contextlib.suppress(InputError):
        assert all(1 <= entry.code <= 7 for entry in parse_labels(lines, "list"))
