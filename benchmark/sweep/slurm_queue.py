"""What earlier submissions of a store still have in Slurm's queue."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmark.sweep.share import Share

_JOB = "job"
"""The file in a submission's folder that holds the number of its job."""


def keep_job(folder: Path, job: str) -> None:
    """Write down which job a submission became.

    Args:
        folder: of the submission.
        job: its number.
    """
    (folder / _JOB).write_text(f"{job}\n", encoding="utf-8")


def queued(submissions: Path) -> dict[str, str]:
    """Return the jobs of which a task waits or runs, by the slug of each cell that it has.

    What nobody can tell (there is no ``squeue``, Slurm has forgotten the job, the task's cells were
    removed) is as good as gone: of two tasks that have one cell the second leaves it to the first
    anyhow.

    Args:
        submissions: the folder that holds a folder of each.
    """
    folders = {
        file.read_text(encoding="utf-8").strip(): file.parent
        for file in sorted(submissions.glob(f"*/{_JOB}"))
    }
    found: dict[str, str] = {}
    for job, task in _tasks([*folders]):
        share = folders[job] / f"{task}.json"
        if share.is_file():
            found |= dict.fromkeys(Share.read(share).slugs, job)
    return found


def _tasks(jobs: Sequence[str]) -> list[tuple[str, str]]:
    """Return the jobs and numbers of all tasks of these jobs that Slurm still has."""
    if not jobs:
        return []
    asked = ["squeue", "--noheader", "--array", "--format=%F %K", f"--jobs={','.join(jobs)}"]
    try:
        done = subprocess.run(asked, capture_output=True, encoding="utf-8")
    except OSError:
        return []
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return [(job, task) for job, _, task in (line.strip().partition(" ") for line in lines)]
