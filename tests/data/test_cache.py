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
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dataset_makers import grey, make_ferplus, make_folders
from PIL import Image

from benchmark.data import cache as cache_module
from benchmark.data import content
from benchmark.data.content import content_key, stamp
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
        Image.fromarray(grey(99, 12)).save(root / "train/cat/0.png")
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
    other = replace(source, name="another")
    assert content_key(source, 1) != content_key(other, 1)
    faulty = replace(source, faulty={"train/ant/gone.png": "is missing"})
    assert content_key(source, 1) != content_key(faulty, 1)


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


OLD = 1_577_836_800_000_000_000
"""A time that unpackers restore."""


def same_from_outside(root: Path, first: int) -> Path:
    """A dataset whose names, sizes and times are those of any other made here."""
    for part in ("train", "test"):
        for name in ("ant", "bee"):
            (root / part / name).mkdir(parents=True)
            for i in range(2):
                first += 1
                path = root / part / name / f"{i}.bmp"
                Image.fromarray(grey(first, 12)).save(path)
                os.utime(path, ns=(OLD, OLD))
    return root


def replace_in_place(root: Path) -> None:
    path = root / "train/ant/0.bmp"
    with path.open("r+b") as file:
        file.seek(-10, os.SEEK_END)
        file.write(b"other data")
    os.utime(path, ns=(OLD, OLD))


def replace_by_another(root: Path) -> None:
    path = root / "train/ant/0.bmp"
    data = path.read_bytes()[:-10] + b"other data"
    path.unlink()
    path.write_bytes(data)
    os.utime(path, ns=(OLD, OLD))


def swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


CHANGES: list[Callable[[Path], object]] = [
    replace_in_place,
    replace_by_another,
    lambda root: swap(root / "train/ant/0.bmp", root / "train/bee/0.bmp"),
    lambda root: swap(root / "train/ant/0.bmp", root / "test/ant/0.bmp"),
    lambda root: swap(root / "train/ant", root / "train/bee"),
    lambda root: swap(root / "train", root / "test"),
    lambda root: (shutil.rmtree(root), same_from_outside(root, 500)),
]


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust change times at once, as if the files had lain there for a while."""
    monkeypatch.setattr(content, "_SETTLED_AFTER", 0)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("fresh", [True, False])
def test_other_content_is_never_served(
    tmp_path: Path,
    cache: Path,
    change: Callable[[Path], object],
    fresh: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not fresh:
        monkeypatch.setattr(content, "_SETTLED_AFTER", 0)
    root = same_from_outside(tmp_path / "data", 0)
    before = load(root, cache)
    assert load(root, cache).fingerprint == before.fingerprint
    time.sleep(0.02)  # longer than a tick of the clock that change times are taken from
    change(root)
    after = load(root, cache)
    read = load(root, tmp_path / "another cache")
    assert after.fingerprint == read.fingerprint != before.fingerprint
    assert (np.asarray(after.images) == np.asarray(read.images)).all()
    assert after.labels.tolist() == read.labels.tolist()


def test_another_root_that_looks_the_same(tmp_path: Path, cache: Path, settled: None) -> None:
    one = load(same_from_outside(tmp_path / "a", 0), cache)
    other = load(same_from_outside(tmp_path / "b", 500), cache)
    assert one.fingerprint != other.fingerprint
    assert load(tmp_path / "a", cache).fingerprint == one.fingerprint


def test_copies_and_new_times_are_the_same_content(
    root: Path, cache: Path, decodings: list[int]
) -> None:
    before = load(root, cache).fingerprint
    os.utime(root / "train/cat/1.png", ns=(1, 1))
    assert load(root, cache).fingerprint == before
    shutil.copytree(root, root.with_name("copy"), copy_function=shutil.copyfile)
    assert load(root.with_name("copy"), cache).fingerprint == before
    assert len(decodings) == 1


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each file that is read for its digest."""
    seen: list[str] = []
    digest = content._digest

    def counted(source: content.Source, name: str) -> str:
        seen.append(name)
        return digest(source, name)

    monkeypatch.setattr(content, "_digest", counted)
    return seen


def test_files_that_did_not_change_are_not_read_again(
    root: Path, cache: Path, settled: None, readings: list[str]
) -> None:
    load(root, cache)
    assert len(readings) == 12
    load(root, cache)
    assert len(readings) == 12
    (root / "train/cat/1.png").chmod(0o600)
    load(root, cache)
    load(root, cache)
    assert len(readings) == 24


def test_files_are_read_while_a_change_time_proves_nothing(
    root: Path, cache: Path, readings: list[str]
) -> None:
    for times in (1, 2):
        load(root, cache)
        assert len(readings) >= 12 * times
    source = find_source("folder", root)
    assert stamp(source, 1) is None, "they changed a moment ago"
    name, mark = next(iter(source.files.items()))
    old = {n: m._replace(ctime_ns=OLD + 123_456_789) for n, m in source.files.items()}
    assert stamp(replace(source, files=old), 1) is not None
    kept_none = {**old, name: mark._replace(mtime_ns=OLD, ctime_ns=OLD)}
    assert stamp(replace(source, files=kept_none), 1) is None, "no change times are kept"


def test_files_that_change_while_they_are_decoded(
    root: Path, cache: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = PictureFiles.blocks

    def late(self: PictureFiles):
        Image.fromarray(grey(77, 12)).save(root / "train/cat/1.png")
        return blocks(self)

    monkeypatch.setattr(PictureFiles, "blocks", late)
    with pytest.raises(InputError, match="change while they are"):
        load(root, cache)
    assert list(cache.iterdir()) == []
    monkeypatch.setattr(PictureFiles, "blocks", blocks)
    load(root, cache)


def test_a_file_that_cannot_be_read_is_named(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = find_source("folder", root)
    (root / "train/cat/1.png").unlink()
    with pytest.raises(InputError, match=r"train/cat/1\.png cannot be read \(No such file"):
        cache_module.cached_dataset(source, cache)
