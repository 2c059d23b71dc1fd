"""Disks that are full, memory that runs out, files that are damaged."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import QUICK, fer_bench, outcome

from benchmark.store.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


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


@pytest.mark.exhaustive
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


CRAMPED = """
from dataclasses import replace

import torch

from methods.baseline import Baseline


class Cramped(Baseline):
    info = replace(Baseline.info, name="cramped")

    def loss(self, batch, progress):
        if len(batch.images) > 20:
            torch.empty(1 << 50)
        return super().loss(batch, progress)
"""


def test_out_of_memory_says_what_fits_and_changes_nothing(tmp_path: Path) -> None:
    """A real refusal of torch's allocator; under a limit of the system oneDNN may crash instead."""
    (tmp_path / "cramped.py").write_text(CRAMPED)
    arguments = (
        "run", "--methods", "cramped:Cramped", "--factors", "50", "--jobs", "1",
        "--results", "runs", *QUICK,
    )  # fmt: skip
    code, text = fer_bench(tmp_path, *arguments)
    assert code == 1, text
    assert "out of memory at batch size 96; 12 would fit" in text
    assert "--set training.batch_size=12 (another cell" in text
    assert Store(tmp_path / "runs").records() == []


def test_damage_is_named_moved_aside_on_request_and_trained_anew(tmp_path: Path) -> None:
    run = ("run", "--methods", "baseline,cb", "--factors", "50", *QUICK, "--jobs", "1")
    run = (*run, "--results", "runs")
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
