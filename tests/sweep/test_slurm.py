"""What is handed to Slurm, with stand-ins for its commands."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from made_records import fill
from processes import QUICK, outcome
from sweeps import small_sweep

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.store.store import Store
from benchmark.sweep.share import Share
from benchmark.sweep.slurm_script import Script
from benchmark.sweep.stages import shares

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")

RUN = ("run", "--factors=50", "--executor=slurm", "--results=the runs", "--device=cpu")


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of stand-ins for Slurm's commands, beside an empty working directory."""
    folder = tmp_path / "commands"
    folder.mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def _put(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/bash\n{text}\n")
    (folder / name).chmod(0o755)


def _call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, [*RUN, *arguments])


def _script(**changes: object) -> str:
    given: dict[str, object] = {
        "command": ["fer-bench", "run", "--results=a b"],
        "option": "--cells",
        "folder": Path("/runs/a b%/slurm/1"),
        "here": Path("/home/me"),
        "tasks": 4,
        "at_once": 2,
        "threads": 3,
        "asked": {"partition": "low", "gres": "gpu:1", "time": None},
        "setup": ["module load cuda"],
        "extra": ["--qos=long"],
    }
    return Script(**{**given, **changes}).text()  # type: ignore[arg-type]


def test_the_script_says_what_was_asked_for() -> None:
    lines = _script().splitlines()
    assert lines[:18] == [
        "#!/bin/bash",
        "#SBATCH --job-name=fer-bench",
        "#SBATCH --array=0-3%2",
        "#SBATCH --ntasks=1",
        "#SBATCH --cpus-per-task=3",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        "#SBATCH --signal=B:USR1@120",
        "#SBATCH --chdir=/home/me",
        '#SBATCH --output="/runs/a b%%/slurm/1/%a.log"',
        "#SBATCH --partition=low",
        "#SBATCH --gres=gpu:1",
        "#SBATCH --qos=long",
        "",
        "module load cuda",
        "",
        *lines[16:18],
    ]
    step = "srun --ntasks=1 --cpus-per-task=3 fer-bench run '--results=a b' --cells "
    assert f"""    {step}'/runs/a b%/slurm/1'/"$SLURM_ARRAY_TASK_ID".json""" in lines
    assert "#SBATCH --array=0-3" in _script(at_once=None).splitlines()
    subprocess.run(["bash", "-n"], input=_script(), text=True, check=True)


@pytest.mark.parametrize(
    "changes",
    [{"asked": {"partition": 'a"b'}}, {"asked": {"mem": "1\n2"}}, {"asked": {"time": ""}},
     {"extra": ["--a\n--b"]}, {"extra": ["qos=long"]}, {"here": Path("/a\\b")}],
)  # fmt: skip
def test_what_cannot_stand_in_a_script_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="sbatch"):
        _script(**changes)


