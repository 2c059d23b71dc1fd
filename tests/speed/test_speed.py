"""Measuring: ratios of neighbours, honest windows, parts that run, a record that is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from standin import standin
from sweeps import small_faces
from torch import nn

from benchmark.cli import COMMANDS, cli
from benchmark.data.cache import IMAGES, read_entry
from benchmark.errors import InputError
from benchmark.speed import PARTS, augment, gpu, memory, methods, peak, plain_loop, reference, train
from benchmark.speed import sweep as sweep_part
from benchmark.speed.findings import Finding, Findings, finding, spread
from benchmark.speed.made import fill
from benchmark.speed.operations import forward_operations, step_operations
from benchmark.speed.setting import Setting
from benchmark.speed.steps import Steps
from benchmark.speed.timing import Window, interleaved, work_until
from benchmark.speed.worker import Tasks, Worker, side_by_side
from benchmark.store.record import Record
from benchmark.store.record_file import parse_record
from benchmark.store.store import Store

TINY = ("backbone.name=test_resnet", "image.size=32", "training.batch_size=4")


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting("synthetic", cache_dir=tmp_path / "cache", seconds=0.05, overrides=TINY)


class FakeClock:
    """A clock that moves only when work is done, at a speed that drifts."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, seconds: float) -> Callable[[], float]:
        def task() -> float:
            self.done.append(name)
            self.now += seconds * (1 + self.now / 1000)  # ever slower
            return 10.0

        return task


def test_neighbours_tell_the_ratio_though_the_machine_slows_down() -> None:
    clock = FakeClock()
    others = {"double": clock.work("d", 2.0), "half": clock.work("h", 0.5)}
    laps = interleaved(clock.work("b", 1.0), others, 1000, clock=clock)
    assert "".join(clock.done).startswith("bdh" + "bdbhbdbhb")
    assert laps.base[-1] > 1.8 * laps.base[0], "the clock does drift"
    assert laps.ratios("double") == pytest.approx([2.0] * len(laps.ratios("double")), rel=1e-3)
    assert laps.ratios("half") == pytest.approx([0.5] * len(laps.ratios("half")), rel=1e-3)


def test_a_few_rounds_are_done_however_long_they_take() -> None:
    clock = FakeClock()
    laps = interleaved(clock.work("b", 5.0), {"x": clock.work("x", 5.0)}, 0.1, clock=clock, least=4)
    assert len(laps.own["x"]) == 4
    assert len(laps.base) == 5


def test_a_window_counts_what_ended_within_it() -> None:
    clock = FakeClock()
    found = work_until(clock.work("w", 0.3), 0.0, 1.0, clock=clock)
    assert clock.done == ["w"] * 4, "the last piece crosses the end and is not counted"
    assert found.amount == 30
    assert found.seconds == pytest.approx(0.9, rel=1e-2)
    clock = FakeClock()
    found = work_until(clock.work("w", 5.0), 0.0, 1.0, clock=clock)
    assert found == Window(10.0, 5.0)
    assert found.rate == 2
    late = work_until(clock.work("w", 1.0), 0.0, 1.0, clock=clock)
    assert late.amount == 10, "told too late, it still does one piece"


def test_spreads_and_goals() -> None:
    assert spread([1, 2, 3, 4, 5]) == spread([5, 3, 1, 2, 4])
    found = spread([1, 2, 3, 4, 5], at_least=False)
    assert (found.low, found.median, found.high, found.best, found.pieces) == (2, 3, 4, 1, 5)
    assert finding("a", "x", [3, 4, 5], 4).met is True
    assert finding("a", "x", [3, 4, 5], 4.1).met is False
    assert finding("a", "s", [3, 4, 5], 4.1, at_least=False).met is True
    assert finding("a", "s", [3]).met is None


def test_operations_are_those_of_the_formula() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1, stride=2, groups=4),
        nn.Flatten(), nn.Linear(4 * 5 * 5, 7),
    )  # fmt: skip
    by_hand = 2 * (10 * 10 * 8 * 3 * 9 + 5 * 5 * 4 * 2 + 7 * 4 * 5 * 5)
    assert forward_operations(network, torch.zeros(1, 3, 10, 10)) == by_hand
    assert forward_operations(network, torch.zeros(2, 3, 10, 10)) == 2 * by_hand


def build_tasks(answer: float) -> Tasks:
    if answer < 0:
        raise InputError("below zero")
    return {"answer": lambda: answer, "threads": lambda: float(torch.get_num_threads())}


