"""The comparable groups of a store, or in one line why there are none."""

from __future__ import annotations

from benchmark.analysis.groups import Group, group_records
from benchmark.errors import InputError
from benchmark.selection import chooses_nothing
from benchmark.store.store import Store


def stored_groups(store: Store, rule: str, dataset: str | None = None) -> list[Group]:
    """Return the groups of a store's records.

    Args:
        store: the store.
        rule: a name of :func:`benchmark.selection.rules`.
        dataset: only this one's; None for all.

    Raises:
        InputError: there are none; whether the store, the dataset or the rule is the reason.
    """
    records = store.records()
    if not records:
        raise InputError(f"no finished cells in {store.root}; fill it with 'fer-bench run'")
    names = sorted({record.cell.dataset for record in records})
    if dataset is not None and dataset not in names:
        raise InputError(f"no records of {dataset} in {store.root}; stored: {', '.join(names)}")
    chosen = [record for record in records if dataset in (None, record.cell.dataset)]
    groups = group_records(chosen, rule)
    if not groups:
        raise InputError(chooses_nothing(rule))
    return groups
