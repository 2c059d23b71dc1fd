"""Patterns of cells' names, such as ``mek-*-150-*``: the same wherever cells are picked by one."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from benchmark.errors import InputError
from benchmark.store.record import Cell


def fits(cell: Cell, patterns: Sequence[str]) -> bool:
    """Whether a cell's name fits one of the patterns."""
    return any(fnmatchcase(cell.name, pattern) for pattern in patterns)


def check_patterns(option: str, patterns: Sequence[str], cells: Sequence[Cell], whose: str) -> None:
    """Make sure that each pattern fits a cell: one that fits none is a slip.

    Args:
        option: that the patterns were given by.
        patterns: of names.
        cells: those that they pick from.
        whose: names these cells in the message.

    Raises:
        InputError: a pattern fits no cell.
    """
    for pattern in patterns:
        if not any(fits(cell, [pattern]) for cell in cells):
            like = f"; a name looks like {cells[0].name}" if cells else ""
            raise InputError(f"{option} {pattern}: fits none of {whose} {len(cells)} cells{like}")
