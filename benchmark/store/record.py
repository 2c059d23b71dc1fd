"""A cell of the table, and the record that a finished one leaves."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

from benchmark.data.imbalance import factor_label
from benchmark.protocols.protocol import LATER, Protocol, Strict, counted
from benchmark.words import count, short

SCHEMA_VERSION: Literal[3] = 3
"""Of the records that are written; older ones are read through `benchmark.store.migrate`."""

MOST_IMAGES = 10**9
"""What no count of images reaches; larger ones are damage, and no sum of them overflows."""

LONGEST = 1e10
"""Seconds that no cell takes: three centuries."""

Count = Annotated[int, Field(ge=0, le=MOST_IMAGES)]
Seconds = Annotated[float, Field(ge=0, le=LONGEST)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Confusion = list[list[Count]]

Split = Literal["test", "validation"]
"""What an epoch is evaluated on."""


def _finite(value: Any) -> Any:
    """Refuse what JSON cannot carry, at any depth of values that no model describes."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number that is not finite")
    for inner in value.values() if isinstance(value, dict) else ():
        _finite(inner)
    for inner in value if isinstance(value, list | tuple) else ():
        _finite(inner)
    return value


Facts = Annotated[dict[str, Any], AfterValidator(_finite)]
"""What is told but never computed with: any JSON object."""


def _what_counts(value: Any) -> Any:
    """Keep what belongs to a cell's identity; cells that share a protocol share the object."""
    if isinstance(value, Protocol):
        value = value.identity
    return _read_protocol(json.dumps(value, sort_keys=True)) if isinstance(value, dict) else value


@lru_cache(maxsize=256)
def _read_protocol(text: str) -> Protocol:
    return Protocol.model_validate_json(text)


def _as_stored(protocol: Protocol) -> dict[str, Any]:
    """Dump what was set, so that an id hashes what was stored and no default of a later day."""
    return protocol.model_dump(mode="json", exclude_unset=True)


CellProtocol = Annotated[Protocol, BeforeValidator(_what_counts), PlainSerializer(_as_stored)]
"""A recipe without what does not belong to a cell's identity."""


def show_value(value: Any, digits: int = 4) -> str:
    """Return a hyper-parameter as people write it.

    Args:
        value: of any kind.
        digits: significant ones of a fraction. One of up to eight is printed whole, so that 0.9999
            and 0.99999 are told apart.
    """
    if not isinstance(value, float):
        return str(value)
    whole = f"{value:.8g}"
    return whole if float(whole) == value else f"{value:.{digits}g}"


class Stage(Strict):
    """What a second stage starts from, and how long it is.

    Attributes:
        method: whose final weights it starts from.
        version: of what that method computes.
        hyper: its hyper-parameters.
        first: id of the cell that they are of.
        epochs: passes over the training set; 0 where nothing is trained.
    """

    method: str
    version: Annotated[int, Field(ge=0, lt=2**63)]
    hyper: Facts
    first: Sha256
    epochs: Annotated[int, Field(ge=0, le=100_000)]