@pytest.mark.exhaustive
def test_a_worker_does_what_it_is_told() -> None:
    with Worker(build_tasks, 4.0) as one, Worker(build_tasks, 5.0) as other:
        one.ready()
        other.ready()
        assert one.once("answer", 1).amount == 4
        assert one.once("threads", 1).amount == 1
        assert one.once("threads", 2).amount == 2
        windows = side_by_side([one, other], "answer", threads=1, seconds=0.05)
        assert all(window.amount > 100 for window in windows)
        assert sum(w.rate for w in windows) == train.together(windows)
        with pytest.raises(InputError, match="exit code 1"):
            other.once("unknown", 1)
    with Worker(build_tasks, -1.0) as wrong, pytest.raises(InputError, match="below zero"):
        wrong.ready()


def test_the_peak_is_measured_and_the_threads_are_left_as_they_were(setting: Setting) -> None:
    before = torch.get_num_threads()
    found = peak.measure(setting)
    assert torch.get_num_threads() == before
    assert all(row.value.median > 0 for row in found.rows)


def rows(findings: Findings) -> dict[str, Finding]:
    return {row.what: row for row in findings.rows}


@pytest.mark.exhaustive
def test_methods_are_held_against_the_baseline(setting: Setting) -> None:
    found = rows(methods.measure(setting))
    assert len(found) == len(methods.trained()) > 8
    assert not any(name.startswith("tau_norm") for name in found)
    assert found["mek: a step against the baseline's"].goal == 1.9
    assert found["eac: a step against the baseline's"].value.median > 1


@pytest.mark.exhaustive
def test_training_is_measured_three_ways(setting: Setting) -> None:
    found = train.measure(setting)
    names = [row.what for row in found.rows if row.what.endswith(": images")]
    assert len(names) == 3
    assert [row.goal for row in found.rows if row.goal] == [train.GOAL]
    assert found.remarks[0].startswith("fastest: ")


@pytest.mark.exhaustive
def test_ours_is_held_against_the_usual_loop(setting: Setting) -> None:
    found = rows(reference.measure(setting))
    assert found["ours against the usual loop"].value.pieces >= 3
    assert found["usual loop: images"].value.median > 0


def test_the_usual_loop_reads_the_same_images(setting: Setting, tmp_path: Path) -> None:
    dataset = reference.some_images(setting)
    files = plain_loop.Files(reference.write_files(dataset, tmp_path), dataset.labels.tolist(), 100)
    files.transform = plain_loop.transforms.ToTensor()  # type: ignore[assignment]
    image, mirrored, label = files[3]
    expected = torch.from_numpy(dataset.images[3]).float() / 255
    torch.testing.assert_close(image, expected.expand(3, -1, -1))
    torch.testing.assert_close(mirrored, image.flip(-1))
    assert label == dataset.labels[3]


def test_both_augmentations_give_what_a_network_takes() -> None:
    one, ours = augment.one_by_one(48, 56)(), augment.as_a_batch(48, 56)()
    assert one.shape == ours.shape == (64, 3, 56, 56)
    # Both mirror and erase at random, so only their distributions are alike.
    assert float(one.mean()) == pytest.approx(float(ours.mean()), abs=0.1)
    assert float(one.std()) == pytest.approx(float(ours.std()), abs=0.1)


def test_made_records_are_those_of_their_cells(tmp_path: Path) -> None:
    sweep = sweep_part._sweep(tmp_path / "cache", 16)
    store = Store(tmp_path / "store")
    fill(store, sweep, sweep.cells)
    records = store.records()
    assert {record.id for record in records} == {cell.id for cell in sweep.cells}
    assert store.missing(sweep.cells) == []
    text = (store.cells / sweep.cells[9].slug / "record.json").read_bytes()
    record = parse_record(text)
    assert isinstance(record, Record)
    assert record.cell == sweep.cells[9]


@pytest.mark.exhaustive
def test_commands_are_timed(setting: Setting) -> None:
    found = rows(sweep_part.measure(setting, finished=8, records=16))
    (status,) = [row for name, row in found.items() if name.startswith("status over")]
    assert status.value.median < sweep_part.GOAL_STATUS


def test_an_empty_entry_opens_as_any_other(tmp_path: Path) -> None:
    entry = tmp_path / "entry"
    memory.write_empty_entry(entry, 5000)
    dataset = read_entry(entry, "speed")
    assert dataset is not None
    assert dataset.images.shape == (5000, 224, 224)
    assert not dataset.images[[0, 4999]].any()
    assert len(dataset.sources) == 5000
    file = (entry / IMAGES).stat()
    assert file.st_size > 5000 * 224 * 224
    assert file.st_blocks * 512 < file.st_size / 10


