"""`import fer_bench`: light, whole, and never somebody else's."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from processes import QUICK
from sweeps import kept, small_sweep

import fer_bench
import fer_bench.networks
import fer_bench.results
from benchmark.errors import InputError, TrainingError
from benchmark.store.store import Store
from methods.baseline import Baseline

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "results" / "ferplus-compact"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sweep = small_sweep(["baseline"], overrides=["training.epochs=1"])
    return kept(tmp_path_factory.mktemp("kept"), sweep).root


def python(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


LIGHT = """
import sys, fer_bench
dir(fer_bench)
print([name for name in ("torch", "numpy", "pandas", "pydantic", "click") if name in sys.modules])
"""


def test_importing_it_costs_nothing(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", LIGHT)
    assert done.stdout == "[]\n", done.stderr


def test_every_name_is_there() -> None:
    for name in fer_bench.__all__:
        assert getattr(fer_bench, name) is not None
    assert {*dir(fer_bench)} == {*fer_bench.__all__, "__version__"}
    assert fer_bench.__version__
    with pytest.raises(AttributeError, match="has no attribute 'load_modle'"):
        fer_bench.load_modle  # noqa: B018


@pytest.mark.parametrize("module", [fer_bench.networks, fer_bench.results])
def test_examples_run(
    module: Any, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture = np.zeros((30, 40), np.uint8)
    Image.fromarray(picture).save("face.png")
    names = {"results": results, "picture": picture, "published": PUBLISHED}
    done = doctest.testmod(module, extraglobs=names)
    assert done.attempted > 2
    assert not done.failed


@pytest.mark.exhaustive
def test_the_packages_own_example_runs_as_it_stands(tmp_path: Path) -> None:
    done = python(tmp_path, "-m", "doctest", fer_bench.__file__)
    assert done.returncode == 0, done.stdout + done.stderr


SHADOWED = {
    "methods": "from fer_bench import load_model",
    "benchmark": "import fer_bench; fer_bench.load_model",
}


@pytest.mark.parametrize("name", SHADOWED)
def test_a_package_of_the_users_with_one_of_our_names_is_one_clear_line(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / f"{name}.py").write_text("print('HOSTILE')\n")
    found = f"Python finds the package '{name}' as {tmp_path}"
    (tmp_path / "script.py").write_text(SHADOWED[name])
    done = python(tmp_path, "script.py")
    assert done.stderr.splitlines()[-1].startswith(f"ImportError: {found}")
    command = "from fer_bench.command import main; main()"
    done = python(tmp_path, "-c", command, PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith(f"fer-bench: {found}")
    assert done.stderr.count("\n") == 1
    assert "HOSTILE" not in done.stdout


def test_run_trains_what_is_missing_and_gives_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sweeps import small_faces

    monkeypatch.setattr("benchmark.data.load.load_dataset", lambda *_, **__: small_faces())
    short = ("training.epochs=1", "image.size=32", "training.batch_size=32")
    how: dict[str, Any] = {"factors": ["full"], "overrides": short, "device": "cpu"}
    where = tmp_path / "runs"
    frame = fer_bench.run([Baseline], results=where, **how)
    assert frame["method"].tolist() == ["baseline"]
    (before,) = Store(where).records()
    with pytest.warns(UserWarning, match="finished without weights, and left as they are: base"):
        again = fer_bench.run("baseline", results=where, keep_weights=True, **how)
    assert Store(where).records() == [before]
    assert again.equals(frame)
    assert fer_bench.load_results(where).equals(frame)

    class Fails(Baseline):
        info = fer_bench.MethodInfo("fails", "Fails", "-", "none", "https://example.org")

        def loss(self, batch: Any, progress: Any) -> Any:
            raise ValueError("on purpose")

    with pytest.raises(TrainingError, match=r"1 cell failed: fails-synthetic-full-s0.*tracebacks"):
        fer_bench.run(Fails, results=where, **how)
    with pytest.raises(InputError, match="unknown method 'meek'"):
        fer_bench.run("meek", results=where, **how)


def test_compare_names_what_it_leaves_out(stored: Path) -> None:
    with pytest.warns(UserWarning, match=r"left out: RAF-DB .* no soft"):
        frame = fer_bench.compare("mek", "soft", results=stored, factors=[150.0])
    assert frame["factor"].tolist() == ["150"]


SCRIPT = """
import numpy as np
from PIL import Image
from fer_bench import load_model

network = load_model("baseline-*", results="runs")
picture = Image.new("RGB", (120, 90), "grey")
picture.save("face.jpg")
shares = network.predict([np.asarray(picture), picture, "face.jpg"])
for row in shares:
    print(network.classes[row.argmax()], len(row), round(float(row.sum()), 3))
"""


@pytest.mark.slow
def test_ten_lines_in_an_empty_folder(tmp_path: Path) -> None:
    script = str(Path(sys.executable).parent / "fer-bench")
    done = subprocess.run(
        [script, "run", "--methods", "baseline", "--factors", "50", *QUICK, "--keep-weights",
         "--set", "training.epochs=1", "--jobs", "1", "--results", "runs"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (tmp_path / "ten.py").write_text(SCRIPT)
    done = python(tmp_path, "ten.py")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert len(set(lines)) == 1
    assert lines[0].endswith(" 7 1.0")
