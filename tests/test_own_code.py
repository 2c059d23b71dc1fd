"""Whatever the working directory holds: the code that runs is our own, in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import QUICK, fer_bench, outcome

ROOT = Path(__file__).resolve().parent.parent
RUN = (
    "run", "--factors", "50", *QUICK, "--set", "training.epochs=1", "--jobs", "2",
    "--device", "cpu", "--results", "runs",
)  # fmt: skip
MINE = """
from dataclasses import replace
from methods.baseline import Baseline

class Mine(Baseline):
    info = replace(Baseline.info, name="mine", title="Mine")
"""
NAMESAKES = ("statistics", "json", "pickle", "multiprocessing", "click", "torch", "signal", "copy")


def hostile(folder: Path) -> Path:
    """A folder in which our own package, Python's modules and libraries have namesakes."""
    for name in ("benchmark", "methods"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"print('HOSTILE {name}')\n")
        (folder / name / "__main__.py").write_text(f"print('HOSTILE {name}')\n")
    for name in NAMESAKES:
        (folder / f"{name}.py").write_text(f"print('HOSTILE {name}')\nraise SystemExit(0)\n")
    (folder / "mine.py").write_text(MINE)
    return folder


def call(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).parent / "fer-bench"
    return subprocess.run(
        [str(script), *arguments], capture_output=True, text=True, cwd=folder, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


@pytest.mark.exhaustive
def test_jobs_run_our_code_in_a_hostile_folder(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "hostile")
    done = call(folder, *RUN, "--methods", "baseline,mine:Mine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 trained, 0 failed." in done.stdout
    assert "HOSTILE" not in done.stdout + done.stderr
    assert len(outcome(folder / "runs")) == 2


def test_the_module_runs_our_code_beside_namesakes_of_pythons(tmp_path: Path) -> None:
    for name in NAMESAKES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('HOSTILE')\n")
    code, text = fer_bench(tmp_path, *RUN, "--methods", "baseline,cb", forked=False)
    assert code == 0, text
    assert "HOSTILE" not in text


def test_a_package_of_our_name_that_python_finds_first_is_named(tmp_path: Path) -> None:
    (tmp_path / "methods.py").write_text("")
    done = call(tmp_path, "methods", "list", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith(f"fer-bench: Python finds the package 'methods' as {tmp_path}")
    assert done.stderr.count("\n") == 1


MEASURE = """
import sys
sys.path.insert(0, {root!r})
from benchmark.speed.worker import Worker

if __name__ == "__main__":
    with Worker(dict) as worker:
        worker.ready()
"""


def test_measuring_processes_run_our_code_in_a_hostile_folder(tmp_path: Path) -> None:
    script = tmp_path / "elsewhere" / "measure.py"
    script.parent.mkdir()
    script.write_text(MEASURE.format(root=str(ROOT)))
    done = subprocess.run(
        [sys.executable, str(script)], cwd=hostile(tmp_path / "hostile"), timeout=120,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "HOSTILE" not in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be removed")
def test_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    def gone(*arguments: str) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "gone"
        folder.mkdir()
        script = 'cd gone; rmdir ../gone; exec "$@"'
        return subprocess.run(
            ["sh", "-c", script, "sh", *arguments], cwd=tmp_path, capture_output=True, text=True
        )

    script = str(Path(sys.executable).parent / "fer-bench")
    for command in ([script], [sys.executable, "-m", "benchmark"]):
        version = gone(*command, "--version")
        assert version.returncode == 0, version.stderr
        assert version.stderr == ""
    done = gone(script, "run", "--methods", "cb")
    assert done.returncode == 2
    assert done.stderr.startswith("fer-bench: the working directory cannot be used")
    assert done.stderr.count("\n") == 1


def test_what_is_called_like_a_missing_library_is_not_run(tmp_path: Path) -> None:
    """Libraries try imports that may fail: nothing of the working directory may step in."""
    seen = tmp_path / "ran"
    for name in ("pyarrow", "olefile", "org", "_winapi", "msvcrt", "sklearn", "defusedexpat"):
        (tmp_path / f"{name}.py").write_text(f"open({str(seen)!r}, 'a').write({name!r})\n")
    script = str(Path(sys.executable).parent / "fer-bench")
    stored = str(ROOT / "results" / "smoke")
    for words in (
        ["report", "--results", stored],
        ["status", "--results", stored],
        ["figure", "factor", "--results", stored, "--out", "a.png"],
        ["data", "counts"],
    ):
        done = subprocess.run(
            [script, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
    assert not seen.exists(), seen.read_text()
