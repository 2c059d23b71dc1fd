"""What a record says of where it was made, and what it keeps to itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark import environment


@pytest.mark.parametrize(
    ("argument", "kept"),
    [
        ("/home/ann/data/ferplus", "~/data/ferplus"),
        ("--results=/home/ann/runs", "--results=~/runs"),
        ("/home/ann", "~"),
        ("/home/anna/data", "/home/anna/data"),
        ("/data/home/ann", "/data/home/ann"),
        ("training.epochs=6", "training.epochs=6"),
    ],
)
def test_the_command_does_not_name_the_user(
    monkeypatch: pytest.MonkeyPatch, argument: str, kept: str
) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ann"))
    monkeypatch.setattr(sys, "argv", ["/home/ann/.venv/bin/fer-bench", "run", argument])
    assert environment.describe()["command"] == ["fer-bench", "run", kept]


def test_the_command_can_be_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of a sweep is handed a file that is gone when somebody reads the record."""
    handed = ["fer-bench", "run", "--seeds=0", "--cells", "/tmp/x/cells.json", "--jobs", "1"]
    monkeypatch.setattr(sys, "argv", handed)
    assert environment.describe()["command"] == ["fer-bench", "run", "--seeds=0", "--jobs", "1"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit of a method and a stored result."""
    for name in ("methods/baseline.py", "results/study/record.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("1")
    as_ann = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*as_ann, "commit", "-qm", "Begin"]):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "dirty"),
    [
        (None, False),
        ("results/study/cells.json", False),
        ("results/study/record.json", False),
        ("methods/baseline.py", True),
        ("methods/mine.py", True),
        ("constraints.txt", True),
    ],
)
def test_finished_cells_are_no_change_to_the_code(
    checkout: Path, changed: str | None, dirty: bool
) -> None:
    if changed is not None:
        (checkout / changed).write_text("2")
    found = environment.revision(checkout)
    assert found["dirty"] is dirty
    assert len(found["revision"]) == 40


def test_an_installed_package_has_no_revision(tmp_path: Path) -> None:
    assert environment.revision(tmp_path) == {}
