"""File systems that lack locks, modes or syncing, or whose clock is another: work goes on."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import QUICK, fer_bench, outcome
from sweeps import Silent, run, small_sweep

from benchmark.store import lease
from benchmark.store.store import Store
from benchmark.write import Weaker, put_file, sync_folder, write_file
from methods.baseline import Baseline

pytestmark = pytest.mark.skipif(os.name != "posix", reason="speaks of POSIX calls")

POOR = """
import errno, fcntl, os, stat

def lacking(number):
    def call(*arguments, **options):
        raise OSError(number, os.strerror(number))
    return call

fsync = os.fsync

def no_folders(descriptor):
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return fsync(descriptor)

fcntl.flock = lacking(errno.ENOSYS)
os.chmod = lacking(errno.EPERM)
os.fsync = no_folders
"""
RUN = (
    "run", "--methods", "baseline,cb", "--factors", "50", *QUICK, "--set", "training.epochs=2",
    "--results", "runs",
)  # fmt: skip


@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.exhaustive)])
def test_a_sweep_where_the_file_system_lacks_everything(tmp_path: Path, jobs: str) -> None:
    (tmp_path / "poor").mkdir()
    (tmp_path / "poor" / "sitecustomize.py").write_text(POOR)
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *RUN, "--jobs", jobs], cwd=tmp_path, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path / "poor"),
             "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "2 trained, 0 failed." in done.stdout
    assert "Traceback" not in done.stdout
    told = [line for line in done.stdout.splitlines() if "there are no locks here" in line]
    assert len(told) == int(jobs), "once a process"
    assert "free after 120 s, not at once: there are no locks here (Function not" in told[0]
    assert done.stdout.count("cannot be synced here (Invalid argument)") <= int(jobs) + 1
    kept = outcome(tmp_path / "runs")
    assert len(kept) == 2
    assert not list((tmp_path / "runs" / "running").iterdir())
    plain = [word.replace("runs", "plain") for word in RUN]
    code, _ = fer_bench(tmp_path, *plain, "--jobs", "1")
    assert (code, outcome(tmp_path / "plain")) == (0, kept)


def refuse(number: int):  # type: ignore[no-untyped-def]
    def call(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_lease_without_a_lock_is_believed_until_it_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with monkeypatch.context() as without:
        without.setattr("fcntl.flock", refuse(number))
        with pytest.warns(Weaker, match="no locks here"):
            first = lease.take(tmp_path)
    assert first is not None
    assert lease.take(tmp_path) is None, "its lock is not there to be looked at"
    path = lease.holder(tmp_path)
    assert path is not None
    os.utime(path, (time.time() - lease.PATIENCE - 1,) * 2)
    assert lease.take(tmp_path) is not None


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EPERM, errno.EIO])
def test_a_folder_that_cannot_be_synced_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("os.fsync", refuse(number))
    with pytest.warns(Weaker, match="power cut"):
        sync_folder(tmp_path)


def test_a_file_that_cannot_be_synced_is_written_and_a_broken_disk_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", refuse(errno.EINVAL))
    with pytest.warns(Weaker):
        write_file(tmp_path / "file", b"old")
    monkeypatch.setattr("os.fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        put_file(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


class Broken(Baseline):
    def loss(self, batch, progress):  # type: ignore[no-untyped-def]
        raise ValueError("broken")


@pytest.mark.parametrize("days", [-1, 0, 1])
def test_a_failure_is_tried_again_whenever_its_file_says_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    sweep = small_sweep()
    with monkeypatch.context() as broken:
        broken.setitem(sweep.methods, "baseline", Broken)  # type: ignore[arg-type]
        assert run(sweep, tmp_path).failed
    for path in Store(tmp_path).begun.failed(sweep.cells[0]).iterdir():
        os.utime(path, (time.time() + days * 86_400,) * 2)
    assert run(sweep, tmp_path).trained


def test_a_failure_of_an_older_version_is_tried_again(tmp_path: Path) -> None:
    sweep = small_sweep()
    folder = Store(tmp_path).begun.failed(sweep.cells[0])
    folder.mkdir(parents=True)
    (folder / "error.txt").write_text("of before")
    assert run(sweep, tmp_path).trained


def test_a_cell_that_another_process_failed_meanwhile_is_not_tried_again(tmp_path: Path) -> None:
    sweep = small_sweep(["baseline", "cb"])
    store = Store(tmp_path)

    class Elsewhere(Silent):
        def cell_started(self, cell, number, total):  # type: ignore[no-untyped-def]
            super().cell_started(cell, number, total)
            store.begun.fail(sweep.cells[1], "of another process")

    listener = Elsewhere()
    tally = run(sweep, tmp_path, listener)
    assert tally.failed == [sweep.cells[1].slug]
    assert listener.started == [sweep.cells[0].slug]
