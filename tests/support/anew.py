"""Commands whose options depend on what is offered, imported anew."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

COMMANDS = "benchmark.commands"


@contextmanager
def commands_anew(forget: Callable[[], None]) -> Iterator[None]:
    """Have the commands imported anew inside, and leave the ones that were there before.

    Args:
        forget: clears the lists of what is offered, before and after.
    """
    before = {name: module for name, module in sys.modules.items() if _is_command(name)}
    _forget(forget)
    try:
        yield
    finally:
        _forget(forget)
        sys.modules.update(before)
        for name, module in before.items():  # what was imported anew stands in its package, too
            package, _, own = name.rpartition(".")
            setattr(sys.modules[package], own, module)


def _forget(forget: Callable[[], None]) -> None:
    forget()
    for name in [name for name in sys.modules if _is_command(name)]:
        del sys.modules[name]


def _is_command(name: str) -> bool:
    return name == COMMANDS or name.startswith(f"{COMMANDS}.")
