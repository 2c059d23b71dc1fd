"""Whatever a folder of files offers is a file: one more of each beside the others."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anew import commands_anew
from click.testing import CliRunner
from made_records import fill

from benchmark.cli import cli
from benchmark.data.known import dataset_title
from benchmark.datasets import datasets
from benchmark.errors import InputError
from benchmark.report.figures import figures
from benchmark.report.forms import forms
from benchmark.report.tables import details
from benchmark.selection import rules
from benchmark.store.store import Store
from benchmark.sweep.executors import executors

FORM = """
ENDINGS = (".titles",)
HELP = "titles alone"

def write(tables, place):
    return "".join(f"{table.title}\\n" for table in tables)
"""
RULE = """
HELP = "the first"
NOTE = "first epoch"

def choose(history):
    return 0
"""
TABLE = """
from benchmark.report.rows import table_of
from benchmark.report.scope import labels_for, name_of, scopes
from benchmark.report.sheet import Number, Row

HELP = "how many runs"

def build(measured, *, number, mixed):
    def rows(scope, entry):
        runs = Number(str(len(entry.runs)))
        return [Row(labels_for(scope, entry), (runs,), name_of(scope, entry))]

    found = scopes(measured, number=number, mixed=mixed)
    return [table_of(s, measured, "runs", ["runs"], rows, ()) for s in found]
"""
METRIC = """
TITLE = "Half"
NOTE = "Half: one half, whatever was measured."

def values(runs):
    return [0.5 for run in runs]
"""
FIGURE = """
from benchmark.report.drawing import page

HELP = "an empty page"

def draw(drawn):
    return page.blank(3, 2)
"""
EXECUTOR = """
HELP = "somebody else, later"

def run(order):
    order.say(f"{len(order.cells)} cells handed over; again: {order.command[0]}")
    return False
"""
DATASET = """
from benchmark.data.synthetic import find

TITLE = "My faces"
"""
FOLDERS = {
    "benchmark.report.forms": ("titles", FORM),
    "benchmark.selection": ("earliest", RULE),
    "benchmark.report.tables": ("how_many", TABLE),
    "benchmark.report.metrics": ("half", METRIC),
    "benchmark.report.figures": ("empty", FIGURE),
    "benchmark.sweep.executors": ("elsewhere", EXECUTOR),
    "benchmark.datasets": ("my_faces", DATASET),
}


@pytest.fixture
def one_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more file in each folder, and commands that are read anew."""
    for package, (name, text) in FOLDERS.items():
        folder = tmp_path / package
        folder.mkdir()
        (folder / f"{name}.py").write_text(text)
        paths = [*importlib.import_module(package).__path__, str(folder)]
        monkeypatch.setattr(importlib.import_module(package), "__path__", paths)
    with commands_anew(_forget):
        yield


def _forget() -> None:
    for listed in (forms, rules, details, figures, executors, datasets):
        listed.cache_clear()
    for package, (name, _) in FOLDERS.items():
        sys.modules.pop(f"{package}.{name}", None)


@pytest.mark.usefixtures("one_more")
def test_one_more_of_each_is_one_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    fill(store, ("cb", "mek"), (150.0,), 1)

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(cli, [*arguments, "--results", str(store.root)])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    assert call("report", "--format", "titles").startswith("FERPlus, protocol compact: recall")
    assert "first epoch" in call("report", "--select", "earliest", "--format", "markdown")
    assert "| CB | 150 | 1 |" in call("report", "--detail", "how_many", "--format", "markdown")
    summary = call("report", "--detail", "summary", "--format", "markdown")
    assert "| Half |" in summary
    assert "Half: one half, whatever was measured." in summary
    call("figure", "empty", "--out", str(tmp_path / "empty.svg"))
    assert (tmp_path / "empty.svg").read_bytes().startswith(b"<?xml")
    told = CliRunner().invoke(cli, ["report", "--help"]).output
    assert "titles alone" in " ".join(told.split())
    assert "how many runs" in " ".join(told.split())
    assert dataset_title("my-faces") == "My faces"
    listed = CliRunner().invoke(cli, ["data", "counts", "--dataset", "my-faces"])
    assert listed.exit_code == 0, (listed.output, listed.exception)
    assert "happiness" in listed.output
    handed = call("run", "--methods=cb", "--factors=50,100", "--executor=elsewhere")
    assert "2 cells handed over; again: run" in handed
    assert "trained" not in handed  # nothing is said of what this process does not wait for
    told = CliRunner().invoke(cli, ["run", "--help"]).output
    assert "elsewhere: somebody else, later" in " ".join(told.split())
    assert "an empty page" in CliRunner().invoke(cli, ["figure", "--help"]).output


def test_what_folders_offer_is_listed_without_being_imported() -> None:
    code = (
        "import sys\n"
        "from benchmark.report.figures import figures\n"
        "from benchmark.report.forms import forms\n"
        "from benchmark.report.metrics import metrics\n"
        "from benchmark.report.tables import details\n"
        "from benchmark.selection import rules\n"
        "from benchmark.sweep.executors import executors\n"
        "from benchmark.datasets import datasets\n"
        "assert list(rules())[0] == 'last'\n"
        "listed = figures(), forms(), metrics(), details(), executors(), datasets()\n"
        "assert all(map(len, listed))\n"
        "heavy = {'jinja2', 'rich', 'pandas', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


HELP = 'HELP = "x"\n'
FIND = "def find(root):\n    "


@pytest.mark.parametrize(
    ("package", "content", "arguments", "said"),
    [
        ("benchmark.sweep.executors", b"def run(order): ...", "run --help", "declares no HELP"),
        ("benchmark.sweep.executors", b"HELP = (", "run --help", "cannot be read as Python"),
        ("benchmark.sweep.executors", HELP, "run --executor mine", "has no function run"),
        (
            "benchmark.sweep.executors",
            HELP + "import nix",
            "run --executor mine",
            "No module named",
        ),
        ("benchmark.datasets", 'PLACE = "a"', "run --help", "PLACE = 'a' is not a whole number"),
        ("benchmark.datasets", b"# \xff", "data counts", "cannot be read as Python"),
        ("benchmark.datasets", "", "data counts --dataset mine", "has no function find"),
        ("benchmark.datasets", FIND + "return (", "data counts --dataset mine", "SyntaxError"),
        ("benchmark.datasets", FIND + "return 3", "data counts --dataset mine", "not a Source"),
        ("benchmark.report.forms", HELP, "status", "declares no ENDINGS"),
    ],
)
def test_a_file_that_offers_nothing_of_use_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    content: str | bytes,
    arguments: str,
    said: str,
) -> None:
    file = tmp_path / "mine.py"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    folder = importlib.import_module(package)
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    quick = ["--methods=cb", "--factors=50", f"--results={tmp_path / 'runs'}"]
    more = quick if "--executor" in arguments else []
    with commands_anew(_forget):
        sys.modules.pop(f"{package}.mine", None)
        done = CliRunner().invoke(cli, [*arguments.split(), *more])
        sys.modules.pop(f"{package}.mine", None)
        monkeypatch.undo()
    assert isinstance(done.exception, InputError), (done.output, done.exception)
    assert said in str(done.exception)
    assert "mine" in str(done.exception)


def test_commands_that_were_imported_anew_are_gone_afterwards() -> None:
    before = importlib.import_module("benchmark.commands.check")
    with commands_anew(_forget):
        assert importlib.import_module("benchmark.commands.check") is not before
    package = importlib.import_module("benchmark.commands")
    assert package is importlib.import_module("benchmark").commands
    assert package.check is importlib.import_module("benchmark.commands.check") is before
