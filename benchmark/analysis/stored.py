"""The records of a store that results are made of, and their comparable groups, or why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmark.analysis.groups import Group, group_records
from benchmark.errors import InputError
from benchmark.selection import chooses_nothing
from benchmark.store.ledger import without_tries
from benchmark.store.record import Record
from benchmark.store.store import Store
from benchmark.words import count


def study_records(
    store: Store, tell: Callable[[str], None], *, may_be_empty: bool = False
) -> list[Record]:
    """Return a store's records without the tries of ``fer-bench tune``.

    Values were chosen by the seeds of the tries, so that these are no results; and whoever chooses
    is to see no number of the test split.

    Args:
        store: the store.
        tell: is told what is left out.
        may_be_empty: whether there is something to show without a record.

    Raises:
        InputError: nothing is there, or nothing but tries.
    """
    found = store.records()
    if not found and not may_be_empty:
        raise InputError(f"no finished cells in {store.root}; fill it with 'fer-bench run'")
    kept = without_tries(found, store.root)
    left = len(found) - len(kept)
    tries = f"{count(left, 'try', 'tries')} of 'fer-bench tune', which report --detail tuning shows"
    if left and not kept and not may_be_empty:
        raise InputError(f"nothing in {store.root} but {tries}; 'fer-bench run' trains a study")
    if left:
        tell(f"left out: {tries}")
    return kept


def stored_groups(
    records: Sequence[Record], root: Path, rule: str, dataset: str | None = None
) -> list[Group]:
    """Return the groups of a store's records.

    Args:
        records: of it, at least one.
        root: its folder, for messages.
        rule: a name of :func:`benchmark.selection.rules`.
        dataset: only this one's; None for all.

    Raises:
        InputError: there are none; whether the dataset or the rule is the reason.
    """
    names = sorted({record.cell.dataset for record in records})
    if dataset is not None and dataset not in names:
        raise InputError(f"no records of {dataset} in {root}; stored: {', '.join(names)}")
    chosen = [record for record in records if dataset in (None, record.cell.dataset)]
    groups = group_records(chosen, rule)
    if not groups:
        raise InputError(chooses_nothing(rule))
    return groups
