"""Where a result was made: machine, versions, revision. Provenance, never identity."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmark.choices import CELLS_OPTION

_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pandas")


def describe() -> dict[str, Any]:
    """Return what is known of the machine and the code, as JSON-able values."""
    return {
        "fer_bench": _version("fer-bench"),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "command": ["fer-bench", *_repeatable(sys.argv[1:])],
        **revision(Path(__file__).resolve().parent.parent),
    }


def hardware(facts: Mapping[str, Any]) -> str:
    """Return the name of the GPU or CPU that a result was made on.

    Args:
        facts: a record's provenance.
    """
    if facts.get("device") != "cpu":
        return str(facts.get("gpu") or facts.get("device") or "hardware without a name")
    return str(facts.get("cpu") or "a CPU without a name")


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def peak_memory_bytes() -> int | None:
    """Return the largest resident memory of this process so far, or None where unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def usable_cores() -> int:
    """Return the CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory_bytes() -> int | None:
    """Return the memory that new processes could take, or None where the system does not tell."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def revision(root: Path) -> dict[str, Any]:
    """Return a checkout's commit and whether it had changes; nothing for an installed wheel.

    Changes below ``results/`` do not count: a sweep whose store lies there would call its own
    finished cells changes to the code that trains the next ones.
    """
    if not (root / ".git").exists():
        return {}

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        changes = git("status", "--porcelain", "--", ".", ":(exclude)results")
        return {"revision": git("rev-parse", "HEAD"), "dirty": bool(changes)}
    except (OSError, subprocess.CalledProcessError):
        return {}


def _repeatable(arguments: Sequence[str]) -> list[str]:
    """Return the arguments that a reader can give again."""
    kept = list(arguments)
    if CELLS_OPTION in kept:
        at = kept.index(CELLS_OPTION)
        del kept[at : at + 2]
    return [_with_tilde(argument) for argument in kept]


def _with_tilde(argument: str) -> str:
    """Write the home folder as ``~``: records are published, and a user's name is nobody's.

    Bytes that are no UTF-8, which no record can hold, are escaped.
    """
    home = str(Path.home())
    argument = re.sub(rf"(^|=){re.escape(home)}(?=/|$)", r"\1~", argument)
    return os.fsencode(argument).decode("utf-8", "backslashreplace")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
