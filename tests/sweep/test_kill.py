"""Processes that are killed or interrupted lose nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import QUICK, fer_bench, finish, outcome, start

from benchmark.store.store import Store
from benchmark.sweep import jobs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@pytest.mark.slow
def test_a_run_killed_at_random_points_ends_with_the_same_bits(tmp_path: Path) -> None:
    # Each method by itself is interrupted in tests/engine; these differ in streams and stages.
    run = ("run", "--methods", "mek,bbn,crt", "--factors", "50", *QUICK, "--jobs", "1")
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
    assert killed >= 3
    whole, resumed = outcome(tmp_path / "whole"), outcome(tmp_path / "killed")
    assert len(whole) == 4, "three and the first stage of one"
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


DEAF = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
time.sleep(90)
"""


@pytest.mark.parametrize("more", [1, 3])
def test_one_more_interruption_ends_jobs_that_hang(
    monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    monkeypatch.setattr(jobs, "fer_bench_command", lambda _: [sys.executable, "-c", DEAF])
    up: list[int] = []

    def say(line: str) -> None:
        up.append(int(line.split()[-1]))
        if len(up) == 2:
            for number in range(1 + more):
                time.sleep(0.5 * (number < 2))
                os.kill(os.getpid(), signal.SIGINT)

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        jobs.run_jobs(["run"], [jobs.Job("cpu", 1)] * 2, say)
    assert time.monotonic() - started < 60
    for process in up:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_an_interruption_while_jobs_start_leaves_none_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "fer_bench_command", lambda _: ["sleep", "90"])
    started, start_one = [], jobs._start

    def interrupted(*arguments: object) -> subprocess.Popen[str]:
        if started:
            raise KeyboardInterrupt
        started.append(start_one(*arguments))
        return started[0]

    monkeypatch.setattr(jobs, "_start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        jobs.run_jobs(["run"], [jobs.Job("cpu", 1)] * 2, print)
    assert started[0].poll() == -signal.SIGTERM


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (2, "ended with exit code 2"),
        (-signal.SIGSEGV, "(Segmentation fault"),
        (-signal.SIGBUS, ": the decoded images could not be read"),
        (-signal.SIGKILL, ": as systems do that run out of memory"),
    ],
)
def test_how_a_job_ended_is_said_in_words(code: int, words: str) -> None:
    assert words in jobs.how_ended(code)
    assert str(abs(code)) in jobs.how_ended(code)
