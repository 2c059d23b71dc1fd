"""The real command line, end to end, as a user calls it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dataset_makers import make_folders

from benchmark.errors import InputError
from benchmark.store.store import Store
from methods.contract import CHECKS

COMMAND = [sys.executable, "-m", "benchmark"]
QUICK = ["--set", "training.epochs=1", "--set", "image.size=16", "--device", "cpu", "--jobs", "1"]
ROOT = Path(__file__).resolve().parents[2]
CONTRIBUTING_EXAMPLE = (
    (ROOT / "CONTRIBUTING.md").read_text().split("```python\n")[1].split("```")[0]
)
Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    cache = tmp_path_factory.mktemp("cache")
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("FER_BENCH")},
        "FER_BENCH_CACHE": str(cache),
    }


@pytest.fixture
def cli(environment: dict[str, str], tmp_path: Path) -> Cli:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300,
        )  # fmt: skip

    return call


@pytest.fixture
def refused(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Call a command in this process, which has torch already, and return its one clear line."""
    from click.testing import CliRunner

    from benchmark.cli import cli as commands

    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("FER_BENCH_CACHE", environment["FER_BENCH_CACHE"])
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(commands, list(arguments))
        if isinstance(done.exception, InputError):  # which `main` prints, and exits with 2
            line = str(done.exception)
        else:
            assert done.exit_code == 2, done.output
            line = done.stderr.rpartition("Error: ")[2].strip()  # below click's lines of usage
        assert line
        assert "\n" not in line
        return done.stderr if done.exit_code == 2 else line

    return call


