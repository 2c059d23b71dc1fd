"""What a cell was trained with, each value beside its source, and the command that repeats it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.data.imbalance import factor_label
from benchmark.errors import InputError
from benchmark.protocols import load_protocol, shipped
from benchmark.protocols.protocol import Protocol
from benchmark.protocols.toml_value import toml_value
from benchmark.store.command_line import options_of
from benchmark.store.record import Cell, Record, show_value

if TYPE_CHECKING:
    from methods.base import Method

SET = "set by --set"
UNKNOWN_METHOD = "not known here: no package with this method is installed"
UNKNOWN_PROTOCOL = "not known here: the protocol's file does not come with the program"
OTHER_VERSION = "not known here: the program comes with another version of the protocol"
_SECTIONS = ("backbone", "image", "augment", "training")
_RECORDED = ("--data-root", "--weights", "--resize")
"""Options that no cell holds and its result depends on: taken from what was recorded."""


class Value(NamedTuple):
    """A value with its source."""

    name: str
    value: str
    source: str


def method_of(cell: Cell) -> type[Method] | None:
    """Return a cell's method, None where no installed package registers it.

    A name out of a record is looked up and never imported as a path: the record may be anybody's.
    """
    return _registered(cell.method)


@cache
def _registered(name: str) -> type[Method] | None:
    from methods import registry

    if registry.canonical(name) not in map(registry.canonical, registry.names()):
        return None
    try:
        return registry.get(name)
    except InputError:
        return None


def protocol_values(cell: Cell) -> tuple[Value, ...]:
    """Return the values of a cell's protocol."""
    protocol, plain, method = cell.protocol, _shipped(cell.protocol), method_of(cell)
    changed = {text.partition("=")[0] for text in protocol.overrides}
    authors: Mapping[str, tuple[Any, str]] = {}
    if protocol.recipe == "authors" and method is not None:
        authors = method.authors.protocol
    found = []
    for key, value in _flat(protocol).items():
        if key in changed:
            source = SET
        elif key in authors and authors[key][0] == value:
            source = authors[key][1]
        elif plain is not None and _flat(plain).get(key) == value:
            source = plain.sources.get(key, "the program's default")
        else:
            source = OTHER_VERSION if _versions(cell) else UNKNOWN_PROTOCOL
        found.append(Value(key, _shown(value), source))
    return tuple(found)


def hyper_values(cell: Cell) -> tuple[Value, ...]:
    """Return a cell's hyper-parameters."""
    method = method_of(cell)
    return tuple(
        Value(key, show_value(value), _hyper_source(cell, method, key, value))
        for key, value in cell.hyper.items()
    )


def repeating_command(record: Record) -> tuple[str, str]:
    """Return the command that trains this cell alone, on a dataset that lies where it lay.

    In two parts, to be joined by a space; cells of one sweep and method share the first.
    """
    cell, protocol = record.cell, record.cell.protocol
    recorded = options_of(record)
    options = {
        "--dataset": cell.dataset,
        "--protocol": _named_protocol(record),
        "--recipe": protocol.recipe,
        "--methods": cell.method,
        **{key: recorded[key] for key in _RECORDED if key in recorded},
    }
    own = ["--factors", factor_label(cell.factor), "--seeds", str(cell.seed)]
    values = _flat(protocol)
    changes = {text.partition("=")[0]: text.partition("=")[2] for text in protocol.overrides}
    sets = {key: _to_set(values[key]) if key in values else text for key, text in changes.items()}
    sets |= {f"methods.{cell.method}.{k}": _to_set(v) for k, v in _own_hyper(cell).items()}
    words = [word for pair in options.items() for word in pair]
    own += [word for key, text in sets.items() for word in ("--set", f"{key}={text}")]
    own += ["--cut-head"] if "--cut-head" in recorded else []
    return " ".join(["fer-bench run", *map(_quoted, words)]), " ".join(map(_quoted, own))


def why_another(record: Record) -> str:
    """Return why that command now trains another cell than this one, empty where it does not."""
    cell = record.cell
    method = method_of(cell)
    changes = _versions(cell) if _named_protocol(record) in shipped() else []
    if method is None and ":" not in cell.method:
        changes.append(f"no method '{cell.method}' is installed, name its class with --methods")
    elif method is not None and method.info.version != cell.method_version:
        now = method.info.version
        changes.append(f"its method was of version {cell.method_version}, now {now}")
    return f"This now trains another cell: {'; '.join(changes)}." if changes else ""


def _versions(cell: Cell) -> list[str]:
    plain, own = _shipped(cell.protocol), cell.protocol
    if plain is None or plain.version == own.version:
        return []
    return [f"its protocol was {own.name} v{own.version}, here it is v{plain.version}"]


def _named_protocol(record: Record) -> str:
    """Return what ``--protocol`` has to name; the recorded file where another version is here."""
    name = record.cell.protocol.name
    recorded = options_of(record).get("--protocol", "")
    if recorded.endswith(".toml") and not _is_shipped(record.cell):
        return recorded
    return name if name in shipped() else f"{name}.toml"


def _quoted(word: str) -> str:
    """Quote a word for a shell, which a ``~`` at its beginning is left to."""
    if word.startswith("~/"):
        return f"~/{shlex.quote(word[2:])}" if word[2:] else word
    return shlex.quote(word)


def _own_hyper(cell: Cell) -> dict[str, Any]:
    """Return the hyper-parameters that were set over those of the recipe."""
    from benchmark.sweep.plan import hyper_identity, recipe

    method, plain = method_of(cell), _shipped(cell.protocol)
    if method is None or plain is None:
        return dict(cell.hyper)
    _, hyper = recipe(plain.model_copy(update={"recipe": cell.protocol.recipe}), method)
    usual = hyper_identity(hyper)
    return {k: v for k, v in cell.hyper.items() if k not in usual or usual[k] != v}


def _hyper_source(cell: Cell, method: type[Method] | None, key: str, value: Any) -> str:
    plain = _shipped(cell.protocol)
    if cell.protocol.recipe == "authors":
        named = {} if method is None else method.authors.hyper
        if key in named and named[key][0] == value:
            return named[key][1]
    elif _is_shipped(cell) and plain and plain.methods.get(cell.method, {}).get(key) == value:
        return plain.sources[f"methods.{cell.method}.{key}"]
    if method is None:
        return UNKNOWN_METHOD
    field = {f: getattr(method.Hyper, f, None) for f in method.Hyper.sources()}
    if key not in field:
        return "no hyper-parameter of the method as it is now"
    source = method.Hyper.sources()[key]
    if field[key] == value:
        return source
    how = SET if _is_shipped(cell) else f"{SET}, or of its protocol"
    return f"{how}; the default is {show_value(field[key])}: {source}"


def _is_shipped(cell: Cell) -> bool:
    """Whether a cell's protocol is one that comes with the package, of the same version."""
    return _shipped(cell.protocol) is not None and not _versions(cell)


def _shipped(protocol: Protocol) -> Protocol | None:
    return _read(protocol.name)


@cache
def _read(name: str) -> Protocol | None:
    return load_protocol(name) if name in shipped() else None


def _flat(protocol: Protocol) -> dict[str, Any]:
    values = protocol.model_dump(mode="json")
    return {f"{part}.{key}": value for part in _SECTIONS for key, value in values[part].items()}


def _shown(value: Any) -> str:
    return " ".join(map(_shown, value)) if isinstance(value, list) else show_value(value)


def _to_set(value: Any) -> str:
    """Return a value as ``--set`` reads it."""
    return value if isinstance(value, str) else toml_value(value)
