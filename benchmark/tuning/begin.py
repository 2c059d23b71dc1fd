"""Which list of tries a search goes on with, or begins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.protocols.protocol import Protocol
from benchmark.store.ledger import Ledger, check_search, make_key, read_ledger
from benchmark.sweep.plan import Sweep


def begin_ledger(
    root: Path, sweep: Sweep, protocol: Protocol, budget: int, cut_head: bool
) -> Ledger:
    """Return the store's ledger of a search, or a new one.

    Whatever tells what is trained from another search tells their ledgers apart, methods' own
    values among it; only which methods are searched does not, so that more can be added later.

    Args:
        root: of the store.
        sweep: of one method; its factors and seeds are those of every try.
        protocol: with what was set over it.
        budget: tries of each subject.
        cut_head: whether factors are reached by cutting the largest classes.

    Raises:
        InputError: the store's own cannot be read, or says that it is of another search.
    """
    cell = sweep.cells[0]
    factors = tuple(dict.fromkeys(one.factor for one in sweep.cells))
    seeds = tuple(dict.fromkeys(one.seed for one in sweep.cells))
    key = make_key(
        cell.dataset,
        protocol.name,
        protocol.version,
        cell.fingerprint,
        protocol.identity,
        protocol.methods,
        protocol.changes,
        cell.weights,
        cell.precision,
        cut_head,
        factors,
        seeds,
        budget,
    )
    made = Ledger(
        dataset=cell.dataset,
        fingerprint=cell.fingerprint,
        protocol=protocol.name,
        version=protocol.version,
        shared=protocol.overrides,
        own=_own(protocol.changes),
        factors=factors,
        seeds=seeds,
        budget=budget,
        key=key,
    )
    found = read_ledger(root, key)
    check_search(root, made, found)
    return found or made


def _own(changes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what was set of methods' values, as ``--set`` takes it."""
    return tuple(f"{key}={value}" for key, value in changes.items() if key.startswith("methods."))
