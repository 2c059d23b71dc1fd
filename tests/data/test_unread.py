"""What the system fails to read is no damage: it is named, and nothing is moved or made anew."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from dataset_makers import make_folders
from made_records import fill, made_record
from processes import QUICK, fer_bench
from sweeps import Silent, run, small_sweep

from benchmark.data import decode
from benchmark.data.tree import Tree
from benchmark.engine import checkpoint
from benchmark.errors import InputError, StorageError
from benchmark.store.store import Store

BROKEN = """
import builtins, errno, io, os

def failing(call, reads):
    def opened(path, *arguments, **options):
        names = isinstance(path, (str, os.PathLike)) and os.fspath(path)
        if names and names.endswith(os.environ["BROKEN"]) and reads(*arguments, **options):
            raise OSError(errno.EIO, os.strerror(errno.EIO), names)
        return call(path, *arguments, **options)
    return opened

def by_flags(flags=0, *_, **__):
    return flags & os.O_ACCMODE == os.O_RDONLY

def by_mode(mode="r", *_, **__):
    return mode.startswith("r")

os.open = failing(os.open, by_flags)
builtins.open = io.open = failing(open, by_mode)
"""


@pytest.fixture
def broken(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Return a function that makes processes fail to read files whose path ends so."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "sitecustomize.py").write_text(BROKEN)
    before = os.environ.get("PYTHONPATH")

    def named(ending: str) -> None:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), before))))
        monkeypatch.setenv("BROKEN", ending)

    return named


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("record.json", ["status"]),
        ("logits.npz", ["report"]),
        ("record.json", ["results", "check", "--move-aside"]),
        ("logits.npz", ["results", "check", "--move-aside"]),
    ],
)
def test_a_cell_that_cannot_be_read_now_is_not_called_damaged(
    tmp_path: Path, broken: Callable[[str], None], file: str, command: list[str]
) -> None:
    store = Store(tmp_path / "results" / "runs")
    fill(store, ["baseline", "cb"], [150.0], 1)
    cells = sorted(store.cells.iterdir())
    broken(f"{cells[0].name}/{file}")
    code, text = fer_bench(tmp_path, *command)
    assert code == 1, text
    assert f"{file}: Input/output error" in text
    assert "mend disk, network or rights" in text
    assert "moved" not in text
    assert "moves" not in text
    assert "Traceback" not in text
    assert sorted(store.cells.iterdir()) == cells


def test_weights_that_cannot_be_read_now_are_not_called_damaged(
    tmp_path: Path, broken: Callable[[str], None]
) -> None:
    store = Store(tmp_path / "results" / "runs")
    store.add(*made_record(test_counts=[9] * 7), b"weights")
    (cell,) = store.cells.iterdir()
    broken(f"{cell.name}/weights.safetensors")
    for command in (["check", "--move-aside"], ["export", "cells.zip", "--weights"]):
        code, text = fer_bench(tmp_path, "results", *command)
        assert code == 1, text
        assert "weights.safetensors: Input/output error" in text
        assert "mend disk, network or rights" in text
        assert "damaged weights" not in text
        assert "move" not in text
    assert (cell / "weights.safetensors").exists()
    assert not (tmp_path / "cells.zip").exists()


def test_what_is_no_file_is_damaged_whoever_reads(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, ["baseline", "cb"], [150.0], 1)
    first, second = sorted(store.cells.iterdir())
    (first / "record.json").unlink()
    (second / "logits.npz").unlink()
    (second / "logits.npz").symlink_to("logits.npz")
    _, damaged = store.survey()
    assert [entry.unread for entry in damaged] == [False, False]


def test_a_run_never_trains_anew_what_it_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = small_sweep()
    run(sweep, tmp_path)
    folder = Store(tmp_path).cells / sweep.cells[0].slug
    opened = os.open

    def fails(path, *arguments, **options):  # type: ignore[no-untyped-def]
        if os.fspath(path) == os.fspath(folder / "record.json"):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
        return opened(path, *arguments, **options)

    with monkeypatch.context() as broken:
        broken.setattr("os.open", fails)
        with pytest.raises(StorageError, match=r"cannot read record .*Stale file handle"):
            run(sweep, tmp_path)
    assert Store(tmp_path).missing(sweep.cells) == []


def test_a_checkpoint_that_cannot_be_read_stays_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = small_sweep()
    with pytest.raises(KeyboardInterrupt):
        run(sweep, tmp_path, Silent(interrupt_after=1))
    path = Store(tmp_path).begun.folder(sweep.cells[0]) / checkpoint.NAME
    content = path.read_bytes()

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(torch, "load", fails)
        with pytest.raises(StorageError, match=rf"Input/output error \({path}\)"):
            run(sweep, tmp_path)
    assert path.read_bytes() == content
    run(sweep, tmp_path)
    assert [s["after_epochs"] for s in Store(tmp_path).records()[0].sessions] == [0, 1]


def test_a_picture_that_cannot_be_read_is_one_line(
    tmp_path: Path, broken: Callable[[str], None]
) -> None:
    root = make_folders(tmp_path / "faces")
    picture = min(root.rglob("*.png")).relative_to(root).as_posix()
    broken(picture)
    choice = ("--dataset", "folder", "--data-root", str(root), "--cache-dir", str(tmp_path / "c"))
    code, text = fer_bench(tmp_path, "run", "--methods", "baseline", *QUICK, *choice)
    assert code == 2, text
    assert f"{picture} cannot be read (Input/output error)" in text
    code, text = fer_bench(tmp_path, "data", "verify", "folder", "--data-root", str(root))
    assert code != 0, text
    assert re.search(rf"{picture} +cannot be read \(input/output error\)", text)
    assert "Traceback" not in text


@pytest.mark.parametrize("file", ["meta.json", "dataset.npz", "images.npy"])
def test_a_cache_that_cannot_be_read_is_one_line(
    tmp_path: Path, broken: Callable[[str], None], file: str
) -> None:
    root = make_folders(tmp_path / "faces")
    choice = ("--data-root", str(root), "--cache-dir", str(tmp_path / "c"))
    assert fer_bench(tmp_path, "data", "counts", "folder", *choice)[0] == 0
    broken(file)
    code, text = fer_bench(tmp_path, "data", "counts", "folder", *choice)
    assert code == 2, text
    assert "Traceback" not in text
    assert "cannot be" in text


def test_an_orientation_that_cannot_be_read_is_not_taken_for_upright() -> None:
    class Broken:
        def getexif(self) -> dict[int, int]:
            raise self.error

        error: Exception = OSError("broken data stream")

    image = Broken()
    assert decode._orientation(image) == 1  # type: ignore[arg-type]
    image.error = OSError(errno.EIO, os.strerror(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        decode._orientation(image)  # type: ignore[arg-type]


def test_a_name_whose_kind_cannot_be_told_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a folder's list does not say what is a folder, the system is asked for each name."""

    class Entry:
        def __init__(self, path: Path) -> None:
            self.path, self.name = str(path), path.name

        def is_symlink(self) -> bool:
            return False

        def is_dir(self) -> bool:
            raise OSError(errno.EIO, os.strerror(errno.EIO), self.path)

    class Listed(list):  # type: ignore[type-arg]
        def __enter__(self):  # type: ignore[no-untyped-def]
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", lambda path: Listed([Entry(Path(path) / "train")]))
    with pytest.raises(InputError, match=r"train cannot be read \(Input/output error\)"):
        Tree("folder", tmp_path).folders()
