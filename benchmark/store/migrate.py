"""Records of older schemas, brought to the present one when they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmark.store.record import SCHEMA_VERSION

Raw = dict[str, Any]


def to_present(raw: Raw) -> Raw:
    """Return a record's values in the present schema; the argument is left as it is.

    Args:
        raw: as read from JSON.

    Raises:
        ValueError: a schema that this version does not know.
    """
    version = raw.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError("it names no schema_version")
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"it was written by a newer fer-bench (schema {version}, this one reads up to "
            f"{SCHEMA_VERSION}); update fer-bench"
        )
    while version < SCHEMA_VERSION:
        raw = _STEPS[version](raw)
        version += 1
    return raw


def _from_1(raw: Raw) -> Raw:
    """Schema 2 tells the processes that trained a cell apart; schema 1 kept their beginnings."""
    provenance = raw.get("provenance")
    if not isinstance(provenance, dict):
        raise ValueError("provenance: not an object")
    started = provenance.get("sessions", [])
    if not isinstance(started, list):
        raise ValueError("provenance.sessions: not a list")
    return {
        **raw,
        "schema_version": 2,
        "provenance": {key: value for key, value in provenance.items() if key != "sessions"},
        "sessions": [{"started": moment} for moment in started],
    }


def _from_2(raw: Raw) -> Raw:
    """Schema 3 has a hash of the record itself and places that schema 2 leaves empty."""
    return {**raw, "schema_version": 3}


UNCHANGED = (2,)
"""Schemas whose records need no more than the present number."""

_STEPS: dict[int, Callable[[Raw], Raw]] = {1: _from_1, 2: _from_2}
