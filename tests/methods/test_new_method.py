"""``fer-bench methods new``: what it writes works as it stands, and nothing is written over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from processes import QUICK, fer_bench

from benchmark.cli import cli
from benchmark.errors import InputError
from methods import registry
from methods.contract import CHECKS, failure


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def new(name: str) -> Result:
    return CliRunner().invoke(cli, ["methods", "new", name])


def test_what_is_written_keeps_the_contract(empty: Path) -> None:
    done = new("fresh_loss_2")
    assert done.exit_code == 0, done.output
    assert "fer-bench methods check fresh_loss_2:FreshLoss2" in done.stdout
    assert sorted(os.listdir(empty)) == ["fresh_loss_2.py", "test_fresh_loss_2.py"]
    method = registry.get("fresh_loss_2:FreshLoss2")
    assert (method.info.name, method.info.title) == ("fresh_loss_2", "Fresh Loss 2")
    assert [failure(check, method) for check in CHECKS] == [None] * len(CHECKS)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Mine", "is no name for a method"),
        ("../mine", "is no name for a method"),
        ("lambda", "is no name for a method"),
        ("mek", "there is a method 'mek' already"),
        ("ours", "there is a method 'ours' already"),
        ("longtail", "there is a method 'longtail' already"),
        ("statistics", "Python has a module 'statistics' already"),
        ("taken", r"taken\.py is here already and is not written over"),
        ("tested", r"test_tested\.py is here already and is not written over"),
    ],
)
def test_names_that_do_not_do(name: str, told: str, empty: Path) -> None:
    for file in ("taken.py", "test_tested.py"):
        (empty / file).write_text("mine")
    with pytest.raises(InputError, match=told):
        raise new(name).exception or AssertionError("written")
    assert {file.read_text() for file in empty.iterdir()} == {"mine"}
    assert len(os.listdir(empty)) == 2


@pytest.mark.exhaustive
def test_its_own_test_passes_and_it_trains_from_an_empty_folder(tmp_path: Path) -> None:
    package = tmp_path / "mypackage"
    package.mkdir()
    code, text = fer_bench(package, "methods", "new", "fresh")
    assert code == 0, text
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=package, capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert f"{len(CHECKS) + 1} passed" in done.stdout, done.stdout
    code, text = fer_bench(
        tmp_path, "run", "--methods", "mypackage.fresh:Fresh", "--factors", "50", *QUICK,
        "--set", "training.epochs=1", "--jobs", "1",
    )  # fmt: skip
    assert code == 0, text
    assert "1 trained, 0 failed" in text
