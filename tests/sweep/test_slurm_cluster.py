"""A Slurm cluster on this machine: whatever ends a task, the same bits come out.

Start it with ``tools/slurm.sh``, and set ``SLURM_CONF`` as it says.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from processes import fer_bench, outcome

from benchmark.store.store import Store

pytestmark = pytest.mark.slurm

CELLS = ("run", "--methods=baseline,cb,crt,soft", "--factors=50", "--device=cpu", "--threads=1")
SHORT = ("--set=training.epochs=24", "--set=image.size=24", "--set=training.batch_size=48")
SLURM = ("--executor=slurm", "--slurm-partition=low", "--slurm-mem=1000", "--results=runs 1%")
QUEUE_AGAIN = 120.0
"""Seconds for which Slurm leaves a task alone that was queued again."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    code, text = fer_bench(folder, *CELLS, *SHORT, "--results=runs", "--jobs=1")
    assert code == 0, text
    return folder / "runs"


def _slurm(*arguments: str) -> str:
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def _wait(what: str, seconds: float, folder: Path, done: object) -> float:
    begun = time.monotonic()
    while not done():  # type: ignore[operator]
        if time.monotonic() - begun > seconds:
            logs = "\n".join(path.read_text() for path in folder.glob("runs*/slurm/*/*.log"))
            pytest.fail(f"{what}: not after {seconds} s\n{_slurm('squeue', '-r')}\n{logs}")
        time.sleep(0.2)
    return time.monotonic() - begun


def _submit(folder: Path, *arguments: str) -> str:
    code, text = fer_bench(folder, *CELLS, *SHORT, *SLURM, *arguments)
    assert code == 0, text
    assert "Submitted as Slurm job" in text
    return text.partition("Slurm job ")[2].partition(":")[0]


def _gone(job: str) -> bool:
    return not _slurm("squeue", "-h", "-r", "-j", job).strip()


def _states(job: str) -> str:
    return _slurm("squeue", "-h", "-r", "-j", job, "-o", "%T")


def _print_log(folder: Path) -> None:
    for path in sorted(folder.glob("runs*/slurm/*/*.log")):
        print(f"--- {path.name}\n{path.read_text()}")


def _sessions(folder: Path) -> dict[str, list[int]]:
    records = Store(folder / "runs 1%").records()
    return {r.cell.method: [s["after_epochs"] for s in r.sessions] for r in records}


def test_an_array_trains_what_one_process_trains(undisturbed: Path, tmp_path: Path) -> None:
    job = _submit(tmp_path)
    code, text = fer_bench(tmp_path, *CELLS, *SHORT, *SLURM)
    assert code == 0, text
    assert f"Not submitted again: 4 cells of which tasks wait or run in Slurm job {job};" in text
    took = _wait("the array", 400, tmp_path, lambda: _gone(job))
    print(f"array: {took:.1f} s")
    _print_log(tmp_path)
    assert outcome(tmp_path / "runs 1%") == outcome(undisturbed)
    code, text = fer_bench(tmp_path, *CELLS, *SHORT, *SLURM)
    assert code == 0, text
    assert "4 finished, 0 to train" in text


def test_a_preempted_task_comes_back_and_goes_on(undisturbed: Path, tmp_path: Path) -> None:
    job = _submit(tmp_path)
    _wait("a checkpoint", 200, tmp_path, lambda: [*tmp_path.glob("runs*/running/*/checkpoint.pt")])
    other = _slurm("sbatch", "--parsable", "-p", "high", "-n1", "--exclusive", "--output=/dev/null",
                   "--wrap", "sleep 3").strip()  # fmt: skip
    went = _wait("the other job", 60, tmp_path, lambda: _gone(other))
    took = _wait("the array", 600, tmp_path, lambda: _gone(job))
    print(f"preempted: other done after {went:.1f} s, all after {took:.1f} s more")
    _print_log(tmp_path)
    print(_sessions(tmp_path))
    assert outcome(tmp_path / "runs 1%") == outcome(undisturbed)
    assert max(map(len, _sessions(tmp_path).values())) == 2


def test_a_time_limit_ends_in_another_turn(tmp_path: Path) -> None:
    """A task of two cells that has some twenty seconds at a time, and needs twice as many."""
    two = "--methods=baseline,crt"
    code, text = fer_bench(tmp_path, *CELLS, *SHORT, two, "--results=local", "--jobs=1")
    assert code == 0, text
    job = _submit(
        tmp_path, two, "--slurm-cells=2", "--slurm-time=1", "--slurm-extra=--signal=B:USR1@40"
    )
    took = _wait("the task", 900, tmp_path, lambda: _gone(job))
    print(f"time limit: all after {took:.1f} s")
    _print_log(tmp_path)
    print(_sessions(tmp_path))
    assert outcome(tmp_path / "runs 1%") == outcome(tmp_path / "local")
    assert max(map(len, _sessions(tmp_path).values())) > 1


def test_a_cancelled_task_stays_away(tmp_path: Path) -> None:
    job = _submit(tmp_path)
    _wait("a checkpoint", 200, tmp_path, lambda: [*tmp_path.glob("runs*/running/*/checkpoint.pt")])
    _slurm("scancel", job)
    _wait("the end", 60, tmp_path, lambda: _gone(job))
    _print_log(tmp_path)
    time.sleep(5)
    assert _gone(job)
    assert not [*tmp_path.glob("runs*/running/*/lease-*")], "every task let go of its cell"


def test_a_bad_partition_is_one_line(tmp_path: Path) -> None:
    code, text = fer_bench(tmp_path, *CELLS, *SHORT, *SLURM, "--slurm-partition=none")
    assert code == 2, text
    assert "Slurm takes no such job" in text
    assert "partition" in text
    assert "Traceback" not in text
    assert not [*(tmp_path / "runs 1%" / "slurm").iterdir()]
