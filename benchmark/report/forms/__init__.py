"""The forms of a table, a file each; whatever stands in this folder, every command takes.

A file ``<name>.py`` declares, as plain values at its top:

``ENDINGS``  of the files whose form it is: ``(".md",)``;
``HELP``     what it is for, in a few words;
``ALIASES``  other names, where it has any;
``ALSO``     endings of files that may hold it when it is asked for by name, where it has any;

and ``write(tables, place)``, which returns tables (:class:`benchmark.report.sheet.Table`) as text
for a :class:`Place`. The list of forms is read without importing them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmark.errors import InputError
from benchmark.offered import Offer, offers

if TYPE_CHECKING:
    from benchmark.report.sheet import Table


class Place(NamedTuple):
    """Where a text goes.

    Attributes:
        encoding: what it can hold.
        width: columns of a terminal; None where a line may have any length.
    """

    encoding: str = "utf-8"
    width: int | None = None


FILE = Place()
"""A file, which holds every letter and lines of any length."""


def standard_output() -> Place:
    """Return what the program prints to: a terminal as wide as it is, or a pipe."""
    import shutil  # slow to import, and whoever asks for help needs none of it

    columns = shutil.get_terminal_size((0, 0)).columns
    return Place(sys.stdout.encoding or FILE.encoding, columns or None)


class Form(NamedTuple):
    """What a file of this folder declares.

    Attributes:
        name: as ``--format`` takes it.
        endings: of the files whose form it is, with the dot.
        help: what it is for.
        offer: the file.
        aliases: other names.
        also: endings of files that may hold it, too.
    """

    name: str
    endings: tuple[str, ...]
    help: str
    offer: Offer
    aliases: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def write(self, tables: Sequence[Table], place: Place = FILE) -> str:
        """Return tables in this form, for this place."""
        text: str = self.offer.function("write")(tables, place)
        return text


@cache
def forms() -> dict[str, Form]:
    """Return every form by its name, in the order of the names."""
    return {
        name: Form(
            name,
            offer.facts["ENDINGS"],
            offer.facts["HELP"],
            offer,
            offer.facts.get("ALIASES", ()),
            offer.facts.get("ALSO", ()),
        )
        for name, offer in offers(__name__).items()
    }


def form_names() -> tuple[str, ...]:
    """Return every name that ``--format`` takes."""
    return tuple(name for form in forms().values() for name in (form.name, *form.aliases))


def by_name(name: str) -> Form:
    """Return a form by its name or another name of it."""
    return next(form for form in forms().values() if name in (form.name, *form.aliases))


def form_for(name: str | None, out: Path | None, *, piped: str = "terminal") -> Form:
    """Return the form that is meant: by its name, else by the file's ending, else by the place.

    A terminal is shown the terminal form.

    Args:
        name: what ``--format`` names.
        out: the file that is written.
        piped: the form that goes into a pipe.

    Raises:
        InputError: no form has the file's ending, or the one that is named has another.
    """
    wanted = None if name is None else by_name(name)
    if out is None:
        return wanted or by_name("terminal" if sys.stdout.isatty() else piped)
    ending = out.suffix.lower()
    of_ending = [form for form in forms().values() if ending in form.endings]
    if not of_ending:
        known = ", ".join(f"{e} ({f.name})" for f in forms().values() for e in f.endings)
        raise InputError(f"--out {out}: the name must end in one of {known}")
    if wanted is not None and ending not in (*wanted.endings, *wanted.also):
        fits = " or ".join((*wanted.endings, *wanted.also))
        raise InputError(f"--out {out} does not end in {fits}, and --format asks for {wanted.name}")
    return wanted or of_ending[0]
