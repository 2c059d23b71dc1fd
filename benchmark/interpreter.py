"""Which code runs: a process that this one starts runs the same, whatever its folder holds."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmark.errors import InputError
from fer_bench._packages import foreign_package

_SAFE_PATH = "PYTHONSAFEPATH"  # as `-P`, inherited


def fer_bench_command(arguments: Sequence[str]) -> list[str]:
    """Return the command of a process that runs ``fer-bench`` with this process's own code.

    ``python -m benchmark`` would look into the working directory first: a file ``statistics.py`` or
    a folder ``benchmark`` there would be run instead. ``-P`` keeps that folder out, and the new
    process searches where this one does.
    """
    code = f"import sys; sys.path[:] = {sys.path!r}; from benchmark.cli import main; main()"
    return [sys.executable, "-P", "-u", "-c", code, *arguments]


@contextmanager
def own_path() -> Iterator[None]:
    """Keep the working directory out of the path of a process that ``multiprocessing`` starts.

    It looks there before it takes over the path of this process, as ``-P`` would not let it.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


def check_own_packages() -> None:
    """Make sure that ``benchmark`` and ``methods`` are our own packages.

    Raises:
        InputError: Python finds another one first.
    """
    foreign = foreign_package()
    if foreign is not None:
        raise InputError(foreign)
