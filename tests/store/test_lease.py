"""Leases: one holder at a time, and none outlives its process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmark.store import lease
from benchmark.store.lease import LeaseLostError, holder, take

HOLD = """
import sys, time
from pathlib import Path
from benchmark.store.lease import take
with take(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_only_one_of_many_gets_it(tmp_path: Path) -> None:
    for _ in range(20):
        found: list[lease.Lease] = []
        gate = threading.Barrier(8)

        def want(found: list[lease.Lease] = found, gate: threading.Barrier = gate) -> None:
            gate.wait()
            got = take(tmp_path / "cell")
            if got is not None:
                found.append(got)

        threads = [threading.Thread(target=want) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 1
        found[0].release()


def test_a_released_lease_can_be_taken_again(tmp_path: Path) -> None:
    first = take(tmp_path)
    assert first is not None
    assert take(tmp_path) is None
    assert holder(tmp_path) is not None
    first.release()
    assert holder(tmp_path) is None
    assert take(tmp_path) is not None


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_a_killed_holder_loses_it_at_once(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    assert take(tmp_path) is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    started = time.monotonic()
    second = take(tmp_path)
    assert second is not None
    assert time.monotonic() - started < 1
    second.check()


def other_machine(path: Path) -> None:
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1}))


@pytest.mark.parametrize("seconds", [-lease.PATIENCE - 1, lease.PATIENCE + 1, 86_400])
def test_a_holder_on_another_machine_is_believed_until_it_is_silent(
    tmp_path: Path, seconds: float
) -> None:
    """Its last beat may lie ahead: the clock was set back, and it died before it beat again."""
    first = take(tmp_path)
    assert first is not None
    path = holder(tmp_path)
    assert path is not None
    other_machine(path)
    first._file.close()  # its lock is gone, but it is not ours to look at
    assert take(tmp_path) is None
    os.utime(path, (time.time() + seconds,) * 2)
    assert take(tmp_path) is not None


def test_a_sleeper_learns_that_it_lost(tmp_path: Path) -> None:
    first = take(tmp_path)
    assert first is not None
    first.check()
    path = holder(tmp_path)
    assert path is not None
    os.utime(path, (time.time() - lease.PATIENCE - 1,) * 2)
    second = take(tmp_path)
    assert second is not None
    with pytest.raises(LeaseLostError):
        first.check()
    first.release()
    second.check()
    assert take(tmp_path) is None


def test_a_finisher_leaves_its_successors_lease(tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    first = take(folder)
    assert first is not None
    shutil.rmtree(folder)  # as whoever puts a finished cell in place clears it
    second = take(folder)
    assert second is not None
    assert holder(folder) is not None
    with pytest.raises(LeaseLostError):
        first.check()
    first.release()
    second.check()
    assert take(folder) is None


def test_where_nothing_can_be_written_leases_are_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = take(tmp_path)

    def refused(folder: Path) -> float:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(lease, "file_system_time", refused)
    assert holder(tmp_path) is not None
    assert held is not None
    held.release()
    assert holder(tmp_path) is None


def test_a_beating_lease_stays_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.02)
    got = take(tmp_path)
    assert got is not None
    path = holder(tmp_path)
    assert path is not None
    with got:
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 5
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0
    assert not path.exists()