@pytest.mark.parametrize(
    ("step", "code", "again"),
    [
        ("exit 0", 0, False),
        ("exit 1", 1, False),
        ("exit 2", 2, False),
        ("exit 137", 137, False),  # memory: it would run out again
        ("exit 130", 130, True),  # preempted
        (
            "trap 'exit 130' TERM; kill -USR1 $(cat shell); sleep 9 &>/dev/null & wait",
            130,
            True,
        ),  # time limit
        (
            "trap 'exit 130' TERM; kill $(cat shell) $$; sleep 9 &>/dev/null & wait",
            130,
            False,
        ),  # cancelled
    ],
)
def test_a_task_is_queued_again_where_it_was_interrupted(
    commands: Path, step: str, code: int, again: bool
) -> None:
    _put(commands, "srun", f"echo $$ > step\n{step}")
    _put(commands, "scontrol", "echo scontrol $*")
    _put(commands, "scancel", '[ "$*" = "--signal=TERM 7.0" ] && kill "$(cat step)"')
    _put(commands, "job", _script(setup=["echo $$ > shell"]))
    done = subprocess.run(
        ["job"], text=True, capture_output=True,
        env={**os.environ, "SLURM_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "0"},
    )  # fmt: skip
    assert (done.returncode, "scontrol requeue 7" in done.stdout) == (code, again), done


def test_what_starts_from_a_cell_is_in_one_task_with_it() -> None:
    sweep = small_sweep(("baseline", "cb", "crt", "soft", "tau_norm"))
    divided = [[cell.method for cell in share] for share in shares(sweep.cells, sweep, 1)]
    assert divided == [["baseline", "crt", "tau_norm"], ["cb"], ["soft"]]
    divided = [[cell.method for cell in share] for share in shares(sweep.cells, sweep, 2)]
    assert divided == [["baseline", "crt", "tau_norm"], ["cb", "soft"]]
    rest = [cell for cell in sweep.cells if cell.method in ("crt", "tau_norm")]
    assert len(shares(rest, sweep, 1)) == 2, "the first stage is finished"


def test_a_submission_is_trained_by_its_tasks(commands: Path) -> None:
    """A stand-in runs the script's one task on the spot, from another folder."""
    tasks = """cd "$(sed -n 's/#SBATCH --chdir=//p' "$2")"
export SLURM_ARRAY_TASK_ID=0 SLURM_JOB_ID=7; bash "$2" > log 2>&1; echo "7;cluster" """
    _put(commands, "sbatch", tasks)
    _put(commands, "srun", 'exec "${@:3}"')
    done = _call("--methods=cb", "--threads=1", *QUICK)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "Submitted as Slurm job 7: 1 cell in 1 task; what they print goes to " in done.output
    assert len(outcome(Path("the runs"))) == 1, Path("log").read_text()
    assert "1 finished, 0 to train" in _call("--methods=cb", *QUICK).output
    share = json.loads(Path("the runs/slurm/1/0.json").read_text())
    assert (share["precision"], share["wait"]) == ("fp32", 135.0)


def test_what_waits_in_the_queue_is_not_submitted_again(commands: Path) -> None:
    def submitted(job: int, queue: str, methods: str) -> list[list[str]]:
        """Return the methods of each task, where Slurm says that of its queue."""
        _put(commands, "sbatch", f"echo {job}")
        _put(commands, "squeue", f'echo "$@" >> asked; {queue}')
        done = _call(f"--methods={methods}", *QUICK)
        assert done.exit_code == 0, (done.output, done.exception)
        told.append(done.output)
        tasks = sorted(Path(f"the runs/slurm/{job}").glob("*.json"))
        return [[slug.split("-")[0] for slug in Share.read(task).slugs] for task in tasks]

    told: list[str] = []
    assert submitted(1, "exit 1", "baseline,crt,cb") == [["baseline", "crt"], ["cb"]]
    assert submitted(2, "echo '1 0'; echo '1 1'", "baseline,crt,cb") == []
    assert "Not submitted again: 3 cells of which tasks wait or run in Slurm job 1;" in told[-1]
    assert "Submitted" not in told[-1]
    assert submitted(2, "echo '1 1'", "baseline,crt,cb,soft") == [["baseline", "crt"], ["soft"]]
    assert "Not submitted again: 1 cell" in told[-1]
    assert "Submitted as Slurm job 2: 3 cells in 2 tasks" in told[-1]
    assert submitted(3, "echo '2 0'", "cb,soft,crt") == [["cb"], ["soft"]]
    asked = Path("asked").read_text().splitlines()
    assert asked[-1] == "--noheader --array --format=%F %K --jobs=1,2"
    Path("the runs/slurm/1/1.json").unlink()
    assert submitted(4, "echo '1 1'", "cb") == [["cb"]], "nobody knows what that task has"
    assert submitted(5, "exit 1", "cb") == [["cb"]], "Slurm has forgotten all of them"


def test_a_dry_run_shows_the_script_and_leaves_nothing(commands: Path) -> None:
    done = _call("--methods=cb,soft", "--dry-run", "--slurm-time=2:00:00", "--jobs=1")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "#SBATCH --array=0-1%1\n" in done.output
    assert "#SBATCH --time=2:00:00\n" in done.output
    assert "cannot be known" in done.output
    assert not Path("the runs").exists()
    fill(Store(Path("the runs")), ("cb",), (50.0,), 1)
    done = _call("--methods=cb,soft", "--dry-run")
    assert "cannot be known" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--slurm-partition=none"], "Slurm takes no such job: invalid partition specified: none"),
        (["--slurm-cells=0"], "--slurm-cells 0: not a number of cells"),
        (["--slurm-extra=qos"], "--slurm-extra 'qos': not one option of sbatch"),
        (["--jobs-per-gpu=2"], "--jobs-per-gpu: a task of --executor slurm"),
        (["--precision=auto"], "precision auto depends on the device"),
    ],
)
def test_what_slurm_cannot_take_is_refused(commands: Path, arguments: list[str], said: str) -> None:
    _put(commands, "sbatch", "echo 'sbatch: error: invalid partition specified: none' >&2; exit 1")
    done = _call("--methods=cb", *arguments)
    assert isinstance(done.exception, InputError), (done.output, done.exception)
    assert said in str(done.exception)
    assert not [*Path().glob("the runs/slurm/*")], "nothing of it is left"


def test_an_option_that_sbatch_does_not_know_is_named(commands: Path) -> None:
    told = "sbatch: unrecognized option '--none'\nTry \\\"sbatch --help\\\" for more information"
    _put(commands, "sbatch", f'printf "{told}\\n" >&2; exit 1')
    done = _call("--methods=cb", "--slurm-extra=--none")
    assert isinstance(done.exception, InputError), (done.output, done.exception)
    assert str(done.exception).endswith("Slurm takes no such job: unrecognized option '--none'")


def test_a_machine_without_slurm_is_named(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(commands))
    assert "there is no sbatch on this machine" in str(_call("--methods=cb").exception)


def test_a_share_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "cells.json"
    for share in (Share("bf16", ("a", "b")), Share("fp32", ("a",), 3.5)):
        share.write(file)
        assert Share.read(file) == share
    assert math.isinf(Share("fp32", ()).wait)
    for text in ("", "[]", '{"cells": []}', '{"precision": "fp32", "cells": 3}'):
        file.write_text(text)
        with pytest.raises(InputError, match="cannot be read"):
            Share.read(file)
