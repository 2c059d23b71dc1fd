"""The way of the data is one way: who trains knows nothing of the tables that come of it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_every_room_has_its_place_in_the_order() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = settings["contracts"]
    placed = [name for layer in contract["layers"] for name in re.split(r"\s*[|:]\s*", layer)]
    assert len(placed) == len(set(placed))
    names = {path.stem for path in (ROOT / "benchmark").iterdir() if path.suffix in ("", ".py")}
    rooms = {f"benchmark.{name}" for name in names if not name.startswith(("__", "."))}
    assert rooms | {"fer_bench", "methods"} == set(placed)


def test_no_import_goes_against_the_order() -> None:
    lint = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(
        [*lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "One direction KEPT" in done.stdout
