"""Numbers, durations and hashes as messages show them."""

from __future__ import annotations


def count(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 cell``, ``2 cells``.

    Args:
        number: of things.
        noun: what one of them is called.
        plural: what several are called, where it is not the noun with an s, or -ies for -y.
    """
    plural = plural or (noun[:-1] + "ies" if noun.endswith("y") else noun + "s")
    return f"{number} {noun if number == 1 else plural}"


def clock(seconds: float) -> str:
    """Return a duration as people read it: ``42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


DIGITS = 12
"""Of an id or a hash, as many tell it from all others that anybody has."""


def short(digest: str) -> str:
    """Return the start of an id or of another hash, as people see it."""
    return digest[:DIGITS]
