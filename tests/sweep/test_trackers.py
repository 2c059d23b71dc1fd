"""Trackers hear of training, and never stand in its way."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.stats.accuracy import mean_accuracy
from benchmark.store.store import Store
from benchmark.sweep.heard import Heard
from benchmark.sweep.work import SweepListener

RUN = (
    "run",
    "--methods=baseline",
    "--factors=50",
    "--set=image.size=16",
    "--set=training.epochs=2",
)


def run(results: Path, *more: str) -> Result:
    options = (*RUN, f"--results={results}", "--jobs=1", "--threads=1", *more)
    return CliRunner().invoke(cli, options)


def test_the_curves_of_a_record_are_in_the_event_file(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    done = run(tmp_path, "--log=tensorboard")
    assert done.exit_code == 0, done.output
    (record,) = Store(tmp_path).records()
    events = EventAccumulator(str(tmp_path / "logs" / "tensorboard" / record.cell.slug)).Reload()
    read = [(one.step, one.value) for one in events.Scalars("test/mean")]
    expected = [(e.epoch, 100 * mean_accuracy(e.test)) for e in record.history]
    assert [step for step, _ in read] == [step for step, _ in expected]
    assert [v for _, v in read] == pytest.approx([v for _, v in expected], rel=1e-5)
    assert {"step/loss", "validation/overall", "test/overall"} <= set(events.Tags()["scalars"])


def test_an_unknown_tracker_is_refused_before_training(tmp_path: Path) -> None:
    done = run(tmp_path, "--log=tensorbord")
    assert isinstance(done.exception, InputError)
    assert "did you mean 'tensorboard'" in str(done.exception)
    assert not list(tmp_path.glob("cells/*"))


def test_a_tracker_that_cannot_be_made_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.trackers._foreign", lambda name: object)
    done = run(tmp_path, "--log=theirs")
    assert isinstance(done.exception, InputError)
    assert "--log theirs: cannot be used (TypeError: " in str(done.exception)
    assert not list(tmp_path.glob("cells/*"))


class Notes:
    """Keeps the names of what it hears, and fails where it is told to."""

    def __init__(self, fails: bool = False) -> None:
        self.heard: list[str] = []
        self.fails = fails

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)

        def hear(*_: object) -> None:
            self.heard.append(name)
            if self.fails:
                raise OSError("no room")

        return hear


def test_a_tracker_that_fails_is_named_once_and_the_others_go_on() -> None:
    person, bad, good = Notes(), Notes(fails=True), Notes()
    said: list[str] = []
    trackers: list[tuple[str, SweepListener]] = [("bad", bad), ("good", good)]  # type: ignore[list-item]
    with Heard(person, trackers, said.append) as heard:  # type: ignore[arg-type]
        heard.waiting(3)
        heard.waiting(2)
    assert person.heard == good.heard == ["waiting", "waiting"]
    assert bad.heard == ["waiting"]
    assert said == ["--log bad failed and is told no more: OSError: no room"]
