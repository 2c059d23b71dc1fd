"""Names in label files and links in folders never lead outside a dataset's root."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dataset_makers import grey, make_ferplus, make_folders, make_kaggle, make_raf
from PIL import Image

from benchmark.data.load import load_dataset
from benchmark.errors import InputError


def outside(tmp_path: Path) -> Path:
    """A folder beside the dataset's root, with an image that no dataset may read."""
    place = tmp_path / "outside"
    place.mkdir()
    Image.fromarray(grey(999, 12)).save(place / "secret.png")
    return place


OUTSIDE = ["../../outside/secret.png", "/etc/passwd", "..", "..\\secret.png", "C:\\secret.png"]


@pytest.mark.parametrize("name", [*OUTSIDE, "train_/../../../outside/secret.png"])
def test_raf_names_stay_inside(name: str, tmp_path: Path) -> None:
    root = make_raf(tmp_path / "data")
    outside(tmp_path)
    path = root / "EmoLabel/list_patition_label.txt"
    path.write_text(path.read_text() + f"{name} 1\n")
    with pytest.raises(InputError, match="may lead outside"):
        load_dataset("raf-db", root, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("name", OUTSIDE)
def test_class_folders_stay_inside(name: str, tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data")
    outside(tmp_path)
    (root / "classes.txt").write_text(f"ant A\nbee B\ncat C\n{name} D\n")
    with pytest.raises(InputError, match="may lead outside"):
        load_dataset("folder", root, cache_dir=tmp_path / "cache")


def relink(path: Path, target: Path) -> None:
    """Put a link where a file or folder is."""
    path.rename(target)
    path.symlink_to(target)


@pytest.mark.parametrize("place", ["train/ant/0.png", "train/ant", "train", "classes.txt"])
def test_links_of_a_folder_dataset_stay_inside(place: str, tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data")
    (root / "classes.txt").write_text("ant A\nbee B\ncat C\n")
    relink(root / place, outside(tmp_path) / "moved")
    with pytest.raises(InputError, match="is a link that leads outside"):
        load_dataset("folder", root, cache_dir=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("name", "make", "place"),
    [
        ("ferplus", make_ferplus, "FER2013Train"),
        ("ferplus", make_ferplus, "fer2013new.csv"),
        ("ferplus", make_kaggle, "fer2013.csv"),
        ("raf-db", make_raf, "EmoLabel/list_patition_label.txt"),
        ("raf-db", make_raf, "Image/aligned"),
    ],
)
def test_links_of_known_datasets_stay_inside(
    name: str, make: Callable[[Path], Path], place: str, tmp_path: Path
) -> None:
    root = make(tmp_path / "data")
    relink(root / place, outside(tmp_path) / "moved")
    with pytest.raises(InputError, match="is a link that leads outside"):
        load_dataset(name, root, cache_dir=tmp_path / "cache")


def test_links_within_the_root_and_to_it_are_followed(tmp_path: Path) -> None:
    plain = load_dataset("folder", make_folders(tmp_path / "a"), cache_dir=tmp_path / "cache")
    root = make_folders(tmp_path / "b")
    (root / "kept").mkdir()
    relink(root / "train/ant/0.png", root / "kept/0.png")
    relink(root / "test/bee", root / "kept/bee")
    (tmp_path / "link").symlink_to(root)
    linked = load_dataset("folder", tmp_path / "link", cache_dir=tmp_path / "cache")
    assert linked.fingerprint == plain.fingerprint


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data")
    (root / "train/ant/gone.png").symlink_to("gone as well.png")
    with pytest.raises(InputError, match=r"train/ant/gone\.png is missing"):
        load_dataset("folder", root, cache_dir=tmp_path / "cache")
    (root / "train/ant/gone.png").unlink()
    (root / "train/ant/loop.png").symlink_to("loop.png")
    with pytest.raises(InputError, match=r"train/ant/loop\.png is missing"):
        load_dataset("folder", root, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("root", ["a" * 5000, "~nobody-of-this-name/x", "a\0b"])
@pytest.mark.parametrize("name", ["ferplus", "raf-db", "folder"])
def test_roots_that_no_system_has(name: str, root: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_dataset(name, root, cache_dir=tmp_path)
    assert len(str(caught.value)) < 6000
