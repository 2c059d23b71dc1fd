"""The command that a record was made by."""

from __future__ import annotations

import re
from itertools import zip_longest

from benchmark.store.record import Record


def options_of(record: Record) -> dict[str, str]:
    """Return the long options of the command that was recorded, with their values."""
    command = record.provenance.get("command")
    words = [w for w in command if isinstance(w, str)] if isinstance(command, list) else []
    found: dict[str, str] = {}
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        if match := re.fullmatch(r"(--[a-z-]+)(?:=(.*))?", word, re.DOTALL):
            found[match[1]] = following if match[2] is None else match[2]
    return found
