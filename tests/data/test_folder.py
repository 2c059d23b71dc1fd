"""Datasets in folders: classes, sizes, colours and what is refused."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from dataset_makers import grey, make_folders
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmark.data.dataset import FaceDataset, Part
from benchmark.data.folder import class_order, find, parse_classes
from benchmark.data.load import load_dataset
from benchmark.errors import InputError


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def load(root: Path, cache: Path) -> FaceDataset:
    return load_dataset("folder", root, cache_dir=cache)


def test_classes_parts_and_order(tmp_path: Path, cache: Path) -> None:
    data = load(make_folders(tmp_path / "data"), cache)
    assert data.classes == ("ant", "bee", "cat")
    assert data.images.shape == (12, 12, 12)
    assert data.counts(Part.TRAIN) == data.counts(Part.TEST) == (2, 2, 2)
    assert data.sources[:3] == ("train/ant/0.png", "train/ant/1.png", "train/bee/0.png")


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val", "VALID"])
def test_a_validation_set_may_lack_a_class(tmp_path: Path, cache: Path, name: str) -> None:
    root = make_folders(tmp_path / "data", parts=("train", "test", name))
    for path in (root / name / "bee").iterdir():
        path.unlink()
    assert load(root, cache).counts(Part.VALIDATION) == (2, 0, 2)
    (root / name / "bee").rmdir()
    assert load(root, cache).counts(Part.VALIDATION) == (2, 0, 2)


@pytest.mark.parametrize(
    ("folders", "ordered"),
    [
        (["sad", "happy", "angry", "neutral"], ["neutral", "happy", "sad", "angry"]),
        (["Fear", "Disgust", "Happiness"], ["Happiness", "Fear", "Disgust"]),
        (["10", "9", "1"], ["1", "9", "10"]),
        (["10", "9", "x"], ["10", "9", "x"]),
        (["happy", "contempt"], ["contempt", "happy"]),
    ],
)
def test_order_of_classes(folders: list[str], ordered: list[str]) -> None:
    assert class_order(folders) == ordered


def test_the_map_names_and_orders_classes(tmp_path: Path, cache: Path) -> None:
    root = make_folders(tmp_path)
    (root / "classes.txt").write_text("# order of the table\ncat big cat\n\nant Ant\nbee Bee\n")
    data = load(root, cache)
    assert data.classes == ("big cat", "Ant", "Bee")
    assert data.sources[0] == "train/cat/0.png"
    (root / "classes.txt").write_text("cat C\nant A\n")
    with pytest.raises(InputError, match=r"train/bee is a class that classes\.txt does not have"):
        load(root, cache)
    (root / "classes.txt").write_text("cat C\nant A\nbee B\nowl O\n")
    with pytest.raises(InputError, match="train/owl holds no images"):
        load(root, cache)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = \nb", "line 1: folder 'a' has no class name"),
        ("a = A\x1b[31m\nb", "line 1: class .* has a name with a control character"),
        ("a\x07\nb", "line 1: .*outside"),
        ("a = \u200b\nb", "line 1: class .* without a visible character"),
        ("a A\na B", "line 2: .*twice"),
        ("a A\nb A", "line 2: .*twice"),
        ("../a A\nb B", "line 1: .*outside"),
        ("a A", "names 1 class;"),
        ("", "names 0 classes"),
    ],
)
def test_bad_maps_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_classes(text.splitlines())


def test_forms_of_the_map() -> None:
    lines = [
        "# order",
        "very happy = Happy",
        "a=b\tA = B",
        "sad  very  sad",
        "two words",
        "x",
        " y ",
    ]
    assert parse_classes(lines, ["two words"]) == {
        "very happy": "Happy",
        "a=b": "A = B",
        "sad": "very sad",
        "two words": "two words",
        "x": "x",
        "y": "y",
    }


def test_one_name_a_line_with_spaces(tmp_path: Path, cache: Path) -> None:
    root = make_folders(tmp_path / "data", classes=("very happy", "very", "sad"))
    (root / "classes.txt").write_text("very happy\nsad\nvery = Much\n")
    data = load(root, cache)
    assert data.classes == ("very happy", "sad", "Much")
    assert data.sources[0] == "train/very happy/0.png"


@given(st.lists(st.text()))
def test_any_map_parses_or_is_refused(lines: list[str]) -> None:
    with contextlib.suppress(InputError):
        names = parse_classes(lines)
        assert len(set(names.values())) == len(names) >= 2
        "".join((*names, *names.values())).encode()


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_class_without_images_is_refused(tmp_path: Path, cache: Path, part: str) -> None:
    root = make_folders(tmp_path)
    for path in (root / part / "bee").iterdir():
        path.rename(path.with_suffix(".txt"))
    with pytest.raises(InputError, match=f"{part}/bee holds no images"):
        load(root, cache)
    for path in (root / part / "bee").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=f"{part}/bee holds no images"):
        load(root, cache)


def test_missing_and_surplus_folders(tmp_path: Path, cache: Path) -> None:
    root = make_folders(tmp_path / "a", parts=("train",))
    with pytest.raises(InputError, match="no folder 'test'"):
        load(root, cache)
    root = make_folders(tmp_path / "b", parts=("train", "test", "val", "validation"))
    with pytest.raises(InputError, match="both val and validation"):
        load(root, cache)
    root = make_folders(tmp_path / "c")
    (root / "test" / "owl").mkdir()
    with pytest.raises(InputError, match="test/owl is a class that train does not have"):
        load(root, cache)
    root = make_folders(tmp_path / "d", classes=("one",))
    with pytest.raises(InputError, match="holds 1 class folder;"):
        load(root, cache)


def test_part_folders_in_capitals_and_one_folder_further_down(tmp_path: Path, cache: Path) -> None:
    plain = load(make_folders(tmp_path / "plain"), cache)
    for below in ("", "unpacked"):
        top = tmp_path / f"top{below}"
        make_folders(top / below, parts=("Train", "TEST"))
        assert load(top, cache).fingerprint == plain.fingerprint
    (top / "classes.txt").write_text("cat\nant\nbee\n")
    assert load(top, cache).classes == ("cat", "ant", "bee")
    make_folders(top / "other")
    with pytest.raises(InputError, match="a training set in other and in unpacked; point"):
        load(top, cache)


def test_the_refusal_says_what_would_help(tmp_path: Path, cache: Path) -> None:
    root = make_folders(tmp_path / "a", parts=("train", "val", "dev"))
    with pytest.raises(InputError, match=r"holds the folders dev, train, val; .*rename it to test"):
        load(root, cache)
    with pytest.raises(InputError, match=r"no folder 'train', here or one .*folders ant, bee, cat"):
        load(root / "dev", cache)


def test_grey_only_if_all_are(tmp_path: Path, cache: Path) -> None:
    root = make_folders(tmp_path / "data")
    assert load(root, cache).images.ndim == 3
    Image.fromarray(grey(5, 12)).convert("RGB").save(root / "test/cat/1.png")
    data = load(root, cache)
    assert data.images.shape == (12, 12, 12, 3)
    assert (data.images[..., 0] == data.images[..., 2]).all()


def test_the_first_image_decides_the_size(tmp_path: Path, cache: Path) -> None:
    root = make_folders(tmp_path)
    Image.fromarray(grey(5, 13)).save(root / "train/cat/1.png")
    with pytest.raises(InputError, match=r"train/cat/1\.png is 13x13 pixels, expected 12x12"):
        load(root, cache)


def test_other_files_are_left_out_and_told(tmp_path: Path, cache: Path) -> None:
    root = make_folders(tmp_path / "data")
    (root / "train/cat/notes.txt").write_text("x")
    (root / "train/cat/.hidden.png").write_text("x")
    data = load(root, cache)
    assert len(data.labels) == 12
    notes = (
        "1 file left out: not an image by the ending (.txt 1)",
        "1 entry left out: hidden, or of the system",
    )
    assert data.notes == notes
    assert load(root, cache).notes == notes
    (root / "train/cat/notes.txt").unlink()
    again = load(root, cache)
    assert again.notes == notes[1:], "not kept in the cache"
    assert again.fingerprint == data.fingerprint


def test_no_readable_image_at_all(tmp_path: Path, cache: Path) -> None:
    root = make_folders(tmp_path)
    for path in root.rglob("*.png"):
        path.write_bytes(b"x")
    with pytest.raises(InputError, match=r"none of the 12 files can be read as an image"):
        load(root, cache)


def test_names_that_no_dataset_has(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(InputError, match="no dataset is called 'fer'; known: synthetic, ferplus, "):
        load_dataset("fer", tmp_path, cache_dir=cache)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (" ", "without a visible character"),
        ("\u00a0", "without a visible character"),
        ("a ", "begins or ends in white space"),
        (" a", "begins or ends in white space"),
        ("a\u200b", "look the same in a table"),
        ("\u2060a", "look the same in a table"),
    ],
)
def test_class_folders_that_no_table_could_tell_apart_are_refused(
    tmp_path: Path, name: str, told: str
) -> None:
    make_folders(tmp_path, ("a", name))
    with pytest.raises(InputError, match=told) as fault:
        load_dataset("folder", tmp_path, cache_dir=tmp_path / "cache")
    assert str(fault.value).isprintable()


@pytest.mark.parametrize(
    "pair", [("a b", "a  b"), ("caf\u00e9", "cafe\u0301"), ("a b", "a\u00a0b"), ("a b", "a\u2800b")]
)
def test_names_that_look_the_same_are_refused(tmp_path: Path, pair: tuple[str, str]) -> None:
    root = make_folders(tmp_path, pair)
    with pytest.raises(InputError, match="look the same in a table"):
        find(root)
    (root / "classes.txt").write_text(f"{pair[0]} = one\n{pair[1]} = two\n")
    assert find(root).read_index().classes == ("one", "two")
    with pytest.raises(InputError, match=r"line 2: .*twice"):
        parse_classes([f"x = {pair[0]}", f"y = {pair[1]}"])
