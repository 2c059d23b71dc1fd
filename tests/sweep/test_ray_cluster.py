"""Ray clusters of two nodes on this machine: whatever is killed, the same bits come out.

Run with ``FER_BENCH_RAY=1``; ``-s`` prints the seconds.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import QUICK, fer_bench, finish, outcome, start

from benchmark.store.store import Store

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]

METHODS = ("baseline", "cb", "soft")
CELLS = ("run", f"--methods={','.join(METHODS)}", "--factors=50", "--device=cpu", "--threads=1")
SHORT = ("--set=training.epochs=24", "--set=image.size=24", "--set=training.batch_size=48")
STORAGES = pytest.mark.parametrize("storage", ["shared", "driver"])
ROOT = Path(__file__).resolve().parents[2]
LIMIT = 400.0
"""Seconds for one run, whatever is killed."""

CLUSTER = """
import sys
from ray.cluster_utils import Cluster
small = dict(object_store_memory=100 << 20)
cluster = Cluster(
    initialize_head=True, head_node_args=dict(num_cpus=0, include_dashboard=False, **small)
)
nodes = [cluster.add_node(num_cpus=1, **small) for _ in range(2)]
print(cluster.address, flush=True)
for line in sys.stdin:  # the test's side says what is to be done
    if line.startswith("add"):
        path = line.split()[1]
        cluster.add_node(num_cpus=1, env_vars=dict(PYTHONPATH=path), **small)
        print("added", flush=True)
    elif line.strip() == "kill":
        cluster.remove_node(nodes.pop(), allow_graceful=False)
        print("killed", flush=True)
