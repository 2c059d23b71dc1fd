"""The shipped protocols and how one is read: every value stands beside its source."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.errors import InputError
from benchmark.protocols.protocol import Protocol


def shipped() -> list[str]:
    """Return the names of the protocols that come with the package."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def _folder() -> Path:
    return Path(__file__).resolve().parent


def load_protocol(name: str, overrides: Iterable[str] = ()) -> Protocol:
    """Read a protocol and set values over it.

    Args:
        name: a shipped protocol's name, or the path of a TOML file.
        overrides: ``key=value`` with dotted keys (``training.epochs=2``), values as in TOML.

    Raises:
        InputError: no such protocol, a value without a source, or a value that does not fit.
    """
    path = _folder() / f"{name}.toml" if name in shipped() else Path(name)
    if path.suffix != ".toml" or not _is_file(path):
        raise InputError(
            f"no protocol '{name}'; shipped: {', '.join(shipped())}, or give the path of a "
            ".toml file"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    return parse_protocol(text, str(path), overrides)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def parse_protocol(text: str, where: str, overrides: Iterable[str] = ()) -> Protocol:
    """Read a protocol from TOML text; ``where`` names it in messages.

    Raises:
        InputError: see :func:`load_protocol`.
    """
    values, sources = _split_sources(_toml(text, where), where)
    plain = _validated(values, sources, where)
    changes = dict(map(parse_override, overrides))
    if not changes:
        return plain
    changed = with_values(plain, changes, where="--set")
    return changed.model_copy(update={"changes": changes})


def with_values(
    protocol: Protocol, changes: Mapping[str, Any], *, where: str, mark: bool = True
) -> Protocol:
    """Return the protocol with values set over its own.

    Args:
        protocol: left as it is.
        changes: dotted names to values.
        where: names the origin of the changes in messages.
        mark: whether to list the changes as overrides; those that change nothing never are.

    Raises:
        InputError: an unknown key or a value that does not fit.
    """
    values = protocol.model_dump(exclude={"sources", "overrides", "changes"})
    for key, value in changes.items():
        _set(values, key, value, where)
    changed = _validated(values, protocol.sources, where)
    before, after = protocol.model_dump(mode="json"), changed.model_dump(mode="json")
    marks = set(protocol.overrides)
    marks |= {
        f"{key}={shown_value(after, key)}"
        for key in changes
        if mark and not key.startswith("methods.") and _lookup(before, key) != _lookup(after, key)
    }
    return changed.model_copy(
        update={"overrides": tuple(sorted(marks)), "changes": protocol.changes}
    )


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``key=value``; the value is read as TOML, or as plain text where it is none.

    Raises:
        InputError: there is no key or no value.
    """
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not (key and equals and value):
        raise InputError(f"--set {text!r}: write key=value, for instance training.epochs=2")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        return key, value
    return key, parsed["value"] if set(parsed) == {"value"} else value


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also numbers of 4300 digits
        raise InputError(f"{where}: not valid TOML ({error})") from error


_SECTIONS = ("backbone", "image", "augment", "training")
_UNSOURCED = {"name", "version", "summary", "others"}
_DEEPEST = 3
"""Words of a dotted name at most: ``methods.mek.smoothing``."""


def _split_sources(
    table: Mapping[str, Any], where: str, prefix: str = ""
) -> tuple[dict[str, Any], dict[str, str]]:
    """Divide ``{value, source}`` leaves into values and sources; a leaf without one is an error."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for key, entry in table.items():
        dotted = f"{prefix}{key}"
        if dotted.count(".") >= _DEEPEST:
            raise InputError(f"{where}: no value has a name as long as {dotted[:80]}")
        if dotted in _UNSOURCED:
            values[key] = entry
        elif not isinstance(entry, Mapping):
            raise InputError(f"{where}: {dotted} needs {{ value = ..., source = '...' }}")
        elif "value" in entry:
            source = entry.get("source")
            if not (isinstance(source, str) and source.strip()) or set(entry) != {
                "value",
                "source",
            }:
                raise InputError(f"{where}: {dotted} needs a source: say where its value is from")
            if not _is_plain(entry["value"]):
                raise InputError(f"{where}: {dotted} takes a finite value or a list of them")
            values[key], sources[dotted] = entry["value"], source
        else:
            values[key], inner = _split_sources(entry, where, f"{dotted}.")
            sources |= inner
    return values, sources


def _is_plain(value: Any) -> bool:
    """Whether it is a finite value or a list of them: nothing else stands in a protocol."""
    several = value if isinstance(value, list | tuple) else (value,)
    return all(
        math.isfinite(one) if isinstance(one, float) else isinstance(one, bool | int | str)
        for one in several
    )


def _validated(values: Mapping[str, Any], sources: Mapping[str, str], where: str) -> Protocol:
    try:
        return Protocol.model_validate({**values, "sources": dict(sources)})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the protocol"
        raise InputError(f"{where}: {key}: {first['msg']}") from error


def _set(values: dict[str, Any], key: str, value: Any, where: str) -> None:
    *path, last = key.split(".")
    if not _is_plain(value):
        raise InputError(f"{where} {key}: takes a finite value or a list of them")
    table: Any = values
    if path[:1] not in [[section] for section in (*_SECTIONS, "methods")]:
        raise InputError(f"{where} {key}: no such value; known: {', '.join(_known(values))}")
    for depth, part in enumerate(path):
        # A protocol need not speak of a method for a value of that method to be set.
        if depth == 1 and path[0] == "methods":
            table.setdefault(part, {})
        if not (isinstance(table, dict) and isinstance(table.get(part), dict)):
            raise InputError(f"{where} {key}: no such value; known: {', '.join(_known(values))}")
        table = table[part]
    if (path[:1] != ["methods"] and last not in table) or isinstance(table.get(last), dict):
        raise InputError(f"{where} {key}: no such value; known: {', '.join(_known(values))}")
    table[last] = value


def _known(values: Mapping[str, Any]) -> list[str]:
    return [f"{section}.{key}" for section in _SECTIONS for key in values[section]] + [
        "methods.NAME.VALUE"
    ]


def _lookup(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def shown_value(values: Mapping[str, Any], key: str) -> str:
    """Return the value of a dotted name in a protocol's values as overrides write it."""
    value = _lookup(values, key)
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
