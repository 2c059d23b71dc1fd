"""The gate as CI runs it, on results that were really trained; on demand, as it takes minutes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "results" / "smoke"


def fer_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FER_BENCH")}
    return subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
    )


@pytest.mark.mutation
def test_another_training_seed_stays_green(tmp_path: Path) -> None:
    new = str(tmp_path / "runs")
    trained = fer_bench(
        "run", "--methods", "paper", "--factors", "100", "--seeds", "77", "--results", new
    )
    assert trained.returncode == 0, trained.stdout + trained.stderr
    other = ("--allow-missing", "*-s[0-4]")
    done = fer_bench("check", "--results", new, "--against", str(STORED), *other)
    assert done.returncode == 0, done.stdout
    verdict = done.stdout.strip().splitlines()[-1]
    assert verdict.startswith("8 results checked: ")
    assert "regressed" not in verdict
    assert "incomparable" not in verdict


@pytest.mark.mutation
def test_a_third_of_the_training_is_noticed(tmp_path: Path) -> None:
    """The stored results are of eight epochs; a schedule cut short must not pass for them."""
    new = str(tmp_path / "runs")
    cut = ("--set", "training.epochs=3")
    trained = fer_bench("run", "--methods", "baseline", "--factors", "100", *cut, "--results", new)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    done = fer_bench("check", "--results", new, "--against", str(STORED))
    assert done.returncode == 2
    assert "protocol.training.epochs: 8 stored, 3 new" in " ".join(done.stdout.split())
