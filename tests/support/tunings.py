"""Searches for values on few small faces, through the command line."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.tuning.outcome import Outcome

QUICK = ("--protocol=smoke", "--factors=full", "--set=training.epochs=1", "--set=image.size=16")
LOCAL = ("--jobs=1", "--threads=1", "--device=cpu")
METHODS = "--methods=baseline,cb,bbn,tau_norm"


def fer_bench(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli, [str(text) for text in arguments])


def tune(faces: Path, results: Path, *more: str) -> Result:
    options = (f"--data-root={faces}", f"--results={results}", *QUICK, *LOCAL, *more)
    return fer_bench("tune", "--dataset=folder", *options)


def chosen(outcome: Outcome) -> dict[str, float]:
    assert outcome.chosen is not None
    return outcome.chosen.values


def refusal(*arguments: str | Path) -> str:
    done = fer_bench(*arguments)
    assert isinstance(done.exception, InputError), done.output
    return str(done.exception)
