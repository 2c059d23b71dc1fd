"""Which cells can be compared, and which of them are the runs of one row.

The one definition: tables, figures, tests, claims and the gate take their rows from here, so that
none of them pools what another keeps apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from benchmark.analysis.decoration import Decoration
from benchmark.data.known import dataset_title
from benchmark.selection import rules
from benchmark.store.record import Record, Split, show_value
from benchmark.words import count, short
from methods.registry import BUILT_IN

Factor = float | None
"""An imbalance factor; None is the unmodified set."""


class Shared(NamedTuple):
    """What the cells of one group share: numbers that differ in these are not comparable.

    Attributes:
        dataset: its name.
        fingerprint: SHA-256 of its content.
        protocol: its name.
        version: the protocol's.
        recipe: of the protocol.
        overrides: values that were set over the protocol's, as text.
        backbone: its name.
        weights: SHA-256 of the backbone's initial weights, or ``scratch``.
        precision: of the backbone.
        values: a hash of everything else that the protocol says.
    """

    dataset: str
    fingerprint: str
    protocol: str
    version: int
    recipe: str
    overrides: tuple[str, ...]
    backbone: str
    weights: str
    precision: str
    values: str

    @property
    def start(self) -> str:
        """What the backbone starts from, in words."""
        return "from scratch" if self.weights == "scratch" else f"weights {short(self.weights)}"

    @property
    def title(self) -> str:
        """All of them in one line, for people."""
        words = [
            f"{dataset_title(self.dataset)} ({self.fingerprint[:8]})",
            f"protocol {self.protocol} v{self.version} ({self.values})",
            f"{self.recipe} recipe",
            f"{self.backbone} ({self.start})",
            self.precision,
        ]
        return ", ".join([*words, *self.overrides])

    def differing(self, others: Iterable[Shared]) -> str:
        """Return in what it differs from others of its dataset and protocol, empty if from none."""
        named = {
            "fingerprint": f"data {self.fingerprint[:8]}",
            "version": f"v{self.version}",
            "recipe": f"{self.recipe} recipe",
            "overrides": " ".join(self.overrides) or "as it stands",
            "backbone": self.backbone,
            "weights": self.start,
            "precision": self.precision,
            "values": f"values {self.values}",
        }
        alike = [o for o in others if (o.dataset, o.protocol) == (self.dataset, self.protocol)]
        apart = [k for k in named if any(getattr(o, k) != getattr(self, k) for o in alike)]
        if len(apart) > 1 and set(apart) & {"version", "recipe", "overrides", "backbone"}:
            apart = [key for key in apart if key != "values"]  # which only sums those up
        return ", ".join(named[key] for key in apart)

    def columns(self) -> dict[str, str | int]:
        """Return them for a frame, by name."""
        return {**self._asdict(), "overrides": " ".join(self.overrides)}


class Run(NamedTuple):
    """What tells the runs of one entry apart.

    Attributes:
        seed: of training.
        split_seed: of the drawn training set.
        repeat: counts runs that share both, from 0.
    """

    seed: int
    split_seed: int
    repeat: int = 0

    @property
    def shown(self) -> int | str:
        """Its seed; where another seed than 0 drew the training set, both in words."""
        return f"{self.seed} (split seed {self.split_seed})" if self.split_seed else self.seed


@dataclass(frozen=True, eq=False)
class Entry:
    """One row: the runs of one method with one set of hyper-parameters at one factor.

    Attributes:
        group: what it shares with every entry that it can be compared with.
        method: its name.
        title: its name in tables.
        venue: conference and year.
        factor: None for the unmodified set.
        hyper: its hyper-parameters as text, and its version where that is not the first.
        train_images: how many it was trained on: one factor can be reached in two ways.
        runs: records by run, in order.
        apart: in what it differs from other entries of its method, empty where nothing has to be
            said.
        decoration: how its records are read where that is not the plain way.
    """

    group: Shared
    method: str
    title: str
    venue: str
    factor: Factor
    hyper: str
    train_images: int
    runs: Mapping[Run, Record]
    apart: str = ""
    decoration: Decoration | None = None

    @property
    def label(self) -> str:
        """Its name in tables, and what tells it from other entries of its method."""
        name = f"{self.title} ({self.apart})" if self.apart else self.title
        return name if self.decoration is None else f"{name}{self.decoration.suffix}"

    @cached_property
    def ids(self) -> dict[Run, str]:
        """The records' ids by run."""
        return {run: record.id for run, record in self.runs.items()}

    @property
    def first(self) -> Record:
        """The record of its first run."""
        return next(iter(self.runs.values()))


