"""From what was asked for to cells: methods x factors x seeds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

from benchmark.data.dataset import FaceDataset, Part
from benchmark.data.imbalance import SPLIT_SEED, Split, draw_split
from benchmark.errors import InputError
from benchmark.protocols import with_values
from benchmark.protocols.protocol import Protocol
from benchmark.store.record import Cell, Stage

if TYPE_CHECKING:
    from benchmark.models.build import Weights
    from methods.base import Hyper, Method, SecondStage


@dataclass(frozen=True, eq=False)
class Sweep:
    """All cells of a run with what they are trained on.

    Attributes:
        dataset: the dataset.
        splits: the training set of each factor.
        cells: in the order in which they are trained: whole seeds first, and a first stage before
            what starts from it.
        methods: the classes, by the name in the cells.
        weights: where the backbone's weights are read from; the cells hold only their identity.
    """

    dataset: FaceDataset
    splits: Mapping[float | None, Split]
    cells: Sequence[Cell]
    methods: Mapping[str, type[Method]]
    weights: Weights = None

    @cached_property
    def by_id(self) -> dict[str, Cell]:
        """The cells by their ids."""
        return {cell.id: cell for cell in self.cells}

    def first_stage(self, cell: Cell) -> Cell | None:
        """Return the cell whose final weights one starts from, None where it starts anew."""
        return None if cell.stage is None else self.by_id[cell.stage.first]


def plan(
    dataset: FaceDataset,
    methods: Mapping[str, type[Method]],
    factors: Sequence[float | None],
    seeds: Sequence[int],
    protocol: Protocol,
    *,
    weights: str,
    precision: str,
    cut_head: bool = False,
) -> Sweep:
    """Return the cells of methods x factors x seeds, and the first stages that they need.

    Args:
        dataset: the dataset.
        methods: classes by name.
        factors: imbalance factors, None for the unmodified set.
        seeds: training seeds.
        protocol: the recipe; with ``recipe = "authors"`` each method brings its own values.
        weights: identity of the backbone's initial weights.
        precision: resolved precision of the backbone.
        cut_head: reach factors that the tail cannot give by cutting the head.

    Raises:
        InputError: a factor cannot be reached, a hyper-parameter is unknown, a class has no test
            images, or a method starts from one that there is not.
    """
    named = {*methods, *protocol.others, *_known_methods()}
    unused = sorted(set(protocol.methods) - named)
    if unused:
        raise InputError(f"the protocol sets values of an unknown method: {', '.join(unused)}")
    _check_test_classes(dataset)
    splits = {
        factor: draw_split(dataset, factor, seed=SPLIT_SEED, cut_head=cut_head)
        for factor in factors
    }
    stages = _stages(methods, protocol)
    known = {**dict(first for _, first in stages.values()), **methods}
    recipes = {name: recipe(protocol, method) for name, method in known.items()}

    def make(name: str, factor: float | None, seed: int, stage: Stage | None = None) -> Cell:
        values, hyper = recipes[name]
        return Cell(
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            factor=factor,
            split_seed=splits[factor].seed,
            split_hash=splits[factor].hash,
            class_counts=splits[factor].counts,
            protocol=values,
            weights=weights,
            method=name,
            hyper=hyper_identity(hyper),
            seed=seed,
            precision=precision,
            method_version=known[name].info.version,
            stage=stage,
        )

    cells: dict[str, Cell] = {}
    for seed, factor, name in product(seeds, factors, methods):
        stage = None
        if name in stages:
            epochs, (first_name, _) = stages[name]
            first = make(first_name, factor, seed)
            cells.setdefault(first.id, first)
            stage = Stage(
                method=first_name,
                version=first.method_version,
                hyper=first.hyper,
                first=first.id,
                epochs=epochs,
            )
        cell = make(name, factor, seed, stage)
        cells.setdefault(cell.id, cell)
    return Sweep(dataset, splits, list(cells.values()), known)


def together(sweeps: Sequence[Sweep]) -> Sweep:
    """Return one sweep of the cells of several of the same dataset, each cell once."""
    first = sweeps[0]
    if len(sweeps) == 1:
        return first
    cells = {cell.id: cell for sweep in sweeps for cell in sweep.cells}
    methods = {name: method for sweep in sweeps for name, method in sweep.methods.items()}
    return dataclasses.replace(first, cells=list(cells.values()), methods=methods)


def _stages(
    methods: Mapping[str, type[Method]], protocol: Protocol
) -> dict[str, tuple[int, tuple[str, type[Method]]]]:
    """Return the epochs of second stages, each with its first stage's name and class, by method.

    Raises:
        InputError: a method starts from one that is not known, or that starts from another itself.
    """
    from methods import registry

    found = {}
    for name, method in methods.items():
        stage = second_stage(protocol, method)
        if stage is None:
            continue
        first = methods.get(stage.method) or registry.get(stage.method)
        if second_stage(protocol, first) is not None:
            raise InputError(
                f"{name} starts from {stage.method}, which starts from another method itself; "
                "there are two stages at most"
            )
        known_as = stage.method if stage.method in methods else first.info.name
        found[name] = stage.epochs, (known_as, first)
    return found


def second_stage(protocol: Protocol, method: type[Method]) -> SecondStage | None:
    """Return what a method starts from under a protocol, None where it starts anew."""
    return method.second_stage(recipe(protocol, method)[1])


def recipe(protocol: Protocol, method: type[Method]) -> tuple[Protocol, Hyper]:
    """Return the protocol and hyper-parameters that a method is trained with.

    With the shared recipe these are the protocol's. With the authors' one the protocol's values for
    the method do not count: the method's defaults and what it declares as its authors' own do. What
    the user set stands over either.

    Raises:
        InputError: an unknown hyper-parameter or one of the wrong type.
    """
    name = method.info.name
    if protocol.recipe == "shared":
        return protocol, make_hyper(method, protocol.methods.get(name, {}))
    own = {key: value for key, (value, _) in method.authors.protocol.items()}
    hyper = {key: value for key, (value, _) in method.authors.hyper.items()}
    prefix = f"methods.{name}."
    for key, value in protocol.changes.items():
        if key.startswith(prefix):
            hyper[key.removeprefix(prefix)] = value
    changes = {k: v for k, v in protocol.changes.items() if not k.startswith("methods.")}
    protocol = with_values(protocol, own, where=f"{name}: authors' recipe", mark=False)
    return with_values(protocol, changes, where="--set"), make_hyper(method, hyper)


def hyper_identity(hyper: Hyper) -> dict[str, Any]:
    """Return what a cell's identity takes from hyper-parameters.

    That is all but those that were added later and stand at their default, as in cells before them.
    """
    later = {f.name: f.default for f in dataclasses.fields(hyper) if f.metadata.get("later")}
    values = dataclasses.asdict(hyper)
    return {k: v for k, v in values.items() if k not in later or v != later[k]}


def make_hyper(method: type[Method], values: Mapping[str, Any]) -> Hyper:
    """Return a method's hyper-parameters with some values set.

    Raises:
        InputError: an unknown name, a value of another type than the default's, or out of bounds.
    """
    fields = {field.name: field for field in dataclasses.fields(method.Hyper)}
    name = method.info.name
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in fields:
            known = ", ".join(fields) or "none"
            raise InputError(f"{name} has no hyper-parameter '{key}'; known: {known}")
        default = fields[key].default
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{name}.{key}: must be a finite number, got {value!r}")
        if type(value) is not type(default):
            raise InputError(f"{name}.{key}: expected {type(default).__name__}, got {value!r}")
        low, high = fields[key].metadata.get("bounds", (None, None))
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            span = f"at least {low}" if high is None else f"from {low} to {high}"
            raise InputError(f"{name}.{key}: must be {span}, got {value!r}")
        checked[key] = value
    return method.Hyper(**checked)


def _known_methods() -> set[str]:
    from methods.registry import names

    return set(names())


def _check_test_classes(dataset: FaceDataset) -> None:
    counts = dataset.counts(Part.TEST)
    empty = [name for name, count in zip(dataset.classes, counts, strict=True) if not count]
    if empty:
        raise InputError(
            f"{dataset.name}: no test image of {', '.join(empty)}, so recall and mean accuracy "
            "mean nothing; check the dataset with 'fer-bench data counts'"
        )
