"""The runner through the real command line: killed, shared, full, read-only, out of memory."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmark.record import Record
from benchmark.store import Store
from methods import names

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")

QUICK = ("--set", "training.epochs=3", "--set", "image.size=24", "--set", "training.batch_size=48")
COMMAND = (sys.executable, "-u", "-m", "benchmark")


def start(cwd: Path, *arguments: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, **options,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], seconds: float = 300) -> tuple[int, str]:
    text, _ = process.communicate(timeout=seconds)
    return process.returncode, text


def fer_bench(cwd: Path, *arguments: str, **options: object) -> tuple[int, str]:
    return finish(start(cwd, *arguments, **options))


def outcome(root: Path) -> dict[str, tuple[object, ...]]:
    """What must not depend on how training went: weights, history and logits."""
    store = Store(root)

    def of(record: Record) -> tuple[object, ...]:
        history = [entry.model_dump(exclude={"seconds"}) for entry in record.history]
        arrays = {name: array.tobytes() for name, array in store.logits(record).items()}
        return record.state_sha256, history, record.logits, arrays

    return {record.id: of(record) for record in store.records()}


@pytest.mark.slow
def test_a_run_killed_at_random_points_ends_with_the_same_bits(tmp_path: Path) -> None:
    run = ("run", "--methods", "all", "--factors", "50", *QUICK, "--jobs", "1")
    code, text = fer_bench(tmp_path, *run, "--results", "whole")
    assert code == 0, text
    chance = random.Random(0)
    killed = 0
    while killed < 200:
        process = start(tmp_path, *run, "--results", "killed")
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("  epoch") and chance.random() < 0.3:
                break
        time.sleep(chance.random())
        process.kill()
        process.communicate()
        if process.returncode != -signal.SIGKILL:
            break
        killed += 1
    assert process.returncode == 0
    assert killed >= 4
    whole, resumed = outcome(tmp_path / "whole"), outcome(tmp_path / "killed")
    assert len(whole) == len(names())
    assert whole == resumed
    assert not list((tmp_path / "killed" / "running").iterdir()), "nothing is left behind"
    sessions = [len(record.sessions) for record in Store(tmp_path / "killed").records()]
    assert max(sessions) > 1, "at least one cell was resumed"


@pytest.mark.slow
def test_two_processes_divide_the_cells(tmp_path: Path) -> None:
    run = ("run", "--methods", "baseline,cb,rul", "--factors", "50", "--seeds", "0,1", *QUICK)
    both = [start(tmp_path, *run, "--jobs", "1", "--results", "runs") for _ in range(2)]
    texts = [finish(process) for process in both]
    assert [code for code, _ in texts] == [0, 0], texts
    trained = [text.count("finished in") for _, text in texts]
    assert sum(trained) == 6, "each cell once"
    assert min(trained) >= 1, "both had a share"
    assert len(Store(tmp_path / "runs").records()) == 6


@pytest.mark.slow
def test_a_dead_process_loses_its_cells_to_the_living(tmp_path: Path) -> None:
    run = ("run", "--methods", "baseline,cb", "--factors", "50", *QUICK, "--jobs", "1")
    first = start(tmp_path, *run, "--results", "runs")
    assert first.stdout is not None
    while "epoch 1" not in first.stdout.readline():
        pass
    second = start(tmp_path, *run, "--results", "runs")
    time.sleep(4)
    first.kill()
    first.communicate()
    code, text = finish(second)
    assert code == 0, text
    assert len(Store(tmp_path / "runs").records()) == 2


@pytest.mark.slow
def test_jobs_side_by_side_give_the_records_of_one(tmp_path: Path) -> None:
    run = ("run", "--methods", "baseline,mek,bbn", "--factors", "50", *QUICK, "--threads", "1")
    assert fer_bench(tmp_path, *run, "--jobs", "1", "--results", "one")[0] == 0
    code, text = fer_bench(tmp_path, *run, "--jobs", "2", "--results", "two")
    assert code == 0
    assert "2 jobs side by side, 1 CPU thread each" in text
    assert "[job 1]" in text
    assert "[job 2]" in text
    assert outcome(tmp_path / "one") == outcome(tmp_path / "two")


def test_an_interrupted_parent_leaves_no_job_behind(tmp_path: Path) -> None:
    run = ("run", "--methods", "all", "--factors", "50", *QUICK, "--set", "training.epochs=50")
    process = start(tmp_path, *run, "--jobs", "2", "--results", "runs")
    assert process.stdout is not None
    while "epoch 1" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    code, text = finish(process, 60)
    assert code == 130, text
    assert "all finished work is kept" in text
    held = list((tmp_path / "runs" / "running").glob("*/lease-*"))
    assert held == [], "every job let go of its cell"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    one = ("run", "--methods", "baseline", "--factors", "50", *QUICK, "--jobs", "1")
    one += ("--set", "training.epochs=1")
    assert fer_bench(tmp_path, *one, "--results", str(small_disk))[0] == 0
    kept = outcome(small_disk)
    free = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(b"x" * (free.f_bavail * free.f_frsize - 8192))
    two = ("run", "--methods", "baseline,cb", "--factors", "50", *QUICK, "--jobs", "1")
    code, text = fer_bench(tmp_path, *two, "--results", str(small_disk))
    assert code == 1
    assert "No space left on device" in text
    assert "Traceback" not in text
    assert outcome(small_disk) == kept
    (small_disk / "ballast").unlink()
    code, text = fer_bench(tmp_path, *one, "--results", str(small_disk))
    assert code == 0
    assert "1 finished, 0 to train" in text


def test_a_quota_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    run = ("run", "--methods", "baseline", "--factors", "50", *QUICK, "--jobs", "1")
    code, text = fer_bench(tmp_path, *run, "--results", "runs", preexec_fn=limit)
    assert code == 1, text
    assert "File too large" in text
    assert "Traceback" not in text
    code, text = fer_bench(tmp_path, *run, "--results", "runs")
    assert code == 0, text


@pytest.mark.skipif(os.geteuid() != 0, reason="may not mount a file system")
def test_a_read_only_store_is_one_line(tmp_path: Path, small_disk: Path) -> None:
    remounted = subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], capture_output=True)
    if remounted.returncode:
        pytest.skip("may not remount")
    code, text = fer_bench(tmp_path, "run", *QUICK, "--results", str(small_disk / "runs"))
    assert code == 2
    assert "cannot be written to (Read-only file system)" in text
    assert "Traceback" not in text


def test_out_of_memory_says_what_fits_and_changes_nothing(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (5 << 30, 5 << 30))

    arguments = (
        "run", "--methods", "baseline", "--factors", "50", "--jobs", "1", "--results", "runs",
        "--set", "backbone.name=resnet18", "--set", "image.size=320", "--threads", "1",
        "--set", "training.batch_size=512", "--set", "training.epochs=1",
    )  # fmt: skip
    code, text = fer_bench(tmp_path, *arguments, preexec_fn=limit)
    assert code == 1, text
    assert "out of memory at batch size 512" in text
    assert "would fit: --set training.batch_size=" in text
    assert Store(tmp_path / "runs").records() == []


def test_a_dry_run_tells_and_trains_nothing(tmp_path: Path) -> None:
    run = ("run", "--methods", "baseline,cb", "--factors", "50,full", *QUICK, "--jobs", "1")
    code, text = fer_bench(tmp_path, *run, "--dry-run", "--results", "runs")
    assert code == 0
    assert "No record of such a cell" in text
    assert not (tmp_path / "runs").exists()
    code, text = fer_bench(tmp_path, *run, "--only", "base*", "--limit", "1", "--results", "runs")
    assert code == 0
    assert "2 cells on synthetic" in text
    assert "1 trained, 0 failed" in text
    code, text = fer_bench(tmp_path, *run, "--dry-run", "--results", "runs")
    lines = [line for line in text.splitlines() if line.startswith("  ")]
    assert [": finished" in line for line in lines] == [True, False, False, False]
    assert all("about" in line for line in lines[1:])
    assert "from past records" in text
    code, text = fer_bench(tmp_path, *run, "--only", "nix-*", "--results", "runs")
    assert code == 2
    assert "--only nix-*: fits none of the sweep's 4 cells" in text


def test_status_of_a_sweep_says_what_differs(tmp_path: Path) -> None:
    sweep = ("--methods", "baseline,cb", "--factors", "50", *QUICK)
    assert fer_bench(tmp_path, "run", *sweep, "--only", "base*", "--results", "runs")[0] == 0
    code, text = fer_bench(tmp_path, "status", *sweep, "--results", "runs")
    assert code == 0
    assert "1 done, 1 missing" in text
    changed = (*sweep, "--set", "training.lr=0.004")
    code, text = fer_bench(tmp_path, "status", *changed, "--results", "runs")
    assert "1 stale, 1 missing" in text
    assert "protocol.training.lr: 0.008 stored, 0.004 wanted" in text


def test_damage_is_named_moved_aside_on_request_and_trained_anew(tmp_path: Path) -> None:
    run = ("run", "--methods", "baseline,cb", "--factors", "50", *QUICK, "--results", "runs")
    assert fer_bench(tmp_path, *run)[0] == 0
    whole = outcome(tmp_path / "runs")
    first, second = sorted((tmp_path / "runs" / "cells").iterdir())
    content = (first / "logits.npz").read_bytes()
    (first / "logits.npz").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (second / "record.json").write_text("{")
    code, text = fer_bench(tmp_path, "status", "--results", "runs")
    assert code == 1
    assert f"damaged: runs/cells/{second.name}" in text
    code, text = fer_bench(tmp_path, "report", "--results", "runs")
    assert code == 2
    assert "results check --move-aside" in text
    code, text = fer_bench(tmp_path, "results", "check", "--results", "runs")
    assert code == 1
    assert "0 cells are whole, 2 damaged" in text
    code, text = fer_bench(tmp_path, "results", "check", "--move-aside", "--results", "runs")
    assert code == 0
    assert len(list((tmp_path / "runs" / "damaged").iterdir())) == 2
    assert fer_bench(tmp_path, *run)[0] == 0
    assert outcome(tmp_path / "runs") == whole


@pytest.mark.slow
def test_cells_travel_as_one_file(tmp_path: Path) -> None:
    run = ("run", "--methods", "baseline,cb", "--factors", "50", *QUICK, "--results", "here")
    assert fer_bench(tmp_path, *run)[0] == 0
    code, text = fer_bench(tmp_path, "results", "export", "cells.zip", "--results", "here")
    assert code == 0, text
    code, text = fer_bench(tmp_path, "results", "import", "cells.zip", "--results", "there")
    assert (code, "2 cells added" in text) == (0, True), text
    assert outcome(tmp_path / "here") == outcome(tmp_path / "there")
    code, text = fer_bench(tmp_path, "results", "import", "cells.zip", "--results", "there")
    assert "0 cells added to there, 2 were there already" in text
    packed = bytearray((tmp_path / "cells.zip").read_bytes())
    for at in np.random.default_rng(0).integers(0, len(packed), 5):
        broken = bytes(packed[:at]) + bytes([packed[at] ^ 0x55]) + bytes(packed[at + 1 :])
        (tmp_path / "broken.zip").write_bytes(broken)
        code, text = fer_bench(tmp_path, "results", "import", "broken.zip", "--results", "no")
        assert "Traceback" not in text
        if code == 0:  # a byte that means nothing, such as a date
            assert outcome(tmp_path / "no") == outcome(tmp_path / "here")
            subprocess.run(["rm", "-r", str(tmp_path / "no")], check=True)
        else:
            assert code == 2
            assert not list((tmp_path / "no" / "cells").iterdir())