@dataclass(frozen=True, eq=False)
class Group:
    """Entries that can be compared.

    Attributes:
        shared: what all of their cells share.
        entries: by factor (ascending, the unmodified set last), method (the registry's order) and
            hyper-parameters.
        older: records that take no part, because a method's newer version has some here.
    """

    shared: Shared
    entries: tuple[Entry, ...]
    older: tuple[Record, ...] = ()

    @cached_property
    def records(self) -> dict[str, Record]:
        """The records of all entries by id."""
        return {r.id: r for entry in self.entries for r in entry.runs.values()}

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the labels."""
        return self.entries[0].first.classes

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The factors that have entries, ascending, the unmodified set last."""
        return tuple(dict.fromkeys(entry.factor for entry in self.entries))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that have entries, in the registry's order."""
        return tuple(sorted({entry.method for entry in self.entries}, key=method_rank))

    def at(self, factor: Factor, method: str | None = None) -> list[Entry]:
        """Return the entries at a factor, of one method or all."""
        return [
            entry
            for entry in self.entries
            if entry.factor == factor and method in (None, entry.method)
        ]


def group_records(
    records: Iterable[Record], rule: str = "last", *, split: Split = "test", older: bool = False
) -> list[Group]:
    """Return the groups of records in a fixed order, whatever theirs.

    Of a method's versions only the newest that a group has counts: what older code computed is no
    further seed of it, and no other row either unless that is asked for.

    Args:
        records: from one store.
        rule: a name of :func:`benchmark.selection.rules`; a record that cannot follow it is left
            out.
        split: what the numbers are of; a record without it is left out.
        older: give records of a method's older versions rows of their own.
    """
    found: dict[Shared, list[Record]] = {}
    for record in records:
        found.setdefault(shared_of(record), []).append(record)
    groups = []
    for shared, members in sorted(found.items()):
        kept, behind = (members, []) if older else _newest(members)
        kept = [record for record in kept if can_follow(record, rule, split)]
        if kept:
            groups.append(Group(shared, tuple(tell_apart(_entries(shared, kept))), tuple(behind)))
    return groups


def replaced(groups: Iterable[Group]) -> str:
    """Return which cells take no part, because a newer version of their method has some.

    Empty where there are none; else the beginning of no sentence, and without its point.
    """
    cells = [record.cell for group in groups for record in group.older]
    if not cells:
        return ""
    versions = sorted({f"{cell.method} v{cell.method_version}" for cell in cells})
    return (
        f"{count(len(cells), 'cell')} of {', '.join(versions)}, which a newer version of the "
        "method replaces (report --mixed shows them)"
    )


def shared_of(record: Record) -> Shared:
    """Return what a record's cell shares with every cell that it can be compared with."""
    cell, protocol = record.cell, record.cell.protocol
    return Shared(
        dataset=cell.dataset,
        fingerprint=cell.fingerprint,
        protocol=protocol.name,
        version=protocol.version,
        recipe=protocol.recipe,
        overrides=tuple(protocol.overrides),
        backbone=protocol.backbone.name,
        weights=cell.weights,
        precision=cell.precision,
        values=protocol.values_hash,
    )


