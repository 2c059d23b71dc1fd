"""Methods of somebody else's: whatever their code does, it is one line or one failed cell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import QUICK, fer_bench, finish, start
from sweeps import Silent, run, small_sweep

from benchmark.errors import InputError
from benchmark.sweep.buildable import check_buildable
from methods import registry
from methods.baseline import Baseline
from methods.contract import failure

AT_IMPORT = {
    "leaves": ("import sys; sys.exit(0)", "SystemExit: 0"),
    "base": ("class Odd(BaseException): pass\nraise Odd('x' * 10**6)", "Odd: xxx"),
    "pressed": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "mute": ("class E(Exception):\n def __str__(self): raise E\nraise E", "cannot be read"),
    "garbage": ("\0" * 10_000, "null bytes"),
    "deep": ("(" * 100_000, "too many nested parentheses"),
    "lines": ("raise ValueError('a\\nb\\x1b[31m')", r"a\nb\x1b[31m"),
    "nameless": ("from methods.base import Method\nclass X(Method): pass", "has no info"),
}


@pytest.mark.parametrize("name", AT_IMPORT)
def test_what_a_module_does_at_import_is_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, expected = AT_IMPORT[name]
    (tmp_path / f"foreign_{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as caught:
        registry.get(f"foreign_{name}:X")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_module_that_leaves_ends_in_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)")
    code, text = fer_bench(tmp_path, "run", "--methods", "leaves:X")
    assert code == 2
    assert "fer-bench: method 'leaves:X': cannot import leaves:X (SystemExit: 0)" in text
    assert "Traceback" not in text


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to another process")
def test_ctrl_c_during_an_import_is_an_interruption(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("print('importing', flush=True)\nwhile True: pass")
    process = start(tmp_path, "run", "--methods", "slow:X")
    assert process.stdout is not None
    while process.stdout.readline() != "importing\n":
        pass
    process.send_signal(signal.SIGINT)
    code, text = finish(process, 60)
    assert (code, text.strip()) == (130, "fer-bench: interrupted; all finished work is kept")


class Leaving(Baseline):
    def loss(self, batch, progress):  # type: ignore[no-untyped-def]
        raise SystemExit(0)


class Unbuilt(Baseline):
    def __init__(self, backbone, task, hyper):  # type: ignore[no-untyped-def]
        raise SystemExit(0)


def test_a_method_that_leaves_fails_its_cell_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = small_sweep(["baseline", "cb"])
    monkeypatch.setitem(sweep.methods, "baseline", Leaving)  # type: ignore[arg-type]
    listener = Silent()
    tally = run(sweep, tmp_path, listener)
    assert (len(tally.trained), len(tally.failed)) == (1, 1)
    assert listener.failures == ["SystemExit: 0"]


def test_a_method_that_leaves_when_it_is_built_or_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = small_sweep()
    monkeypatch.setitem(sweep.methods, "baseline", Unbuilt)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="baseline: SystemExit: 0"):
        check_buildable(sweep.cells, sweep)

    def check(method: type[Baseline]) -> None:
        raise SystemExit(0)

    assert failure(check, Baseline) == "SystemExit: 0"  # type: ignore[arg-type]


def plugged(folder: Path) -> dict[str, str]:
    """An environment in which a package offers one method that works and one that does not."""
    (folder / "plugged.py").write_text(
        "from dataclasses import replace\nfrom methods.baseline import Baseline\n"
        "class Good(Baseline):\n    info = replace(Baseline.info, name='good', title='Good')\n"
    )
    (folder / "broken.py").write_text("raise SystemExit(0)")
    info = folder / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[fer_bench.methods]\ngood = plugged:Good\nbroken = broken:X\nshapeless = broken\n"
    )
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.mark.exhaustive
def test_a_broken_plug_in_stands_in_nobodys_way(tmp_path: Path) -> None:
    environment = plugged(tmp_path)
    script = str(Path(sys.executable).parent / "fer-bench")

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True
        )

    listed = call("methods", "list")
    assert listed.returncode == 0, listed.stderr
    assert all(f"\n{name} " in listed.stdout for name in ("baseline", "mek", "good"))
    assert "left out: method 'broken': cannot import broken:X (SystemExit: 0)" in listed.stderr
    assert "left out: method 'shapeless'" in listed.stderr
    planned = call("run", "--dry-run", "--factors", "50", *QUICK)
    assert planned.returncode == 0, planned.stderr
    assert f"{len(registry.BUILT_IN) + 1} cells" in planned.stdout
    assert "left out: method 'broken'" in planned.stderr
    named = call("run", "--dry-run", "--factors", "50", "--methods", "good,cb", *QUICK)
    assert (named.returncode, "left out" in named.stderr) == (0, False)
    wanted = call("run", "--methods", "broken")
    assert wanted.returncode == 2
