"""What a large sweep costs beside its training: commands over many cells, start to end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmark.data import synthetic
from benchmark.data.load import load_dataset
from benchmark.errors import InputError
from benchmark.interpreter import fer_bench_command
from benchmark.protocols import load_protocol
from benchmark.speed.findings import Findings, finding
from benchmark.speed.made import fill
from benchmark.speed.setting import Setting
from benchmark.speed.timing import interleaved, lap
from benchmark.store.store import Store
from benchmark.sweep.plan import Sweep, plan
from methods import registry

FINISHED, RECORDS = 1_000, 10_000
GOAL_HELP, GOAL_AGAIN, GOAL_STATUS, GOAL_PLAN = 15.0, 3.0, 5.0, 5.0

_FACTOR = 50.0
_RUNS = 3


def measure(setting: Setting, finished: int = FINISHED, records: int = RECORDS) -> Findings:
    """Time the commands on a store of made-up records of the synthetic faces."""
    with tempfile.TemporaryDirectory() as folder:
        cache, store, empty = (Path(folder) / name for name in ("cache", "store", "empty"))
        sweep = _sweep(cache, records)
        fill(Store(store), sweep, sweep.cells)

        def timed(expected: str, *arguments: str) -> list[float]:
            def run() -> None:
                if expected not in _fer_bench(arguments):
                    raise InputError(f"fer-bench {arguments[0]} did not say '{expected}'")

            return [lap(run) for _ in range(_RUNS)]

        fewer = _options(cache, finished)
        all_of_them = _options(cache, records)
        again = timed("0 to train", "run", *fewer, "--results", str(store))
        status = timed(f"{len(sweep.cells)} finished", "status", "--results", str(store))
        planned = timed("to train", "run", *all_of_them, "--dry-run", "--results", str(empty))
    laps = interleaved(
        lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        {"help": lambda: _fer_bench(["--help"])},
        min(setting.seconds, 5.0),
        least=5,
    )
    rows = [
        finding("start of the interpreter", "s", laps.base, at_least=False),
        finding("--help", "s", laps.own["help"], at_least=False),
        finding("--help against it", "x", laps.ratios("help"), GOAL_HELP, at_least=False),
    ]
    for what, times, goal in (
        (f"run again over {finished:,} finished cells", again, GOAL_AGAIN),
        (f"status over {len(sweep.cells):,} records", status, GOAL_STATUS),
        (f"run --dry-run of {len(sweep.cells):,} cells", planned, GOAL_PLAN),
    ):
        rows.append(finding(what, "s", times, goal, at_least=False))
    return Findings(rows, ["whole commands, with the interpreter's start and all imports"])


def _sweep(cache: Path, cells: int) -> Sweep:
    """Plan as ``fer-bench run`` does with :func:`_options`."""
    return plan(
        load_dataset(synthetic.NAME, cache_dir=cache),
        registry.every()[0],
        [_FACTOR],
        range(_seeds(cells)),
        load_protocol("smoke"),
        weights="scratch",
        precision="fp32",
    )


def _options(cache: Path, cells: int) -> list[str]:
    seeds = ",".join(map(str, range(_seeds(cells))))
    return [
        f"--dataset={synthetic.NAME}",
        f"--cache-dir={cache}",
        "--device=cpu",
        "--methods=all",
        f"--factors={_FACTOR:g}",
        f"--seeds={seeds}",
    ]


def _seeds(cells: int) -> int:
    return max(1, cells // len(registry.every()[0]))


def _fer_bench(arguments: Sequence[str]) -> str:
    """Run a command line as a user does and return what it prints."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FER_BENCH_")}
    command = fer_bench_command(arguments)
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise InputError(f"fer-bench {arguments[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout
