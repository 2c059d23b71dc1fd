"""A Slurm cluster: an array of tasks that see the store's folder, submitted and left alone.

What a task trained is told by the store, and how it ended by its exit code in Slurm; nothing here
asks Slurm's accounting, which many clusters do not keep.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from itertools import count as numbers
from pathlib import Path

from benchmark.choices import CELLS_OPTION
from benchmark.errors import InputError
from benchmark.interpreter import fer_bench_command
from benchmark.store import lease
from benchmark.store.faults import writing
from benchmark.store.record import Cell
from benchmark.sweep.executors import Asked, Order
from benchmark.sweep.share import Share
from benchmark.sweep.slurm_queue import keep_job, queued
from benchmark.sweep.slurm_script import Script
from benchmark.sweep.stages import shares
from benchmark.words import count

HELP = "tasks of a Slurm cluster"
ELSEWHERE = True
OPTIONS = {
    "partition": {"metavar": "NAME", "help": "With --executor slurm: where tasks run."},
    "account": {"metavar": "NAME", "help": "With --executor slurm: who is charged."},
    "constraint": {"metavar": "FEATURES", "help": "With --executor slurm: what a node has."},
    "gres": {"metavar": "LIST", "help": "With --executor slurm: of each task, such as gpu:1."},
    "mem": {"metavar": "SIZE", "help": "With --executor slurm: memory of each task, such as 16G."},
    "time": {
        "metavar": "TIME",
        "help": "With --executor slurm: limit of each task, which is queued again at its end.",
    },
    "cells": {
        "metavar": "NUMBER",
        "default": "1",
        "show_default": True,
        "help": "With --executor slurm: cells of each task.",
    },
    "setup": {
        "metavar": "LINE",
        "multiple": True,
        "help": "With --executor slurm: a shell line before each task, such as 'module load cuda'.",
    },
    "extra": {
        "metavar": "OPTION",
        "multiple": True,
        "help": "With --executor slurm: one more option of sbatch, such as --qos=long.",
    },
}
_ASKED = ("partition", "account", "constraint", "gres", "mem", "time")
_WAIT = lease.PATIENCE + lease.BEAT
"""Seconds after which a cell is free again that a dead process held: a task that comes back after
its node failed meets its own lease. Who holds a cell longer than that is alive and trains it."""


def run(order: Order) -> bool:
    """Submit the cells and return False: Slurm trains them.

    Raises:
        InputError: an option has no such value, or Slurm takes no such job.
        StorageError: the store cannot be written to.
    """
    _check_script(order)
    if shutil.which("sbatch") is None:
        raise InputError(
            "--executor slurm: there is no sbatch on this machine; use a login node of the cluster"
        )
    shares = _shares(order)
    if not shares:
        return False
    with writing(order.store.root):
        folder = _make_folder(order.store.root)
        for number, cells in enumerate(shares):
            Share.of(cells, _WAIT).write(folder / f"{number}.json")
        script = folder / "job.sh"
        script.write_text(_script(order, shares, folder).text(), encoding="utf-8")
    job = _submit(script)
    order.say(
        f"Submitted as Slurm job {job}: {count(sum(map(len, shares)), 'cell')} in "
        f"{count(len(shares), 'task')}; what they print goes to {folder}"
    )
    with writing(order.store.root):
        keep_job(folder, job)
    order.say(f"See how far they are with: fer-bench status --results {order.store.root} ...")
    return False


def show(order: Order) -> None:
    """Say what would be submitted."""
    _check_script(order)
    shares = _shares(order)
    if shares:
        order.say(_script(order, shares, _next_folder(order.store.root)).text().rstrip("\n"))


def check(asked: Asked) -> None:
    """Refuse what tasks cannot be given.

    Raises:
        InputError: an option has no such value.
    """
    cells = asked.options["cells"]
    if not (cells.isascii() and cells.isdigit() and int(cells) > 0):
        raise InputError(f"--slurm-cells {cells}: not a number of cells; use 1 or more")
    if asked.jobs_per_gpu != 1:
        raise InputError(
            "--jobs-per-gpu: a task of --executor slurm has its GPU for itself; leave it out"
        )


def _check_script(order: Order) -> None:
    """Refuse what cannot stand in a script, before anything is written.

    Raises:
        InputError: an option or a path is such.
    """
    _script(order, _divided(order), _next_folder(order.store.root)).text()


def _divided(order: Order) -> list[list[Cell]]:
    return shares(order.cells, order.sweep, int(order.options["cells"]))


def _shares(order: Order) -> list[list[Cell]]:
    """Return the cells of each task, without tasks whose cells others have; say so of these."""
    waiting = queued(_submissions(order.store.root))
    divided = _divided(order)
    left = [share for share in divided if not {cell.slug for cell in share} <= waiting.keys()]
    jobs = dict.fromkeys(waiting[c.slug] for share in divided if share not in left for c in share)
    if jobs:
        cells = count(sum(map(len, divided)) - sum(map(len, left)), "cell")
        order.say(
            f"Not submitted again: {cells} of which tasks wait or run in Slurm job "
            f"{', '.join(jobs)}; 'scancel' takes them out of the queue"
        )
    return left


def _script(order: Order, shares: Sequence[Sequence[Cell]], folder: Path) -> Script:
    threads = order.threads or 1
    own = ["--jobs", "1", "--threads", str(threads)]
    return Script(
        command=fer_bench_command([*order.command, *own]),
        option=CELLS_OPTION,
        folder=folder,
        here=Path.cwd(),
        tasks=len(shares),
        at_once=order.jobs,
        threads=threads,
        asked={name: order.options[name] for name in _ASKED},
        setup=order.options["setup"],
        extra=order.options["extra"],
    )


def _make_folder(root: Path) -> Path:
    """Make the folder of a submission, which no other one has."""
    while True:
        folder = _next_folder(root)
        folder.parent.mkdir(exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:  # somebody else submitted meanwhile
            continue
        return folder


def _submissions(root: Path) -> Path:
    return root.absolute() / "slurm"


def _next_folder(root: Path) -> Path:
    folders = (_submissions(root) / str(number) for number in numbers(1))
    return next(folder for folder in folders if not folder.exists())


def _submit(script: Path) -> str:
    """Submit a script and return the job's number.

    Raises:
        InputError: Slurm does not take it; the folder of the script is gone again.
    """
    done = subprocess.run(
        ["sbatch", "--parsable", str(script)], capture_output=True, encoding="utf-8"
    )
    if done.returncode != 0:
        shutil.rmtree(script.parent)
        reason = _reason(done.stderr) or f"exit code {done.returncode}"
        raise InputError(f"Slurm takes no such job: {reason}")
    return done.stdout.strip().partition(";")[0]


def _reason(told: str) -> str:
    """Return the last line that says why; sbatch ends some refusals with where its help is."""
    lines = [line for line in told.strip().splitlines() if not line.startswith("Try ")]
    return lines[-1].removeprefix("sbatch: ").removeprefix("error: ") if lines else ""
