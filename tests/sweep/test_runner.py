"""Sweeps that are shared, planned, explained and carried, through the real command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import QUICK, fer_bench, finish, outcome, start

from benchmark.store.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@pytest.mark.exhaustive
def test_two_processes_divide_the_cells(tmp_path: Path) -> None:
    run = ("run", "--methods", "baseline,cb", "--factors", "50", "--seeds", "0,1", *QUICK)
    both = [start(tmp_path, *run, "--jobs", "1", "--results", "runs") for _ in range(2)]
    texts = [finish(process) for process in both]
    assert [code for code, _ in texts] == [0, 0], texts
    trained = [text.count("finished in") for _, text in texts]
    assert sum(trained) == 4, "each cell once"
    assert min(trained) >= 1, "both had a share"
    assert len(Store(tmp_path / "runs").records()) == 4


@pytest.mark.slow
def test_jobs_side_by_side_give_the_records_of_one(tmp_path: Path) -> None:
    run = ("run", "--methods", "baseline,bbn", "--factors", "50", *QUICK, "--threads", "1")
    assert fer_bench(tmp_path, *run, "--jobs", "1", "--results", "one")[0] == 0
    code, text = fer_bench(tmp_path, *run, "--jobs", "2", "--results", "two")
    assert code == 0
    assert "2 jobs side by side, 1 CPU thread each" in text
    assert "[job 1]" in text
    assert "[job 2]" in text
    assert outcome(tmp_path / "one") == outcome(tmp_path / "two")


def test_a_dry_run_tells_and_trains_nothing(tmp_path: Path) -> None:
    run = ("run", "--methods", "baseline,cb", "--factors", "50,full", *QUICK, "--jobs", "1")
    code, text = fer_bench(tmp_path, *run, "--dry-run", "--results", "runs")
    assert code == 0
    assert "No record of such a cell" in text
    assert not (tmp_path / "runs").exists()
    code, text = fer_bench(tmp_path, *run, "--only", "base*", "--limit", "1", "--results", "runs")
    assert code == 0
    assert "2 cells on synthetic" in text
    before = text[: text.index("[1/1]")]
    assert "  method: baseline\n  factor: 50\n  seed: 0\n" in before
    assert "No record of such a cell tells how long they take." in before
    assert "1 trained, 0 failed" in text
    code, text = fer_bench(tmp_path, *run, "--dry-run", "--results", "runs")
    lines = [line for line in text.splitlines() if line.startswith("  ")]
    assert [": finished" in line for line in lines] == [True, False, False, False]
    assert all("about" in line for line in lines[1:])
    assert "from past records" in text
    code, text = fer_bench(tmp_path, *run, "--only", "nix-*", "--results", "runs")
    assert code == 2
    assert "--only nix-*: fits none of the sweep's 4 cells" in text


@pytest.mark.exhaustive
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


@pytest.mark.slow
@pytest.mark.exhaustive
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


@pytest.mark.exhaustive
def test_a_reader_that_goes_away_stops_nothing_half_way(tmp_path: Path) -> None:
    run = "run --methods baseline,cb --factors 50 --jobs 2 --results runs " + " ".join(QUICK)
    command = f"{sys.executable} -m benchmark {run} | sed '/^.job .. .*factor 50/q'"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert "2 cells on synthetic" in done.stdout
    assert "Traceback" not in done.stderr
    assert len(Store(tmp_path / "runs").records()) == 2
