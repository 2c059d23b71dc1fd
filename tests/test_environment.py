"""What a record says of where it was made, and what it keeps to itself."""

from __future__ import annotations

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
