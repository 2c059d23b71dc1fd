"""The wheel: complete, and at home in any directory."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_a_wheel_works_from_any_directory(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path), "."],
        cwd=ROOT,
        check=True,
    )
    (wheel,) = tmp_path.glob("fer_bench-*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(site)
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {
        "benchmark",
        "fer_bench",
        "methods",
    }
    for number in range(1, 6):
        assert f"benchmark/_assets/results/paper/table{number}.csv" in names
    assert "benchmark/_assets/results/curves.json" in names
    assert "benchmark/_assets/templates/figures.mplstyle" in names
    assert not [name for name in names if name.endswith((".png", ".dat", ".npz"))]

    def run(*arguments: str) -> str:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FER_BENCH")}
        environment |= {"PYTHONPATH": str(site), "FER_BENCH_CACHE": str(tmp_path / "cache")}
        done = subprocess.run(
            [sys.executable, "-m", "benchmark", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [sys.executable, "-c", "import benchmark; print(benchmark.__file__)"],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)},
    )  # fmt: skip
    assert where.stdout.startswith(str(site))
    run(
        "run", "--methods", "cb", "--factors", "50", "--set", "training.epochs=1", "--device", "cpu"
    )
    assert "| CB | 50 |" in run("report")
    assert r"\begin{tabular}" in run("report", "--format", "latex")
