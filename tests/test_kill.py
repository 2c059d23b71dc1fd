"""Processes that are killed or interrupted lose nothing."""

from __future__ import annotations

import random
import signal
import sys
import time
from pathlib import Path

import pytest
from processes import QUICK, fer_bench, finish, outcome, start

from benchmark.store import Store
from methods import names

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


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
