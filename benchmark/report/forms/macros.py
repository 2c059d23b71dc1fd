r"""A LaTeX macro for each printed number, so that a text can never disagree with its table.

A name holds letters alone, as TeX wants: ``\ferCompactTableTwoMekOneFiveZeroMean`` is MEK's mean
accuracy at factor 150. Digits are spelt, everything else is dropped, and where a name of a row is
taken all of them get ``Again`` behind them: no two numbers share one, a deviation never stands
beside another row's mean, and the names do not depend on the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from benchmark.errors import InputError
from benchmark.report.escape import latex_text, plain_text
from benchmark.report.forms import Place
from benchmark.report.sheet import Number, Row, Table

ENDINGS = ()
ALSO = (".tex",)
HELP = "a LaTeX macro for each number"

_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_FIELDS = {
    "": "text",
    "Sd": "spread",
    "Low": "low",
    "High": "high",
    "Published": "published",
    "Difference": "difference",
}


def write(tables: Sequence[Table], place: Place) -> str:
    """Return a file of ``\\newcommand``, one for each number, with a comment above each table.

    Raises:
        InputError: there is no number to name.
    """
    taken: set[str] = set()
    lines: list[str] = []
    for table in tables:
        lines.append(f"% {plain_text(table.title)}{' (dagger)' if table.dagger else ''}")
        for row in table.rows:
            numbers = list(_numbers(table, row))
            names = _told_apart([macro_name(words) for words, _ in numbers], taken)
            taken.update(names)
            for name, (_, text) in zip(names, numbers, strict=True):
                lines.append(rf"\newcommand{{\{name}}}{{{latex_text(text)}}}")
    if not taken:
        raise InputError("--format macros names numbers, and here is none; take another form")
    return "\n".join(lines) + "\n"


def macro_name(words: Sequence[str]) -> str:
    """Return the words as one name of ASCII letters, each word with a capital, digits spelt."""
    parts = ["fer"]
    for word in " ".join(words).split():
        spelt = re.sub(r"\d", lambda digit: _DIGITS[int(digit[0])], word, flags=re.ASCII)
        letters = re.sub(r"[^A-Za-z]", "", spelt)
        parts.append(letters[:1].upper() + letters[1:])
    return "".join(parts)


def _told_apart(names: Sequence[str], taken: set[str]) -> list[str]:
    """Return names of a row that are not taken, told apart from another row's all in one way.

    Each for itself, a deviation would get the name that stands beside another row's mean.
    """
    again = ""
    while any(f"{name}{again}" in taken for name in names):
        again += "Again"
    found: list[str] = []
    for name in names:
        own = f"{name}{again}"
        while own in taken or own in found:
            own += "Again"
        found.append(own)
    return found


def _numbers(table: Table, row: Row) -> Iterator[tuple[tuple[str, ...], str]]:
    for column, number in zip(table.columns, row.numbers, strict=True):
        for suffix, text in _fields(number):
            yield (table.name, *row.name, column, suffix), text


def _fields(number: Number) -> Iterator[tuple[str, str]]:
    for suffix, name in _FIELDS.items():
        text = getattr(number, name)
        if text:
            yield suffix, text
