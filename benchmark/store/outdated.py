"""Records that an older version of their method left, kept on purpose, and why."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from benchmark.errors import InputError
from benchmark.protocols.protocol import Strict

FILE = "outdated.toml"
"""Beside the cells of a store."""


class Outdated(Strict):
    """One version of a method whose records stay until they are trained again.

    Attributes:
        method: its name.
        version: of the method that left them.
        reason: what the method does otherwise since.
    """

    method: Annotated[str, Field(min_length=1)]
    version: Annotated[int, Field(ge=1)]
    reason: Annotated[str, Field(min_length=1)]


class _Content(Strict):
    outdated: tuple[Outdated, ...]


def read_outdated(root: Path) -> tuple[Outdated, ...]:
    """Return what a store says of its outdated records; nothing where it has no such file.

    Raises:
        InputError: the file cannot be read.
    """
    path = root / FILE
    try:
        return _Content.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).outdated
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:  # no UTF-8, or no TOML
        raise InputError(f"{path}: not valid TOML ({error})") from error