@pytest.mark.exhaustive
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_is_measured(setting: Setting) -> None:
    held = np.ones(1 << 22)
    assert memory.status_bytes("VmHWM") >= memory.status_bytes("RssAnon") > held.nbytes
    found = memory.measure(setting, small=300, large=600)
    assert rows(found)["compact: peak of a job, resident"].met is True


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
def test_without_a_gpu_its_part_is_skipped(setting: Setting) -> None:
    assert gpu.measure(setting) == Findings([], ["skipped: no CUDA device here"])


@pytest.mark.parametrize(
    ("message", "waits"), [("called a synchronizing CUDA operation", True), ("no kernel", False)]
)
def test_only_waiting_is_taken_for_waiting(
    message: str, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[object] = []
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def step() -> None:
        raise RuntimeError(message)

    if waits:
        assert gpu.waits_for_gpu(step) == message
    else:
        with pytest.raises(RuntimeError, match=message):
            gpu.waits_for_gpu(step)
    assert gpu.waits_for_gpu(lambda: None) is None
    assert modes == ["error", 0, "error", 0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
def test_a_gpu_that_is_asked_for_and_not_there_is_refused_before_all_else(tmp_path: Path) -> None:
    out = tmp_path / "speed.json"
    asked = ["speed", "peak", "gpu", "--dataset", "synthetic", "--out", str(out)]
    done = CliRunner().invoke(cli, asked)
    assert isinstance(done.exception, InputError)
    assert str(done.exception) == "speed gpu: no CUDA device here; leave it out"
    assert "measuring" not in done.stderr
    assert not out.exists()


def on_a_gpu(setting: Setting) -> None:
    found = gpu.measure(setting)
    names = [row.what for row in found.rows]
    for protocol in gpu.PROTOCOLS:
        for name in gpu.trained():
            for value in ("images (", "share of the peak", "peak memory"):
                assert sum(n.startswith(f"{protocol}, {name}: {value}") for n in names) == 1
            assert f"{protocol}, {name}: no step waits for the GPU" in found.remarks
    assert all(row.value.median >= 0 for row in found.rows)
    assert any(name.startswith("bf16 product of") for name in names)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_every_method_is_measured(setting: Setting) -> None:
    on_a_gpu(setting)


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_the_gpu_part_runs_on_a_stand_in(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Setting, "load", lambda self: small_faces())
    monkeypatch.setattr(gpu, "_STEPS", 1)
    monkeypatch.setattr(gpu, "_ROUNDS", 2)
    monkeypatch.setattr(gpu, "_WARM_UP", 1)
    monkeypatch.setattr(gpu, "_SIDE", 8)
    monkeypatch.setattr(gpu, "trained", lambda: ["mek"])
    monkeypatch.setattr(gpu, "_cells_together", lambda *_: [])  # its processes know no stand-in
    with standin() as seen:
        on_a_gpu(setting)
    assert all(place != "elsewhere" for _, place in seen.waits)


def test_operations_of_a_step_are_counted_forward_and_backward(setting: Setting) -> None:
    steps = Steps("baseline", small_faces(), setting.protocol("compact"))
    counted = gpu.step_gflop(steps)
    whole = len(steps.orders[0]) * step_operations(setting.protocol("compact")) / 1e9
    # All three passes but for the gradient of the images and what grey ones spare.
    assert 0.7 * whole < counted < whole * 1.01


def test_the_command_prints_a_table_and_keeps_a_record(tmp_path: Path) -> None:
    out = tmp_path / "speed.json"
    arguments = ["speed", "peak", "augment", "--dataset", "synthetic", "--seconds", "0.1"]
    done = CliRunner().invoke(cli, [*arguments, "--out", str(out)])
    assert done.exit_code == 0, done.output
    record = json.loads(out.read_text())
    assert record["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert record["threads"] >= 1
    found = record["parts"]["peak"]["findings"]
    assert all(f["value"]["low"] <= f["value"]["median"] <= f["value"]["high"] for f in found)
    for row in found:
        assert row["what"] in done.output
    printed = CliRunner().invoke(cli, [*arguments, "--format", "json"])
    assert json.loads(printed.stdout)["parts"].keys() == {"peak", "augment"}


def test_wrong_parts_are_refused_and_help_is_quick() -> None:
    done = CliRunner().invoke(cli, ["speed", "everything"])
    assert done.exit_code == 2
    code = (
        "import sys; from benchmark.cli import cli; "
        "cli.main(['speed', '--help'], standalone_mode=False); "
        "assert not {'torch', 'numpy', 'pydantic'} & set(sys.modules)"
    )
    helped = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert helped.returncode == 0, helped.stderr
    assert all(part in helped.stdout for part in PARTS)
    assert "speed" in COMMANDS
