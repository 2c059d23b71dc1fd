"""Interruptions: what the system sends, told apart from what foreign code raises."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

_POLITE = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
"""Ends a process by default: a polite kill, a closed terminal, Ctrl-\\, a scheduler's warnings."""


class Interrupted(KeyboardInterrupt):
    """This process was told to stop by a signal."""


def heed_ctrl_c() -> None:
    """Raise :class:`Interrupted` on Ctrl-C, unless it is ignored as behind ``nohup``."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _raise)


def heed_all() -> None:
    """Take every polite signal for an interruption: what runs stops, what is finished stays."""
    for name in _POLITE:
        number = getattr(signal, name, None)  # Windows has few of them
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _raise)


def heed_no_more() -> None:
    """Ignore what :func:`heed_ctrl_c` and :func:`heed_all` heed: the process is about to end."""
    for name in ("SIGINT", *_POLITE):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is _raise:
            signal.signal(number, signal.SIG_IGN)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted(signal.Signals(number).name)
