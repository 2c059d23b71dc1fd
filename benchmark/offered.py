"""What a folder of files offers: each file declares what it is and has one function.

Commands list what a folder holds without importing it: the values that a file assigns to names in
capitals at its top are read from its text.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

LAST = 1000
"""The place of a file that declares none."""


class Offer(NamedTuple):
    """One file of such a folder.

    Attributes:
        name: the file's name without its ending, as options take it.
        facts: the values that it assigns to names in capitals, of plain values alone.
        package: the folder as a package.
    """

    name: str
    facts: Mapping[str, Any]
    package: str

    def load(self) -> ModuleType:
        """Import the file."""
        return importlib.import_module(f"{self.package}.{self.name}")


def offers(package: str) -> dict[str, Offer]:
    """Return what a folder offers by name, in the order of ``PLACE``, then of the names.

    Args:
        package: its dotted name; whatever else is on its ``__path__`` counts as well.
    """
    folders = importlib.import_module(package).__path__
    files = [file for folder in folders for file in Path(folder).glob("[!_]*.py")]
    found = [Offer(file.stem, _facts(file), package) for file in files]
    found.sort(key=lambda offer: (offer.facts.get("PLACE", LAST), offer.name))
    return {offer.name: offer for offer in found}


def _facts(file: Path) -> dict[str, Any]:
    facts = {}
    top = re.split(r"^(?:def|class|@)", file.read_text(encoding="utf-8"), maxsplit=1, flags=re.M)[0]
    for line in ast.parse(top).body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            name = line.targets[0].id
            if name.isupper() and not name.startswith("_"):
                try:
                    facts[name] = ast.literal_eval(line.value)
                except ValueError:  # worked out when the file runs
                    continue
    return facts