@pytest.fixture(scope="module")
def finished(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two methods at two factors."""
    root = tmp_path_factory.mktemp("finished")
    arguments = ["run", "--methods", "baseline,mek", "--factors", "50,full", *QUICK]
    done = subprocess.run(
        [*COMMAND, *arguments, "--results", str(root / "runs")],
        capture_output=True, text=True, env=environment, cwd=root, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "embedded synthetic faces" in done.stderr
    assert "4 trained, 0 failed." in done.stdout
    assert done.stdout.count("Looking for test images that stand in the training set") == 1
    assert len(list((root / "runs" / "datasets").glob("*.npz"))) == 1
    return root / "runs"


def test_help_needs_no_torch(cli: Cli) -> None:
    for arguments in (
        [],
        ["run"],
        ["report"],
        ["status"],
        ["data"],
        ["data", "counts"],
        ["methods"],
        ["figure"],
    ):
        done = cli(*arguments, "--help")
        assert done.returncode == 0
        assert "Usage: fer-bench" in done.stdout
    code = (
        "import sys; from benchmark.cli import cli\n"
        "for name in cli.list_commands(None): cli.get_command(None, name)\n"
        "heavy = {'torch', 'pandas', 'timm', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported at start-up: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_second_identical_run_trains_nothing(cli: Cli, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    done = cli(
        "run", "--methods", "baseline,mek", "--factors", "50,full", *QUICK,
        "--results", str(finished),
    )  # fmt: skip
    assert done.returncode == 0
    assert "4 finished, 0 to train" in done.stdout
    after = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize(
    ("format_name", "expected"),
    [
        ("markdown", "| MEK | full |"),
        ("latex", r"\toprule"),
        ("csv", "dataset,fingerprint,protocol"),
        ("json", '"method": "mek"'),
    ],
)
def test_report(cli: Cli, finished: Path, tmp_path: Path, format_name: str, expected: str) -> None:
    done = cli("report", "--results", str(finished), "--format", format_name)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
    ending = {"markdown": "md", "latex": "tex"}.get(format_name, format_name)
    out = tmp_path / "deep" / f"table.{ending}"
    written = cli("report", "--results", str(finished), "--format", format_name, "--out", str(out))
    assert written.returncode == 0
    assert out.read_text() == done.stdout


def test_report_says_what_the_numbers_are_worth(cli: Cli, finished: Path) -> None:
    done = cli("report", "--results", str(finished))
    assert "Synthetic faces, drawn by the program" in done.stdout
    assert "from scratch" in done.stdout
    assert "Changed from the protocol: image.size=16 training.epochs=1" in done.stdout
    assert "Reported: last epoch" in done.stdout
    oracle = cli("report", "--results", str(finished), "--select", "oracle")
    assert "†" in oracle.stdout
    assert "too optimistic" in oracle.stdout


def test_report_imports_no_torch(environment: dict[str, str], finished: Path) -> None:
    code = (
        "import sys; sys.argv = ['fer-bench', 'report', '--results', sys.argv[1]]\n"
        "from benchmark.cli import cli\n"
        "cli.main(standalone_mode=False)\n"
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(finished)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr


def test_status(cli: Cli, finished: Path) -> None:
    done = cli("status", "--results", str(finished))
    assert done.returncode == 0
    assert "4 finished, 0 running, 0 begun, 0 failed" in done.stdout


def test_methods(cli: Cli) -> None:
    listed = cli("methods", "list")
    assert all(name in listed.stdout for name in ("baseline", "soft", "mek"))
    shown = cli("methods", "show", "mek")
    assert "https://arxiv.org/abs/2310.19636" in shown.stdout
    assert "smoothing = 0.1" in shown.stdout
    assert "training.lr = 3.125e-05" in shown.stdout
    checked = cli("methods", "check", "methods.cb:CB")
    assert checked.returncode == 0, checked.stdout
    assert f"{len(CHECKS)} passed, 0 failed" in checked.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--methods", "mekk"], "unknown method 'mekk' (did you mean 'mek'?)"),
        (["run", "--methods", ","], "--methods is empty"),
        (["run", "--factors", "abc"], "--factors: 'abc'"),
        (["run", "--factors", "0.5"], "--factors: '0.5'"),
        (["run", "--factors", "2000"], "would leave a class without images"),
        (["run", "--seeds", "-1"], "--seeds: '-1'"),
        (["run", "--seeds", "1.5"], "--seeds: '1.5'"),
        (["run", "--seeds", "4-2"], "--seeds: '4-2' is no range"),
        (["run", "--seeds", "0-99999999"], "of 10000 at most"),
        (["status", "--seeds", ","], "--seeds is empty"),
        (["compare", "cb", "mek", "--factors", ","], "--factors is empty"),
        (["compare", "cb", "mek", "--factors", "x"], "--factors: 'x'"),
        (["figure", "recall", "--factors", "0"], "--factors: '0'"),
        (["figure", "recall", "--methods", ","], "--methods is empty"),
        (["data", "counts", "--factors", ","], "--factors is empty"),
        (["run", "--protocol", "papr"], "no protocol 'papr'"),
        (["run", "--set", "training.lr"], "write key=value"),
        (["run", "--device", "cuda:7"], "--device cuda:7"),
        (["run", "--data-root", "."], "is given without --dataset"),
        (["run", "--dataset", "ferplus"], "ferplus"),
        (["run", "--dataset", "ferplus", "--data-root", "/no/such"], "/no/such"),
        (["run", "--set", "backbone.name=resnet_18"], "unknown backbone 'resnet_18'"),
        (["run", "--set", "methods.mek.smooth=1"], "mek has no hyper-parameter 'smooth'"),
        (["run", "--set", "methods.mke.smoothing=1"], "unknown method: mke"),
        (["run", "--set", "methods.cb.beta=1"], "cb.beta: must be from"),
        (["run", "--results", "/proc/nope"], "choose another with --results"),
        (["report", "--results", "nothing"], "no results in nothing"),
        (["status", "--results", "nothing"], "no results in nothing"),
        (["results", "check", "--results", "nothing"], "no results in nothing"),
        (["run", "--dry-run", "--results", "/etc/passwd"], "/etc/passwd is not a folder"),
        (["run", "--dry-run", "--device", "cuda:7"], "--device cuda:7"),
        (["run", "--dry-run", "--protocol", "paper", "--weights", "/etc/passwd"], "/etc/passwd"),
        (["report", "--format", "word"], "'word' is not one of"),
        (["methods", "show", "zzz"], "unknown method 'zzz'"),
        (["frobnicate"], "No such command"),
    ],
)
def test_bad_input_is_one_clear_line(
    refused: Callable[..., str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    assert message in refused(*arguments)
    assert not [*tmp_path.iterdir()], "nothing is made of it"


def test_bad_input_leaves_no_traceback(cli: Cli) -> None:
    done = cli("run", "--methods", "mke")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("fer-bench: unknown method 'mke'")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_an_output_that_takes_nothing_is_one_clear_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "benchmark", "methods", "list"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "fer-bench: No space left on device\n"


def test_a_reader_that_goes_away_is_no_failed_check() -> None:
    """Exit code 1 of `status` says that a record is damaged."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "benchmark", "methods", "list"],
            stdout=gone, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.exhaustive
def test_a_method_of_the_working_directory_trains_beside_the_others(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(CONTRIBUTING_EXAMPLE)
    script = Path(sys.executable).parent / "fer-bench"

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(script), *arguments],
            capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300,
        )  # fmt: skip

    checked = call("methods", "check", "mine:Poly")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    done = call("run", "--methods", "cb,mine:Poly", "--factors", "50", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "| Poly | 50 |" in call("report").stdout


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.exhaustive)]
)
def test_an_interruption_keeps_finished_cells(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    arguments = ["run", "--methods", "baseline,cb,mek", "--factors", "50", "--seeds", "0,1,2,3"]
    with subprocess.Popen(
        [*COMMAND, *arguments, *QUICK, "--results", "runs"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("runs/cells/*/record.json")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "all finished work is kept" in errors
    assert "Traceback" not in errors
    kept = Store(tmp_path / "runs").records()
    assert 1 <= len(kept) < 12


LONG = "a" * 5000


@pytest.mark.parametrize(
    ("variable", "arguments"),
    [
        ("FER_BENCH_RESULTS", ["status"]),
        ("FER_BENCH_RESULTS", ["check"]),
        ("FER_BENCH_RESULTS", ["run", "--dry-run"]),
        ("FER_BENCH_DATA_ROOT", ["run", "--dry-run"]),
        ("FER_BENCH_CACHE", ["run", "--dry-run"]),
        ("FER_BENCH_CACHE", ["data", "counts"]),
        ("XDG_CACHE_HOME", ["data", "counts", "folder", "--data-root", "faces"]),
    ],
)
def test_a_path_that_no_system_takes_is_a_wrong_value(
    variable: str, arguments: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    make_folders(tmp_path / "faces")
    own = {k: v for k, v in environment.items() if variable != "XDG_CACHE_HOME" or "CACHE" not in k}
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=300,
        env={**own, variable: "/a" * 5000 if variable == "XDG_CACHE_HOME" else LONG},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "File name too long" in done.stderr
    assert len(done.stderr) < 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "backbone.name=../../etc/passwd"], "unknown backbone '../../etc/passwd'"),
        (["--set", "backbone.name=vit_tiny_patch16_224", "--methods", "bbn"], "bbn: "),
        (["--set", "backbone.name=dlib-face", "--set", "image.size=16"], "16"),
        (["--results", "/etc/passwd/runs"], "/etc/passwd is not a folder"),
    ],
)
def test_a_dry_run_refuses_what_the_run_would(
    refused: Callable[..., str], arguments: list[str], message: str
) -> None:
    refused("run", "--factors", "50", *arguments)
    assert message in refused("run", "--factors", "50", *arguments, "--dry-run")
