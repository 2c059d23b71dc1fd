"""What executors share: options of their own, work elsewhere, cells that others hold."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from anew import commands_anew
from click.testing import CliRunner, Result
from made_records import fill, made_record
from sweeps import CPU, Silent, small_sweep

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.store.record import Record
from benchmark.store.store import Store
from benchmark.sweep.estimate import (
    cost_elsewhere,
    cost_here,
    seconds_by_hardware,
    telling_records,
)
from benchmark.sweep.executors import executors, own_options
from benchmark.sweep.work import run_sweep

FARM = """
HELP = "a farm"
ELSEWHERE = True
OPTIONS = {"gate": {"metavar": "NAME", "help": "Which gate."}}

def show(order):
    order.say(f"would go through {order.options['gate']}")

def run(order):
    import pickle
    from pathlib import Path
    Path("order.pkl").write_bytes(pickle.dumps(order.replan))
    order.say(f"{order.options['gate']}, {order.cells[0].precision}")
    return False
"""
RUN = ("run", "--methods=cb", "--factors=50")


@pytest.mark.parametrize(
    "asked", [["--executor=slurm", "--slurm-cells=0"], ["--executor=ray", "--ray-storage=nfs"]]
)
def test_an_executor_refuses_before_any_data_is_looked_for(
    tmp_path: Path, asked: list[str]
) -> None:
    nowhere = ["--dataset=ferplus", f"--data-root={tmp_path / 'nowhere'}"]
    result = CliRunner().invoke(cli, [*RUN, *nowhere, *asked])
    name, _, value = asked[1].partition("=")
    assert isinstance(result.exception, InputError), result.output
    assert str(result.exception).startswith(f"{name} {value}: ")


def _forget() -> None:
    executors.cache_clear()
    own_options.cache_clear()
    sys.modules.pop("benchmark.sweep.executors.farm", None)


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with one more executor, which works elsewhere, and commands that are read anew."""
    package = importlib.import_module("benchmark.sweep.executors")
    (tmp_path / "farm").mkdir()
    file = tmp_path / "farm" / "farm.py"
    file.write_text(FARM)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(file.parent)])
    monkeypatch.chdir(tmp_path)
    with commands_anew(_forget):
        yield file
        monkeypatch.undo()


def _call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, [*RUN, "--results=runs", *arguments])


def test_an_executor_has_options_of_its_own(farm: Path) -> None:
    told = CliRunner().invoke(cli, ["run", "--help"]).output
    assert "--farm-gate NAME" in told
    done = _call("--executor=farm", "--farm-gate=north", "--device=cuda", "--precision=fp16")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "north, fp16" in done.output  # neither device nor precision was looked for here
    shown = _call("--executor=farm", "--farm-gate=south", "--dry-run", "--device=cuda")
    assert shown.output.endswith("would go through south\n")


def test_cells_are_planned_again_from_any_folder(
    farm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (resources.files("benchmark.protocols") / "smoke.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    done = _call("--executor=farm", "--protocol=mine.toml", "--precision=bf16")
    assert done.exit_code == 0, (done.output, done.exception)
    replan = pickle.loads((tmp_path / "order.pkl").read_bytes())
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    sweep = replan()
    assert [(cell.method, cell.precision) for cell in sweep.cells] == [("cb", "bf16")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--farm-gate=north"], "--farm-gate means nothing to --executor local"),
        (["--executor=farm", "--precision=auto"], "precision auto depends on the device"),
    ],
)
def test_what_an_executor_cannot_take_is_refused(
    farm: Path, arguments: list[str], said: str
) -> None:
    done = _call(*arguments)
    assert isinstance(done.exception, InputError), done.output
    assert said in str(done.exception)
    assert not (farm.parent.parent / "runs").exists()


@pytest.mark.parametrize("options", ["3", "{'gate': 3}", "{'gate': {'colour': 1}}"])
def test_options_in_another_form_are_named(farm: Path, options: str) -> None:
    farm.write_text(f'HELP = "x"\nOPTIONS = {options}\n')
    _forget()
    done = CliRunner().invoke(cli, ["run", "--help"])
    assert isinstance(done.exception, InputError)
    assert "farm.py: OPTIONS is not, by name, what click takes" in str(done.exception)


def _record_on(**machine: object) -> Record:
    record, _ = made_record("cb", 50.0)
    return record.model_copy(update={"provenance": {**record.provenance, **machine}})


def test_hours_are_given_for_each_hardware_that_records_name(tmp_path: Path) -> None:
    fast = _record_on(device="cuda", gpu="Fast")
    slow = _record_on(device="cpu", cpu="Slow")
    slow = slow.model_copy(update={"seconds": {k: 10 * v for k, v in slow.seconds.items()}})
    other = made_record("mek", 50.0)[0].cell
    hours = seconds_by_hardware([other], [fast, slow])
    assert list(hours) == ["Fast", "Slow"]
    assert hours["Slow"] == [pytest.approx(10 * hours["Fast"][0])]
    none = cost_elsewhere([other], telling_records(Store(tmp_path / "none")))
    assert none[0].endswith("tells how long they take. What it costs elsewhere cannot be known.")
    fill(Store(tmp_path), ("cb",), (50.0,), 1)
    records = telling_records(Store(tmp_path))
    told = cost_elsewhere([other], records)
    assert told[0].startswith("On ")
    assert "for one job after the other" in told[0]
    assert told[-1].endswith("cannot be known.")
    name = told[0][3:].partition(":")[0]
    _, caveat = cost_here({other.slug: 60.0}, [other], records, "cpu")
    assert f" {name};" in caveat


def test_a_cell_that_another_process_holds_is_not_waited_for(tmp_path: Path) -> None:
    sweep, store = small_sweep(("baseline", "cb")), Store(tmp_path)
    store.prepare()
    held, free = sweep.cells
    lease = store.begun.take(held)
    assert lease is not None
    with lease:
        tally = run_sweep(sweep, sweep.cells, store, CPU, Silent(), wait=False)
    assert (tally.trained, tally.held) == ([free.slug], [held.slug])
    assert store.missing(sweep.cells) == [held]
