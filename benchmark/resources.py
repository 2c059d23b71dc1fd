"""Where the templates and the published tables are: inside a wheel, at the top of a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def asset(relative: str) -> Path:
    """Return the path of a shipped file or folder such as ``templates`` or ``results/paper``.

    A wheel carries them under ``benchmark/_assets``; an editable install reads them from the
    checkout.
    """
    packaged = _PACKAGE / "_assets" / relative
    return packaged if packaged.exists() else _PACKAGE.parent / relative
