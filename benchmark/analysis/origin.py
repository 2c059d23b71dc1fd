"""What trained a record: the code and the machine, of each process where there were several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from benchmark.environment import hardware
from benchmark.store.record import Record

_THEN = ", then "


def code(facts: Mapping[str, Any]) -> str:
    """Return the version, and the revision of a checkout, that facts of a process name."""
    revision = str(facts.get("revision", ""))[:10] + ("+changes" if facts.get("dirty") else "")
    return f"{facts.get('fer_bench', 'unknown')} {revision}".strip()


def machine(facts: Mapping[str, Any]) -> str:
    """Return the GPU or CPU and torch's version that facts of a process name."""
    packages = facts.get("packages")
    torch = packages.get("torch", "unknown") if isinstance(packages, dict) else "unknown"
    return f"{hardware(facts)}, torch {torch}"


def processes(record: Record) -> list[Mapping[str, Any]]:
    """Return the facts of each process that trained a part of a record, in order.

    Records of the first schema know nothing but the last one's.
    """
    known = [facts for facts in record.sessions if "fer_bench" in facts]
    return [*known] or [record.provenance]


def in_turn(record: Record, told: Callable[[Mapping[str, Any]], str]) -> str:
    """Return what a record's processes tell of themselves, each change once, in order."""
    texts = [told(facts) for facts in processes(record)]
    return _THEN.join(text for i, text in enumerate(texts) if i == 0 or text != texts[i - 1])


def each(texts: Iterable[str]) -> list[str]:
    """Return everything that texts of :func:`in_turn` name, once and sorted."""
    return sorted({part for text in texts for part in text.split(_THEN)})
