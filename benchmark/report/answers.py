"""Stored records as rows that can be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.errors import InputError
from benchmark.record import Record
from benchmark.report.frame import GROUP, tidy
from benchmark.report.part import DATASET_TITLES
from benchmark.store import Store


@dataclass(frozen=True)
class Variant:
    """One method with its hyper-parameters on one training set: a record a seed.

    Attributes:
        method: its name.
        title: its name in tables.
        hyper: its hyper-parameters as text.
        factor: the imbalance factor, None for the unmodified set.
        split_seed: what the training set was drawn by.
        split_hash: SHA-256 of the training set's indices.
        records: by seed, ascending.
    """

    method: str
    title: str
    hyper: str
    factor: float | None
    split_seed: int
    split_hash: str
    records: Mapping[int, Record]


@dataclass(frozen=True)
class Group:
    """Variants that can be compared: they share what :data:`benchmark.report.frame.GROUP` names.

    Attributes:
        dataset: the dataset's name.
        title: dataset, protocol and whatever else they share, for people.
        classes: in the order of the labels.
        variants: in the order of the records.
    """

    dataset: str
    title: str
    classes: tuple[str, ...]
    variants: tuple[Variant, ...]

    def at(self, factor: float | None, method: str | None = None) -> list[Variant]:
        """Return the variants at a factor, of one method or all."""
        return [
            variant
            for variant in self.variants
            if variant.factor == factor and method in (None, variant.method)
        ]

    def factors(self) -> list[float | None]:
        """Return the factors that have records, the unmodified set last."""
        found = {variant.factor for variant in self.variants}
        return sorted(found, key=lambda f: math.inf if f is None else f)


def stored_groups(store: Store, rule: str, dataset: str | None = None) -> list[Group]:
    """Return the groups of a store's records.

    Args:
        store: the store.
        rule: a name of :data:`benchmark.selection.RULES`.
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
        raise InputError(
            f"no stored cell has a validation split, so --select {rule} chooses nothing; use last"
        )
    return groups


def group_records(records: Sequence[Record], rule: str) -> list[Group]:
    """Return the groups of the records that can follow a selection rule.

    Args:
        records: from a store.
        rule: a name of :data:`benchmark.selection.RULES`.
    """
    frame = tidy(records, [rule])
    if not len(frame):
        return []
    by_id = {record.id: record for record in records}
    groups = []
    for _, part in frame.groupby(list(GROUP), sort=True):
        members = [by_id[str(identity)] for identity in part["id"]]
        hyper = dict(zip(part["id"], part["hyper"], strict=True))
        groups.append(
            Group(
                dataset=members[0].cell.dataset,
                title=_title(members[0]),
                classes=members[0].classes,
                variants=tuple(_variants(members, hyper)),
            )
        )
    return groups


def _variants(records: Sequence[Record], hyper: Mapping[str, str]) -> list[Variant]:
    # Whatever names a cell but its seed: a field that a later form of cells adds counts as well.
    found: dict[str, dict[int, Record]] = {}
    for record in records:
        key = record.cell.model_dump_json(exclude={"seed"})
        found.setdefault(key, {})[record.cell.seed] = record
    variants = []
    for by_seed in found.values():
        first = next(iter(by_seed.values()))
        variants.append(
            Variant(
                method=first.cell.method,
                title=first.method_title,
                hyper=hyper[first.id],
                factor=first.cell.factor,
                split_seed=first.cell.split_seed,
                split_hash=first.cell.split_hash,
                records=dict(sorted(by_seed.items())),
            )
        )
    return variants


def _title(record: Record) -> str:
    cell, protocol = record.cell, record.cell.protocol
    start = "from scratch" if cell.weights == "scratch" else f"weights {cell.weights[:12]}"
    words = [
        DATASET_TITLES.get(cell.dataset, cell.dataset) + f" ({cell.fingerprint[:8]})",
        f"protocol {protocol.name} v{protocol.version} ({protocol.values_hash})",
        f"{protocol.recipe} recipe",
        f"{protocol.backbone.name} ({start})",
        cell.precision,
        *protocol.overrides,
    ]
    return ", ".join(words)
