"""What concerns devices and can be shown without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from processes import QUICK, fer_bench, finish, start
from sweeps import run, small_sweep

from benchmark.cli import cli
from benchmark.data.batches import BatchMaker
from benchmark.data.transfer import move
from benchmark.engine import device as devices
from benchmark.engine.memory import is_out_of_memory
from benchmark.engine.optim import build_optimizer
from benchmark.errors import InputError
from benchmark.store import lease
from benchmark.store.store import Store
from benchmark.sweep.executors import Order
from benchmark.sweep.work import Tally
from methods.base import ParameterGroup

RUN = ("run", "--methods", "baseline", "--factors", "50", *QUICK, "--device", "cpu")


def share(folder: Path, precision: str, *cells: str) -> str:
    file = folder / "cells.json"
    file.write_text(json.dumps({"precision": precision, "cells": cells}))
    return str(file)


@pytest.mark.parametrize("cells", [(), ("baseline-synthetic-50-s0-0123456789ab",)])
def test_a_share_that_is_none_of_the_cells_is_refused(
    tmp_path: Path, cells: tuple[str, ...]
) -> None:
    code, text = fer_bench(tmp_path, *RUN, "--cells", share(tmp_path, "fp32", *cells))
    assert code == 2, text
    assert "which is not among the 1 cell that" in text
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"precision": 1, "cells": 3}'])
def test_a_share_that_cannot_be_read_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "cells.json").write_text(content)
    done = CliRunner().invoke(cli, [*RUN, "--cells", str(tmp_path / "cells.json")])
    assert isinstance(done.exception, InputError)
    assert "cannot be read" in str(done.exception)


def test_a_job_takes_the_precision_that_was_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``auto`` means differs by device: a cell's name must not."""
    auto = ("--set", "training.precision=auto")
    handed = {}

    def remember(order: Order, jobs: Any) -> None:
        handed["precision"] = order.cells[0].precision
        handed["slug"] = order.cells[0].slug

    monkeypatch.setattr("benchmark.sweep.executors.local._side_by_side", remember)
    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: True)
    asked = [*RUN, *auto, "--seeds", "0,1", "--jobs", "2", "--results", str(tmp_path / "runs")]
    CliRunner().invoke(cli, asked)
    assert handed["precision"] == "bf16"
    monkeypatch.undo()
    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: False)
    trained: list[str] = []

    def train(order: Order, *, alone: bool, wait: float) -> Tally:
        trained.extend(cell.slug for cell in order.cells)
        return Tally()

    monkeypatch.setattr("benchmark.sweep.work.train_here", train)
    file = share(tmp_path, "bf16", handed["slug"])
    done = CliRunner().invoke(cli, [*asked, "--cells", file])
    assert done.exit_code == 0, done.exception
    assert trained == [handed["slug"]]


@pytest.mark.parametrize(
    ("precision", "has", "told"),
    [("bf16", False, True), ("bf16", True, False), ("fp32", False, False)],
)
def test_a_precision_that_is_slow_here_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, has: bool, told: bool
) -> None:
    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: has)
    asked = [*RUN, "--precision", precision, "--dry-run", "--results", str(tmp_path / "runs")]
    done = CliRunner().invoke(cli, asked)
    assert done.exit_code == 0, done.exception
    assert ("Precision: this CPU does not multiply bf16" in done.output) is told
    assert "compiled kernels" not in done.output


def test_compiled_kernels_are_not_promised_float32s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: False)
    note = devices.precision_note("bf16", torch.device("cpu"), compiled=True)
    assert "compiled kernels stand in for it" in note


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("names", "jobs"),
    [
        (["SIGUSR1"], "1"),
        *(
            pytest.param([name], jobs, marks=pytest.mark.exhaustive)
            for name, jobs in (
                ("SIGINT", "1"), ("SIGINT", "2"), ("SIGTERM", "1"), ("SIGHUP", "1"),
                ("SIGUSR2", "1"), ("SIGUSR1", "2"), ("SIGQUIT", "1"), ("SIGQUIT", "2"),
            )
        ),
        pytest.param(["SIGINT"] * 2, "1", marks=pytest.mark.exhaustive),
        pytest.param(["SIGINT"] * 3, "2", marks=pytest.mark.exhaustive),
    ],
)  # fmt: skip
def test_what_schedulers_and_terminals_send_is_an_interruption(
    tmp_path: Path, names: list[str], jobs: str
) -> None:
    long = ("--set", "training.epochs=200", "--seeds", "0,1", "--jobs", jobs, "--results", "runs")
    process = start(tmp_path, *RUN, *long)
    deadline = time.monotonic() + 200
    while len(list(tmp_path.glob("runs/running/*/checkpoint.pt"))) < int(jobs):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for name in names:
        process.send_signal(getattr(signal, name))
        time.sleep(0.1)
    code, text = finish(process, 120)
    assert code == 130, text
    assert "interrupted; all finished work is kept" in text
    assert "Traceback" not in text
    begun = Store(tmp_path / "runs").begun.slugs()
    assert len(begun) == int(jobs)
    assert not any(begun.values()), "no job lives on"


def test_only_cuda_copies_behind_the_hosts_back() -> None:
    class Elsewhere:
        def to(self, device: torch.device, *, non_blocking: bool) -> bool:
            return non_blocking

    assert move(Elsewhere(), torch.device("cuda")) is True  # type: ignore[arg-type]
    assert move(Elsewhere(), torch.device("mps")) is False  # type: ignore[arg-type]


