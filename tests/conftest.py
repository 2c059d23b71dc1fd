"""What needs real data or much time runs only where the environment offers it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

_NEEDS = {
    "slow": ("FER_BENCH_SLOW", "set FER_BENCH_SLOW=1 to run slow tests"),
    "exhaustive": ("FER_BENCH_EXHAUSTIVE", "set FER_BENCH_EXHAUSTIVE=1 to run every case"),
    "ferplus": ("FER_BENCH_FERPLUS", "set FER_BENCH_FERPLUS to the folder of the real FERPlus"),
    "vectors": ("FER_BENCH_VECTORS", "set FER_BENCH_VECTORS to the folder of reference vectors"),
    "ray": ("FER_BENCH_RAY", "pip install ray and set FER_BENCH_RAY=1 to start Ray clusters"),
    "slurm": ("SLURM_CONF", "start a cluster with tools/slurm.sh and set SLURM_CONF as it says"),
    "mutation": ("FER_BENCH_MUTATIONS", "set FER_BENCH_MUTATIONS=1 to run mutation tests"),
}

# How long an example takes says more of the machine and its other work than of the code.
settings.register_profile("any machine", deadline=None, max_examples=50)
settings.load_profile("any machine")

for _name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(_name, None)  # what a caller's terminal says must not break a table's lines


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, (variable, reason) in _NEEDS.items():
            if item.get_closest_marker(marker) and not os.environ.get(variable):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _no_process_outlives_its_test() -> Iterator[None]:
    yield
    if "processes" in sys.modules:
        sys.modules["processes"].end_all()


@pytest.fixture
def vectors() -> Path:
    return Path(os.environ["FER_BENCH_VECTORS"])


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made records: FERPlus with two seeds (MEK's second is missing at 150), RAF-DB with one."""
    from made_records import fill, made_record

    from benchmark.store.store import Store

    methods = ("baseline", "cb", "soft", "mek")
    store = Store(tmp_path_factory.mktemp("stored"))
    fill(store, methods, (50.0, 150.0, None), 1)
    fill(store, methods[:3], (50.0, 150.0, None), 2)
    store.add(*made_record("mek", 50.0, 1))
    for method in ("cb", "mek"):
        store.add(*made_record(method, 150.0, dataset="raf-db"))
    return store.root


@pytest.fixture(scope="session")
def report(stored: Path) -> Callable[..., str]:
    """Call ``fer-bench report`` and return what it prints."""
    from click.testing import CliRunner

    from benchmark.cli import cli

    def call(*arguments: str, store: Path = stored) -> str:
        wide = CliRunner(env={"COLUMNS": "200"})
        done = wide.invoke(cli, ["report", "--results", str(store), *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return call