cluster.shutdown()
"""
LOOPBACK = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


class Two:
    """A cluster of two nodes of a core each, beside a head that trains nothing."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env={**os.environ, **LOOPBACK},
        )  # fmt: skip
        self.address = self._answer()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            if not line.startswith(("\x1b", "[")):  # Ray's own words
                return line.strip()
        raise RuntimeError("the cluster is gone")

    def _ask(self, what: str, answer: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        assert self._answer() == answer

    def kill_node(self) -> None:
        self._ask("kill", "killed")

    def add_node(self, code: Path) -> None:
        """Add a node that finds its packages in a folder first."""
        self._ask(f"add {code}", "added")

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    for name, value in LOOPBACK.items():
        monkeypatch.setenv(name, value)
    cluster = Two()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    code, text = fer_bench(folder, *CELLS, *SHORT, "--results=runs", "--jobs=1")
    assert code == 0, text
    return folder / "runs"


def _start(folder: Path, two: Two, storage: str) -> subprocess.Popen[str]:
    ray = ("--executor=ray", f"--ray-address={two.address}", f"--ray-storage={storage}")
    return start(folder, *CELLS, *SHORT, *ray, "--results=runs")


def _until(what: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def _two_checkpoints(folder: Path) -> bool:
    return len([*folder.glob("runs/running/*/checkpoint.pt")]) == 2


def _worker() -> int:
    """Return the process that trains the first job."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::fer-bench-1"):
                return int(path.parent.name)
        except OSError:
            continue
    raise AssertionError("no such process")


def _check(folder: Path, undisturbed: Path, what: str, seconds: float) -> None:
    records = Store(folder / "runs").records()
    sessions = {r.cell.method: [s["after_epochs"] for s in r.sessions] for r in records}
    print(f"{what}: {seconds:.0f} s from the kill to the end, sessions {sessions}")
    assert outcome(folder / "runs") == outcome(undisturbed)
    assert max(map(len, sessions.values())) > 1, "what was killed went on from its checkpoint"
    assert not [*(folder / "runs" / "running").iterdir()]


def _finished(process: subprocess.Popen[str], since: float) -> tuple[str, float]:
    code, text = finish(process, LIMIT)
    print(text)
    assert code == 0, text
    assert "Traceback" not in text
    return text, time.monotonic() - since


@STORAGES
def test_a_killed_node_loses_its_cell_to_the_other(
    undisturbed: Path, tmp_path: Path, two: Two, storage: str
) -> None:
    process = _start(tmp_path, two, storage)
    _until(lambda: _two_checkpoints(tmp_path))
    two.kill_node()
    text, seconds = _finished(process, time.monotonic())
    assert "handed out again" in text
    _check(tmp_path, undisturbed, f"node, {storage}", seconds)


@STORAGES
def test_a_killed_worker_is_followed_by_another(
    undisturbed: Path, tmp_path: Path, two: Two, storage: str
) -> None:
    process = _start(tmp_path, two, storage)
    _until(lambda: _two_checkpoints(tmp_path))
    os.kill(_worker(), signal.SIGKILL)
    text, seconds = _finished(process, time.monotonic())
    assert "its process died; handed out again" in text
    _check(tmp_path, undisturbed, f"worker, {storage}", seconds)


@STORAGES
def test_a_killed_driver_goes_on_by_the_same_command(
    undisturbed: Path, tmp_path: Path, two: Two, storage: str
) -> None:
    process = _start(tmp_path, two, storage)
    _until(lambda: _two_checkpoints(tmp_path))
    process.kill()
    since = time.monotonic()
    process.communicate()
    _, seconds = _finished(_start(tmp_path, two, storage), since)
    _check(tmp_path, undisturbed, f"driver, {storage}", seconds)


def test_a_hung_worker_is_ended_and_followed(undisturbed: Path, tmp_path: Path, two: Two) -> None:
    process = _start(tmp_path, two, "driver")
    _until(lambda: _two_checkpoints(tmp_path))
    os.kill(_worker(), signal.SIGSTOP)
    text, seconds = _finished(process, time.monotonic())
    assert "silent for 120 s; ended" in text
    _check(tmp_path, undisturbed, "hung worker, driver", seconds)


def test_an_interrupted_driver_leaves_nothing_held(tmp_path: Path, two: Two) -> None:
    process = _start(tmp_path, two, "shared")
    _until(lambda: _two_checkpoints(tmp_path))
    since = time.monotonic()
    process.send_signal(signal.SIGINT)
    code, text = finish(process, 100)
    print(f"interrupted: {time.monotonic() - since:.0f} s\n{text}")
    assert code == 130, text
    assert "all finished work is kept" in text
    assert not [*tmp_path.glob("runs/running/*/lease-*")], "every node let go of its cell"


def test_a_cluster_of_this_machine_is_started_and_ended(tmp_path: Path) -> None:
    run = ("run", "--methods=baseline,crt", "--factors=50", "--device=cpu", *QUICK)
    code, text = fer_bench(tmp_path, *run, "--results=local", "--jobs=1", "--threads=1")
    assert code == 0, text
    since = time.monotonic()
    code, text = fer_bench(tmp_path, *run, "--results=runs", "--executor=ray", "--log=tensorboard")
    print(f"a cluster of its own: {time.monotonic() - since:.0f} s\n{text}")
    assert code == 0, text
    assert outcome(tmp_path / "runs") == outcome(tmp_path / "local")
    assert len([*tmp_path.glob("runs/logs/tensorboard/*/events*")]) == 2


def test_a_cluster_without_room_is_one_line(tmp_path: Path, two: Two) -> None:
    address = f"--ray-address={two.address}"
    code, text = fer_bench(tmp_path, *CELLS, "--executor=ray", address, "--threads=3")
    assert code == 2, text
    assert "no node of the cluster has 3 CPU cores for a job" in text


@pytest.mark.parametrize("missing", [False, True])
def test_a_node_with_other_code_is_left_out(
    undisturbed: Path, tmp_path: Path, two: Two, missing: bool
) -> None:
    """Both good nodes go, one after a node with other code came."""
    code = tmp_path / "code"
    for name in ("benchmark", "fer_bench", "methods"):
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    if missing:
        shutil.rmtree(code / "benchmark" / "sweep" / "nodes")
    else:
        with (code / "methods" / "cb.py").open("a", encoding="utf-8") as file:
            file.write("# changed\n")
    two.kill_node()
    two.add_node(code)
    text, _ = _finished(_start(tmp_path, two, "driver"), time.monotonic())
    said = "it has no fer-bench such as this" if missing else "is other code than the driver's"
    assert text.count("is left out") == 1, text
    assert said in text
    assert outcome(tmp_path / "runs") == outcome(undisturbed)