def test_nothing_else_copies_behind_the_hosts_back() -> None:
    root = Path(devices.__file__).parent.parent
    files = [*root.rglob("*.py"), *(root.parent / "methods").glob("*.py")]
    using = {path.name for path in files if "non_blocking" in path.read_text(encoding="utf-8")}
    assert using - {"plain_loop.py"} == {"transfer.py"}


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB, max allowed: 1 GB)"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("MPS backend failed"), False),
    ],
)
def test_lack_of_memory_is_known(error: Exception, is_memory: bool) -> None:
    assert is_out_of_memory(error) is is_memory


def test_bf16_is_asked_of_the_chosen_device(monkeypatch: pytest.MonkeyPatch) -> None:
    current = [0]

    @contextmanager
    def on(device: torch.device):  # type: ignore[no-untyped-def]
        before, current[0] = current[0], device.index or 0
        yield
        current[0] = before

    monkeypatch.setattr(torch.cuda, "device", on)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: current[0] == 1)
    assert devices.resolve_precision("auto", torch.device("cuda:0")) == "fp16"
    assert devices.resolve_precision("auto", torch.device("cuda:1")) == "bf16"


@pytest.mark.parametrize(("place", "fused"), [("cpu", None), ("meta", True)])
@pytest.mark.parametrize("kind", ["sgd", "nesterov"])
def test_sgd_is_fused_where_a_step_would_wait(
    place: str, fused: bool | None, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Net(torch.nn.Linear):
        def parameter_groups(self) -> list[ParameterGroup]:
            return [ParameterGroup(list(self.parameters()), head=True)]

    asked: list[bool | None] = []

    class Asked(torch.optim.SGD):
        def __init__(self, *arguments: Any, fused: bool | None, **values: Any) -> None:
            asked.append(fused)
            super().__init__(*arguments, **values)

    monkeypatch.setattr(torch.optim, "SGD", Asked)
    cell = small_sweep(overrides=[f"training.optimizer={kind}"]).cells[0]
    build_optimizer(Net(2, 2, device=place), cell.protocol.training)  # type: ignore[arg-type]
    assert asked == [fused]


def test_calibration_sees_images_of_the_host() -> None:
    sweep = small_sweep()
    cell = sweep.cells[0]
    maker = BatchMaker(
        dataset=sweep.dataset, split=sweep.splits[cell.factor], protocol=cell.protocol,
        views=sweep.methods["baseline"].views, reversed_stream=False, seed=0,
        device=torch.device("meta"),
    )  # fmt: skip
    assert maker.plain(np.arange(4)).device.type == "cpu"


def test_what_fits_is_counted_from_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5 << 30, 80 << 30))
    assert devices.free_gpu_memory_bytes("cuda:0") == 5 << 30


def test_an_xpu_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--device xpu: this machine has no such XPU"):
        devices.resolve_device("xpu")
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 1)
    monkeypatch.setattr(torch.xpu, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.xpu, "get_device_name", lambda device: "made up")
    monkeypatch.setattr(torch.xpu, "max_memory_reserved", lambda device: 7)
    device = devices.resolve_device("xpu:0")
    with pytest.raises(InputError, match="--device xpu:1"):
        devices.resolve_device("xpu:1")
    assert devices.resolve_precision("auto", device) == "bf16"
    assert devices.resolve_precision("fp16", device) == "fp16"
    facts = devices.describe_device(device)
    assert (facts["device"], facts["gpu"], facts["peak_gpu_memory_bytes"]) == ("xpu", "made up", 7)


@pytest.mark.parametrize(
    ("place", "size", "keeps"),
    [("cuda:0", 100, True), ("cuda:0", 101, False), ("cpu", 1, False), ("mps", 1, False)],
)
def test_images_are_kept_where_there_is_much_room(
    monkeypatch: pytest.MonkeyPatch, place: str, size: int, keeps: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (800, 80 << 30))
    assert devices.keeps_images(size, torch.device(place)) is keeps


def test_nvidias_tool_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return subprocess.CompletedProcess(command, 0, "999.1\n", "")

    devices._driver.cache_clear()
    monkeypatch.setattr(devices.subprocess, "run", run)
    assert [devices._driver() for _ in range(3)] == ["999.1"] * 3
    devices._driver.cache_clear()
    assert len(calls) == 1


def test_a_lease_falls_silent_when_the_work_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.02)
    monkeypatch.setattr(lease, "STALL", 0.3)
    got = lease.take(tmp_path)
    assert got is not None
    path = lease.holder(tmp_path)
    assert path is not None

    def beats(seconds: float, *, advancing: bool) -> bool:
        os.utime(path, (0, 0))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if advancing:
                got.advance()
            time.sleep(0.01)
        return path.stat().st_mtime > 0

    with got:
        assert beats(0.6, advancing=True)
        time.sleep(0.6)
        assert not beats(0.3, advancing=False)
        assert beats(0.3, advancing=True), "and beats again when the work goes on"


def test_training_says_that_it_advances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    monkeypatch.setattr(lease.Lease, "advance", lambda self: said.append(1))
    sweep = small_sweep()
    run(sweep, tmp_path)
    steps = -(-sum(sweep.cells[0].class_counts) // 32)
    assert len(said) >= 2 * (steps + 2), "steps of two epochs, test and validation of each"
