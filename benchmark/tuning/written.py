"""A choice as a protocol file, in which each value names the tries that chose it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.data.imbalance import factor_label
from benchmark.protocols.protocol import Protocol
from benchmark.protocols.toml_value import toml_value
from benchmark.store.ledger import Ledger
from benchmark.store.record import show_value
from benchmark.tuning.outcome import Outcome
from benchmark.tuning.subject import HEAD_LR, LR, SHARED, complete
from benchmark.words import count, short
from methods.registry import names

_FIRST_LINE = (
    "# Written by fer-bench tune, and written again by it: to change a value, copy the file."
)
_SEARCH = "# Search: "
"""Before the key of the list of tries, on the second line."""

_LEAVES = ("backbone", "image", "augment", "training")


def protocol_text(protocol: Protocol, ledger: Ledger, outcomes: Sequence[Outcome]) -> str:
    """Return the chosen protocol as TOML.

    Its version is one more than the protocol's where a value that all methods share is another; a
    method's own values stand in its cells' identity anyhow, so that a row that is tuned later makes
    no finished cell stale.

    Args:
        protocol: that was tuned, with what was set over it.
        ledger: of the tries.
        outcomes: one for each subject; of those that came to no choice the values stay as they
            were, and a comment says so.
    """
    values = protocol.model_dump(mode="json")
    sources = dict(protocol.sources)
    shared = [text.partition("=")[0] for text in protocol.overrides]
    for key in protocol.changes:
        sources[key] = f"set when {protocol.name} v{protocol.version} was tuned"
    for outcome in outcomes:
        chosen = {} if outcome.chosen is None else outcome.chosen.values
        for key, value in complete(chosen, protocol).items():
            if key in (LR, HEAD_LR) and value != _at(values, key):
                shared.append(key)
            _put(values, key, value)
            sources[key] = _source(outcome, ledger)
    rises = bool(shared)
    lines = [
        _FIRST_LINE,
        f"{_SEARCH}{ledger.key}",
        *(f"# Not chosen, as they were: {unchosen(one)}" for one in outcomes if one.chosen is None),
        f"name = {toml_value(protocol.name)}",
        f"version = {protocol.version + rises}",
        f"summary = {toml_value(protocol.summary)}",
    ]
    others = sorted(set(values["methods"]) - set(names()))
    lines += [f"others = {toml_value(others)}"] if others else []
    for section in _LEAVES:
        lines += _section([section], values[section], sources)
    for method, own in sorted(values["methods"].items()):
        if own:
            lines += _section(["methods", method], own, sources)
    return "\n".join(lines) + "\n"


def unchosen(outcome: Outcome) -> str:
    """Return a subject of which nothing was chosen, and in brackets why."""
    name, budget = outcome.searched.name, count(outcome.budget, "try", "tries")
    if outcome.complete:
        return f"{name} ({budget}, all diverged)"
    if outcome.other_rate:
        return f"{name} (tried at learning rate {outcome.searched.rate:g}: tune it again)"
    made = len(outcome.states) - outcome.states.count("not finished")
    return f"{name} ({made} of {budget} made)"


def show_values(values: Mapping[str, float]) -> str:
    """Return the values of a try, by the last word of their names."""
    return " ".join(f"{key.rpartition('.')[2]}={show_tried(v)}" for key, v in values.items())


def show_tried(value: float) -> str:
    """Return a value of a try: whole, but for a default that no few digits give."""
    return show_value(value, 6)


def search_of(path: Path) -> str | None:
    """Return the key of the list of tries that a file was written from.

    Empty if the file does not name it, and None if it was not written here, as its first line says.
    """
    try:
        with path.open(encoding="utf-8") as file:
            first, second = (file.readline().rstrip("\n") for _ in range(2))
    except (OSError, UnicodeDecodeError):
        return None
    if first != _FIRST_LINE:
        return None
    return second.removeprefix(_SEARCH) if second.startswith(_SEARCH) else ""


def _source(outcome: Outcome, ledger: Ledger) -> str:
    """Return in one sentence what chose a value."""
    chosen = outcome.chosen
    assert outcome.choice is not None  # whose values have a source was chosen
    assert chosen is not None
    factors = ", ".join(map(factor_label, ledger.factors))
    seeds = ", ".join(map(str, ledger.seeds))
    told = "; ".join(
        f"{show_values(one.values)}: {_score(standing)} [{' '.join(short(c) for c in one.cells)}]"
        for one, standing in zip(outcome.searched.tries, outcome.choice.standings, strict=True)
    )
    on = "" if outcome.searched.name != SHARED else f" on {outcome.searched.method}"
    return (
        f"tuned{on}: {show_values(chosen.values)} of "
        f"{count(len(outcome.searched.tries), 'try', 'tries')} by mean accuracy on clean "
        f"validation images of {ledger.dataset}, factor {factors}, seed {seeds}: {told}"
    )


def _score(standing: Any) -> str:
    return "came to nothing" if standing is None else f"{100 * standing.score:.2f}"


def _section(
    path: Sequence[str], values: Mapping[str, Any], sources: Mapping[str, str]
) -> list[str]:
    lines = ["", f"[{'.'.join(map(_key, path))}]"]
    for key, value in values.items():
        source = sources.get(".".join((*path, key)))
        if source is None:  # a value that stands at its default, which the file did not name
            continue
        lines.append(
            f"{_key(key)} = {{ value = {toml_value(value)}, source = {toml_value(source)} }}"
        )
    return lines


def _key(name: str) -> str:
    """Return a name as a key of TOML, in quotes where a method of another package needs them."""
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else toml_value(name)


def _at(values: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    return values[section][name]


def _put(values: dict[str, Any], key: str, value: float) -> None:
    *path, last = key.split(".")
    for part in path:
        values = values.setdefault(part, {})
    values[last] = value
