"""The cache: whole or absent, known again, never trusted when damaged."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from dataset_makers import grey, make_ferplus, make_folders
from PIL import Image

from benchmark.data import cache as cache_module
from benchmark.data import content
from benchmark.data.content import content_key
from benchmark.data.dataset import FaceDataset, fingerprint
from benchmark.data.load import find_source, load_dataset
from benchmark.data.pictures import PictureFiles
from benchmark.errors import InputError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_folders(tmp_path / "data")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that the pixels are read."""
    seen: list[int] = []
    blocks = PictureFiles.blocks

    def counted(self: PictureFiles):
        seen.append(len(self.names))
        return blocks(self)

    monkeypatch.setattr(PictureFiles, "blocks", counted)
    return seen


def load(root: Path, cache: Path) -> FaceDataset:
    return load_dataset("folder", root, cache_dir=cache)


def entry(cache: Path) -> Path:
    (path,) = cache.iterdir()
    return path


def test_decoded_once_and_memory_mapped(root: Path, cache: Path, decodings: list[int]) -> None:
    first, second = load(root, cache), load(root, cache)
    assert len(decodings) == 1
    assert isinstance(second.images, np.memmap)
    assert not second.images.flags.writeable
    for name in ("classes", "fingerprint", "sources", "notes", "name"):
        assert getattr(first, name) == getattr(second, name)
    assert first.labels.tolist() == second.labels.tolist()
    assert first.parts.tolist() == second.parts.tolist()
    assert {path.name for path in entry(cache).iterdir()} == {
        "images.npy",
        "dataset.npz",
        "meta.json",
    }
    made = fingerprint(second.images, second.labels, second.parts, second.classes)
    assert made == second.fingerprint


AN_OLD_TIME = (1577836800, 1577836800)


