"""Whether Python finds our own packages; nothing of them is imported to see it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


def foreign_package() -> str | None:
    """Return a line on a package of ours that Python finds elsewhere first, None where all is well.

    ``benchmark`` and ``methods`` are names that others use too.
    """
    for name in ("benchmark", "methods"):
        found = importlib.util.find_spec(name)
        origin = None if found is None else found.origin
        if origin is None or Path(origin).resolve().parent != _ROOT / name:
            where = "nowhere" if origin is None else f"as {origin}"
            return (
                f"Python finds the package '{name}' {where}, and fer-bench's own is "
                f"{_ROOT / name}: rename the other one, or take its folder out of PYTHONPATH"
            )
    return None
