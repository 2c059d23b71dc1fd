"""Links to files of the repository that are no pages, and help texts that are no markup."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_LINK = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)(#[^)]*)?\)")
_PAGES = {"CONTRIBUTING.md": "contributing.md"}


def turn_links(app: Sphinx, name: str, source: list[str]) -> None:
    """Point links out of ``docs/`` at the page that a file has here, or leave their words alone.

    On a code host the same links lead to the files.
    """
    up = "../" * name.count("/")

    def turned(found: re.Match[str]) -> str:
        page = _PAGES.get(found[2])
        return f"[{found[1]}]({up}{page}{found[3] or ''})" if page else found[1]

    source[0] = _LINK.sub(turned, source[0])


def escape(app: Sphinx, context: Any, lines: list[str]) -> None:
    """Keep the stars of a help text, such as those of a pattern, from being read as emphasis."""
    lines[:] = [line.replace("*", r"\*") for line in lines]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register both."""
    app.connect("source-read", turn_links)
    for what in ("description", "options"):
        app.connect(f"sphinx-click-process-{what}", escape)
    return {"parallel_read_safe": True}