def hyper_text(record: Record) -> str:
    """Return the hyper-parameters, and the version of a method whose formula has changed.

    Those of a first stage stand with the name of its method.
    """
    version = {"version": record.cell.method_version} if record.cell.method_version > 1 else {}
    values = version | record.cell.hyper
    stage = record.cell.stage
    if stage is not None:
        first = stage.hyper | ({"version": stage.version} if stage.version > 1 else {})
        values |= {f"{stage.method}.{key}": value for key, value in first.items()}
    return " ".join(f"{key}={show_value(value)}" for key, value in values.items())


def can_follow(record: Record, rule: str, split: Split) -> bool:
    """Whether a rule chooses an epoch of a record that has numbers of a split."""
    index = rules()[rule].choose(record.history)
    return index is not None and record.history[index].confusion(split) is not None


def tell_apart(entries: Sequence[Entry]) -> list[Entry]:
    """Say of each entry in what it differs from others of its method among these.

    That is the hyper-parameters that not all of them have, whatever the factor; and the number of
    training images where one group has several at one factor.
    """
    hypers: dict[str, list[set[str]]] = {}
    sizes: dict[tuple[Shared, str, Factor], set[int]] = {}
    for entry in entries:
        hypers.setdefault(entry.method, []).append(set(entry.hyper.split()))
        sizes.setdefault((entry.group, entry.method, entry.factor), set()).add(entry.train_images)
    common = {method: set.intersection(*words) for method, words in hypers.items()}
    result = []
    for entry in entries:
        own = [word for word in entry.hyper.split() if word not in common[entry.method]]
        apart = [" ".join(own)] if own else []
        if len(sizes[entry.group, entry.method, entry.factor]) > 1:
            apart.append(count(entry.train_images, "training image"))
        result.append(replace(entry, apart="; ".join(apart)))
    return result


def method_rank(method: str) -> tuple[int, str]:
    """Return the key that sorts methods: the registry's order, then others by name."""
    order = list(BUILT_IN)
    return (order.index(method) if method in order else len(order), method)


def factor_rank(factor: Factor) -> float:
    """Return the key that sorts factors: ascending, the unmodified set last."""
    return math.inf if factor is None else factor


def sorted_factors(factors: Iterable[Factor]) -> tuple[Factor, ...]:
    """Return distinct factors in order."""
    return tuple(sorted(set(factors), key=factor_rank))


def _newest(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Return the records of each method's newest version, and the others."""
    newest: dict[str, int] = {}
    for record in records:
        cell = record.cell
        newest[cell.method] = max(newest.get(cell.method, 0), cell.method_version)
    kept = [r for r in records if r.cell.method_version == newest[r.cell.method]]
    return kept, [r for r in records if r.cell.method_version < newest[r.cell.method]]


_DRAWN: dict[str, Any] = {
    "seed": True,
    "split_seed": True,
    "split_hash": True,
    "class_counts": True,
    "stage": {"first"},
}
"""What differs between the runs of one entry."""


def _entries(shared: Shared, records: Sequence[Record]) -> list[Entry]:
    found: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        # Whatever names a cell, so that a field which is added to cells counts as well; the
        # protocol is shared.
        rest = record.cell.model_dump_json(exclude=_DRAWN | {"protocol": True})
        cell = record.cell
        place = (factor_rank(cell.factor), method_rank(cell.method), hyper_text(record))
        found.setdefault((*place, sum(cell.class_counts), rest), []).append(record)
    return [_entry(shared, members) for _, members in sorted(found.items())]


def _entry(shared: Shared, records: Sequence[Record]) -> Entry:
    runs: dict[Run, Record] = {}
    for record in sorted(records, key=lambda r: (r.cell.seed, r.cell.split_seed, r.id)):
        run = Run(record.cell.seed, record.cell.split_seed)
        while run in runs:
            run = run._replace(repeat=run.repeat + 1)
        runs[run] = record
    first = next(iter(runs.values()))
    return Entry(
        group=shared,
        method=first.cell.method,
        title=first.method_title,
        venue=first.method_venue,
        factor=first.cell.factor,
        hyper=hyper_text(first),
        train_images=sum(first.cell.class_counts),
        runs=runs,
    )