def plain_pictures(root: Path, seed: int) -> Path:
    """Pictures that differ in nothing but their pixels: same names, lengths and times."""
    make_folders(root)
    for number, path in enumerate(sorted(root.rglob("*.png"))):
        Image.fromarray(grey(seed + number, 12)).save(path.with_suffix(".bmp"))
        path.unlink()
        os.utime(path.with_suffix(".bmp"), AN_OLD_TIME)
    return root


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files count as settled at once, as they do after some seconds."""
    monkeypatch.setattr(content, "_SETTLED_AFTER", 0)


def pixels(root: Path) -> list[list[int]]:
    """Read the images one by one, in the order of a loaded dataset."""
    paths = [root / name for name in find_source("folder", root).read_index().sources]
    return [np.asarray(Image.open(path)).ravel().tolist() for path in paths]


@pytest.mark.parametrize("settled", [True, False])
def test_another_root_with_the_same_names_sizes_and_times(
    tmp_path: Path, cache: Path, settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settled:
        settle(monkeypatch)
    for name, seed in (("a", 0), ("b", 1000), ("a", 0)):
        root = tmp_path / name
        if not root.exists():
            plain_pictures(root, seed)
        found = load(root, cache)
        assert found.images.reshape(len(found.images), -1).tolist() == pixels(root)


@pytest.mark.parametrize("change", ["swapped", "in place", "renamed over"])
def test_other_content_under_the_same_names_sizes_and_times(
    tmp_path: Path, cache: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    root = plain_pictures(tmp_path / "data", 0)
    before = load(root, cache)
    first, second = sorted(root.rglob("train/*/*.bmp"))[:: len(list(root.rglob("train/ant/*")))][:2]
    assert first.parent != second.parent
    if change == "swapped":
        first.rename(root / "x")
        second.rename(first)
        (root / "x").rename(second)
    elif change == "in place":
        first.write_bytes(second.read_bytes())
    else:
        (root / "x").write_bytes(second.read_bytes())
        (root / "x").rename(first)
    for path in (first, second):
        os.utime(path, AN_OLD_TIME)
    after = load(root, cache)
    assert after.fingerprint != before.fingerprint
    assert after.images.reshape(len(after.images), -1).tolist() == pixels(root)


def test_the_same_content_elsewhere_and_later_is_the_same_entry(
    tmp_path: Path, root: Path, cache: Path, decodings: list[int]
) -> None:
    before = load(root, cache)
    copy = tmp_path / "copy"
    shutil.copytree(root, copy, copy_function=shutil.copyfile)
    assert load(copy, cache).fingerprint == before.fingerprint
    assert len(decodings) == 1


def test_settled_files_are_not_read_again(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    before = load(root, cache)
    monkeypatch.setattr(cache_module, "content_key", None)
    assert load(root, cache).fingerprint == before.fingerprint


def test_moved_data_is_known_again(root: Path, cache: Path, decodings: list[int]) -> None:
    load(root, cache)
    load(root.rename(root.with_name("moved")), cache)
    assert len(decodings) == 1


@pytest.mark.parametrize("change", ["size", "name", "added", "removed"])
def test_changed_files_are_decoded_anew(
    root: Path, cache: Path, decodings: list[int], change: str
) -> None:
    load(root, cache)
    path = root / "train" / "cat" / "1.png"
    if change == "size":
        path.write_bytes(path.read_bytes() + b"\0")
    elif change == "name":
        path.rename(path.with_name("2.png"))
    elif change == "added":
        Image.fromarray(grey(99, 12)).save(path.with_name("2.png"))
    else:
        path.unlink()
    load(root, cache)
    assert len(decodings) == 2


def _edit_meta(folder: Path, **changes: object) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | changes))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


DAMAGES: list[Callable[[Path], object]] = [
    lambda folder: (folder / "meta.json").write_text("{"),
    lambda folder: (folder / "meta.json").write_text("[]"),
    lambda folder: (folder / "meta.json").write_bytes(b"\xff"),
    lambda folder: (folder / "meta.json").unlink(),
    lambda folder: _edit_meta(folder, classes=["a", "b", "c"]),
    lambda folder: _edit_meta(folder, format=0),
    lambda folder: _edit_meta(folder, fingerprint="0"),
    lambda folder: _cut(folder / "images.npy"),
    lambda folder: (folder / "images.npy").write_bytes(b""),
    lambda folder: (folder / "images.npy").unlink(),
    lambda folder: np.save(folder / "images.npy", np.zeros((3, 4), np.uint8)),
    lambda folder: np.save(folder / "images.npy", np.zeros((12, 12, 12), np.int8)),
    lambda folder: _cut(folder / "dataset.npz"),
    lambda folder: np.savez(folder / "dataset.npz", labels=np.zeros(12), parts=np.zeros(12)),
    lambda folder: shutil.rmtree(folder) or folder.mkdir(),
    lambda folder: shutil.rmtree(folder) or folder.touch(),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_anew(
    root: Path, cache: Path, decodings: list[int], damage: Callable[[Path], object]
) -> None:
    before = load(root, cache).fingerprint
    damage(entry(cache))
    after = load(root, cache)
    assert after.fingerprint == before
    assert fingerprint(after.images, after.labels, after.parts, after.classes) == before
    load(root, cache)
    assert len(decodings) == 2
    assert entry(cache).name.startswith("folder-")


def test_a_failure_leaves_nothing(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(cache_module, "to_disk", full)
    with pytest.raises(InputError, match=r"No space left.*--cache-dir"):
        load(root, cache)
    assert list(cache.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files as POSIX does")
def test_a_disk_that_fills_up_while_writing(root: Path, cache: Path) -> None:
    code = (
        "import resource, sys; from benchmark.data.load import load_dataset; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        "load_dataset('folder', sys.argv[1], cache_dir=sys.argv[2])"
    )
    command = [sys.executable, "-c", code, str(root), str(cache)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "InputError: the cache folder" in ended.stderr
    assert "(File too large); pass --cache-dir" in ended.stderr
    assert list(cache.iterdir()) == []


def test_an_interruption_leaves_nothing(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(descriptor: int, folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cache_module, "to_disk", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load(root, cache)
    assert list(cache.iterdir()) == []


def test_a_folder_that_cannot_be_written(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--cache-dir"):
        load(root, tmp_path / "file")
    with pytest.raises(InputError, match="--cache-dir"):
        load(root, tmp_path / "file" / "below")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_serves_but_takes_nothing(root: Path, cache: Path) -> None:
    load(root, cache)
    cache.chmod(0o500)
    try:
        load(root, cache)
        os.utime(root / "train/cat/0.png", ns=(1, 1))
        with pytest.raises(InputError, match="--cache-dir"):
            load(root, cache)
    finally:
        cache.chmod(0o700)


def test_racing_processes_all_succeed(root: Path, cache: Path) -> None:
    code = (
        "import sys; from benchmark.data.load import load_dataset; "
        "print(load_dataset('folder', sys.argv[1], cache_dir=sys.argv[2]).fingerprint)"
    )
    command = [sys.executable, "-c", code, str(root), str(cache)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = {process.communicate(timeout=60)[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert printed == {load(root, cache).fingerprint + "\n"}
    assert len(list(cache.iterdir())) == 1


def test_racing_threads_over_a_damaged_entry(root: Path, cache: Path) -> None:
    before = load(root, cache).fingerprint
    for _ in range(5):
        _cut(entry(cache) / "images.npy")
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda _: load(root, cache).fingerprint, range(4)))
        assert set(results) == {before}
        assert len(list(cache.iterdir())) == 1


def test_what_a_killed_process_left_is_swept(root: Path, cache: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    old = time.time() - 2 * 3600
    left = {
        "dead and old": f".tmp-{ended.pid}-aa-folder",
        "dead but new": f".tmp-{ended.pid}-bb-folder",
        "alive": f".tmp-{os.getpid()}-cc-folder",
        "another's": ".tmp-x",
    }
    for what, name in left.items():
        (cache / name).mkdir(parents=True)
        (cache / name / "images.npy").touch()
        if what != "dead but new":
            os.utime(cache / name / "images.npy", (old, old))
            os.utime(cache / name, (old, old))
    load(root, cache)
    names = {path.name for path in cache.iterdir() if path.name.startswith(".")}
    assert names == {left["dead but new"], left["alive"], left["another's"]}


def test_the_key_is_of_the_loader_and_its_version(root: Path) -> None:
    source = find_source("folder", root)
    assert content_key(source, 1) != content_key(source, 2)
    assert content_key(source, 1) == content_key(find_source("folder", root), 1)


def test_more_images_than_one_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_ferplus(tmp_path / "data")
    whole = load_dataset("ferplus", root, cache_dir=tmp_path / "a").fingerprint
    for module in ("pictures", "pixel_rows"):
        monkeypatch.setattr(f"benchmark.data.{module}.BLOCK", 7)
    monkeypatch.setattr("benchmark.data.pictures._CHUNK", 2)
    assert load_dataset("ferplus", root, cache_dir=tmp_path / "b").fingerprint == whole


def test_the_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "fer-bench" in cache_module.default_cache_dir().parts
