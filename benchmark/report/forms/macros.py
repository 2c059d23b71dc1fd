r"""A LaTeX macro for each printed number, so that a text can never disagree with its table.

A name holds letters alone, as TeX wants: ``\ferCompactTableTwoMekOneFiveZeroMean`` is MEK's mean
accuracy at factor 150. Digits are spelt, everything else is dropped, and a name that is taken gets
``Again`` behind it: no two numbers share one, and the names do not depend on the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from benchmark.errors import InputError
from benchmark.report.escape import latex_text, plain_text
from benchmark.report.forms import Place
from benchmark.report.sheet import Number, Table

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
        for words, text in _numbers(table):
            name = macro_name(words)
            while name in taken:
                name += "Again"
            taken.add(name)
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


def _numbers(table: Table) -> Iterator[tuple[tuple[str, ...], str]]:
    for row in table.rows:
        for column, number in zip(table.columns, row.numbers, strict=True):
            for suffix, text in _fields(number):
                yield (table.name, *row.name, column, suffix), text


def _fields(number: Number) -> Iterator[tuple[str, str]]:
    for suffix, name in _FIELDS.items():
        text = getattr(number, name)
        if text:
            yield suffix, text
