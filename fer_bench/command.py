"""The command ``fer-bench``: a package of somebody else's with one of our names is named first."""

from __future__ import annotations

import sys

from fer_bench._packages import foreign_package


def main() -> None:
    """Run the command line; see :func:`benchmark.cli.main`."""
    foreign = foreign_package()
    if foreign is not None:
        sys.stderr.write(f"fer-bench: {foreign}\n")
        sys.exit(2)
    from benchmark.cli import main as command_line

    command_line()