class Cell(Strict):
    """One square of the table, named by what its result depends on and nothing else.

    A field that is added once cells are stored is marked with
    :data:`benchmark.protocols.protocol.LATER`, so that their ids stay.

    Attributes:
        dataset: the dataset's name.
        fingerprint: SHA-256 of its content.
        factor: the imbalance factor, None for the unmodified set.
        split_seed: the seed that the training set was drawn by.
        split_hash: SHA-256 of its indices.
        class_counts: training images of each class.
        protocol: the recipe, without what does not belong to the identity.
        weights: SHA-256 of the backbone's initial weights, or ``scratch``.
        method: the method's name.
        hyper: its hyper-parameters.
        seed: the training seed.
        precision: of the backbone: ``fp32``, ``bf16`` or ``fp16``.
        method_version: of what the method computes; rises when its formula changes.
        stage: of a method that starts from another cell's final weights; None of any other.
    """

    dataset: str
    fingerprint: str
    factor: Annotated[float, Field(gt=0)] | None
    split_seed: Seed
    split_hash: str
    class_counts: tuple[Count, ...]
    protocol: CellProtocol
    weights: str
    method: str
    hyper: Facts
    seed: Seed
    precision: str
    method_version: Annotated[int, Field(ge=0, lt=2**63), LATER] = 1
    stage: Annotated[Stage | None, LATER] = None

    @field_validator("class_counts")
    @classmethod
    def _trained_on_something(cls, counts: tuple[int, ...]) -> tuple[int, ...]:
        if not any(counts):
            raise ValueError("no training images")
        return counts

    @cached_property
    def id(self) -> str:
        """SHA-256 (hex, 64 digits) of the cell's values, whatever their order."""
        text = json.dumps(counted(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def entries(self) -> int:
        """How many entries its history has: one an epoch, and one where nothing is trained."""
        epochs = self.protocol.training.epochs if self.stage is None else self.stage.epochs
        return max(1, epochs)

    @cached_property
    def name(self) -> str:
        """Method, dataset, factor and seed for people and patterns: ``mek-ferplus-150-s0``."""
        words = f"{self.method}-{self.dataset}-{factor_label(self.factor)}-s{self.seed}"
        # A folder that begins with a dot is hidden, and stores pass over those.
        return re.sub(r"[^A-Za-z0-9.-]+", "_", words)[:80].lstrip(".")

    @cached_property
    def slug(self) -> str:
        """A folder name that a person can read: the cell's name and the start of its id."""
        return f"{self.name}-{short(self.id)}"


class Epoch(Strict):
    """What one epoch left.

    Attributes:
        epoch: its number, from 1.
        loss: the mean of each term over the epoch's images.
        lr: the backbone's learning rate at its last step.
        seconds: of training, without evaluation.
        images: training images seen.
        test: confusion matrix on the test set.
        validation: confusion matrix on the validation set, where there is one.
        clean_validation: the same without images whose pixels stand in another split, where those
            are known.
    """

    epoch: Annotated[int, Field(ge=1)]
    loss: dict[str, float]
    lr: float
    seconds: Seconds
    images: Annotated[int, Field(ge=0, lt=2**63)]
    test: Confusion
    validation: Confusion | None = None
    clean_validation: Confusion | None = None

    def confusion(self, split: Split) -> Confusion | None:
        """Return the confusion matrix on a split, None where there is no such split."""
        return self.test if split == "test" else self.validation


class Record(Strict):
    """What one finished cell left; its logits stand beside it in ``logits.npz``.

    What it says must agree with itself here; that it agrees with its logits is
    `benchmark.store.whole`'s to say.

    Attributes:
        schema_version: of this form.
        id: the cell's id, kept to be checked.
        cell: the cell.
        method_title: the method's name in tables.
        method_venue: conference and year.
        classes: class names in the order of the columns.
        notes: what a reader should know of the dataset.
        history: an entry an epoch.
        logits: which epoch (from 0) each array of ``logits.npz`` belongs to.
        seconds: wall time by phase.
        provenance: machine, versions, command at its end: what does not belong to the identity.
        sessions: the same facts for each process that trained a part of it, and from which epoch.
        state_sha256: of the method's final weights and buffers.
        logits_sha256: of the file ``logits.npz``; None in records that came from schema 1.
        validation: which epoch each array of ``validation.npz`` belongs to, where there is one.
        validation_sha256: of that file.
        marks_sha256: of the marks of the dataset's images that ``clean_validation`` follows.
        weights_sha256: of the file of the final weights, where they were kept.
    """

    schema_version: Literal[3] = SCHEMA_VERSION
    id: str
    cell: Cell
    method_title: str
    method_venue: str
    classes: Annotated[tuple[Annotated[str, Field(pattern=r"\S")], ...], Field(min_length=2)]
    notes: tuple[str, ...]
    history: Annotated[list[Epoch], Field(min_length=1)]
    logits: dict[str, int]
    seconds: dict[str, Seconds]
    provenance: Facts
    sessions: list[Facts] = Field(default_factory=list)
    state_sha256: str | None = None
    logits_sha256: str | None = None
    validation: dict[str, int] = Field(default_factory=dict)
    validation_sha256: Sha256 | None = None
    marks_sha256: Sha256 | None = None
    weights_sha256: Sha256 | None = None

    def logits_name(self, index: int, split: Split = "test") -> str | None:
        """Return the array of a split's logits that belongs to an epoch (from 0), None if none."""
        kept = self.logits if split == "test" else self.validation
        return next((name for name, epoch in kept.items() if epoch == index), None)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Record:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: a name stands twice")
        if len(self.cell.class_counts) != len(self.classes):
            raise ValueError(f"cell.class_counts: not {len(self.classes)} of them")
        _check_epochs(self.history, self.cell.entries)
        for name, matrices in (
            ("test", [entry.test for entry in self.history]),
            ("validation", [entry.validation for entry in self.history]),
            ("clean_validation", [entry.clean_validation for entry in self.history]),
        ):
            _check_matrices(name, matrices, len(self.classes))
        _check_clean(self.history)
        _check_kept("logits", self.logits, len(self.history))
        _check_kept("validation", self.validation, len(self.history))
        if self.logits.get("last") != len(self.history) - 1:
            raise ValueError("logits: none of the last epoch")
        return self


def _check_epochs(history: Sequence[Epoch], expected: int) -> None:
    if [entry.epoch for entry in history] != list(range(1, len(history) + 1)):
        raise ValueError("history: the epochs are not numbered 1, 2, ...")
    if len(history) != expected:
        raise ValueError(f"history: {count(len(history), 'epoch')}, the cell has {expected}")


def _check_matrices(name: str, matrices: Sequence[Confusion | None], classes: int) -> None:
    """Refuse what would end in wrong numbers: other shapes, other images from epoch to epoch."""
    known = [matrix for matrix in matrices if matrix is not None]
    if not known:
        return
    if len(known) < len(matrices):
        raise ValueError(f"history: {name} is not there in every epoch")
    if any(len(m) != classes or any(len(row) != classes for row in m) for m in known):
        raise ValueError(f"history: a confusion matrix is not {classes} x {classes}")
    images = [list(map(sum, matrix)) for matrix in known]
    if not any(images[0]):
        raise ValueError(f"history: {name} has no images")
    if any(of_class != images[0] for of_class in images):
        raise ValueError(f"history: {name} has not the same images in every epoch")


def _check_clean(history: Sequence[Epoch]) -> None:
    for entry in history:
        if entry.clean_validation is None:
            continue
        rows = zip(entry.clean_validation, entry.validation or (), strict=False)
        counts = [pair for clean, whole in rows for pair in zip(clean, whole, strict=True)]
        if len(counts) < len(entry.clean_validation) ** 2 or any(n > of for n, of in counts):
            raise ValueError("history: clean_validation counts images that validation does not")


def _check_kept(name: str, kept: dict[str, int], epochs: int) -> None:
    for array, index in kept.items():
        if not 0 <= index < epochs:
            raise ValueError(f"{name}: {array} is of an epoch that the history has not")
        if array == "label":
            raise ValueError(f"{name}: label is no name for logits")
