"""What a folder of files offers: each file declares what it is and has one function.

Commands list what a folder holds without importing it: the values that a file assigns to names in
capitals at its top are read from its text.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from benchmark.errors import InputError, describe

LAST = 1000
"""The place of a file that declares none."""


class Facts(dict[str, Any]):
    """What a file declares; to ask for what it lacks is an error that names the file."""

    def __init__(self, file: Path, facts: Mapping[str, Any]) -> None:
        super().__init__(facts)
        self.file = file

    def __missing__(self, name: str) -> Any:
        raise InputError(f"{self.file}: declares no {name} at its top; the folder's head says what")


class Offer(NamedTuple):
    """One file of such a folder.

    Attributes:
        name: the file's name without its ending, as options take it.
        facts: the values that it assigns to names in capitals, of plain values alone.
        package: the folder as a package.
    """

    name: str
    facts: Facts
    package: str

    def load(self) -> ModuleType:
        """Import the file.

        Raises:
            InputError: it cannot be imported.
        """
        try:
            return importlib.import_module(f"{self.package}.{self.name}")
        except (InputError, KeyboardInterrupt):
            raise
        except BaseException as error:  # somebody else's file may even say sys.exit()
            raise InputError(f"{self.facts.file}: cannot be imported: {describe(error)}") from error

    def function(self, name: str) -> Callable[..., Any]:
        """Return the function that such a file has.

        Raises:
            InputError: it cannot be imported, or has no such function.
        """
        found: Callable[..., Any] | None = getattr(self.load(), name, None)
        if not callable(found):
            raise InputError(f"{self.facts.file}: has no function {name}")
        return found


def offers(package: str) -> dict[str, Offer]:
    """Return what a folder offers by name, in the order of ``PLACE``, then of the names.

    Args:
        package: its dotted name; whatever else is on its ``__path__`` counts as well.

    Raises:
        InputError: a file is no Python, or its ``PLACE`` is no number.
    """
    folders = importlib.import_module(package).__path__
    files = [file for folder in folders for file in Path(folder).glob("[!_]*.py")]
    found = [Offer(file.stem, _facts(file), package) for file in files]
    found.sort(key=lambda offer: (_place(offer), offer.name))
    return {offer.name: offer for offer in found}


def _place(offer: Offer) -> int:
    place = offer.facts.get("PLACE", LAST)
    if not isinstance(place, int):
        raise InputError(f"{offer.facts.file}: PLACE = {place!r} is not a whole number")
    return place


def _facts(file: Path) -> Facts:
    facts = {}
    try:
        text = file.read_text(encoding="utf-8")
        top = ast.parse(re.split(r"^(?:def|class|@)", text, maxsplit=1, flags=re.M)[0])
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{file}: cannot be read as Python: {describe(error)}") from error
    for line in top.body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            name = line.targets[0].id
            if name.isupper() and not name.startswith("_"):
                try:
                    facts[name] = ast.literal_eval(line.value)
                except ValueError:  # worked out when the file runs
                    continue
    return Facts(file, facts)
