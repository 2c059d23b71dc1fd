"""A cell of the table, and the record that a finished one leaves."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from benchmark.data.imbalance import factor_label
from benchmark.protocol import Protocol, Strict

SCHEMA_VERSION: Literal[2] = 2
"""Of the records that are written; older ones are read through `benchmark.migrate`."""

Confusion = list[list[int]]

Split = Literal["test", "validation"]
"""What an epoch is evaluated on."""


def show_value(value: Any) -> str:
    """Return a hyper-parameter as people write it: four significant digits for a fraction.

    One of up to eight digits is printed whole, so that 0.9999 and 0.99999 are told apart.
    """
    if not isinstance(value, float):
        return str(value)
    whole = f"{value:.8g}"
    return whole if float(whole) == value else f"{value:.4g}"


class Cell(Strict):
    """One square of the table, named by what its result depends on and nothing else.

    Attributes:
        dataset: the dataset's name.
        fingerprint: SHA-256 of its content.
        factor: the imbalance factor, None for the unmodified set.
        split_seed: the seed that the training set was drawn by.
        split_hash: SHA-256 of its indices.
        class_counts: training images of each class.
        protocol: the protocol's values.
        weights: SHA-256 of the backbone's initial weights, or ``scratch``.
        method: the method's name.
        hyper: its hyper-parameters.
        seed: the training seed.
        precision: of the backbone: ``fp32``, ``bf16`` or ``fp16``.
        method_version: of what the method computes; rises when its formula changes.
    """

    dataset: str
    fingerprint: str
    factor: float | None
    split_seed: int
    split_hash: str
    class_counts: tuple[int, ...]
    protocol: dict[str, Any]
    weights: str
    method: str
    hyper: dict[str, Any]
    seed: int
    precision: str
    method_version: int = 1

    @cached_property
    def id(self) -> str:
        """SHA-256 (hex, 64 digits) of the cell's values, whatever their order.

        A value that cells of schema 1 did not have counts only where it departs from what they
        meant, so that their ids stay.
        """
        values = self.model_dump(mode="json")
        if self.method_version == 1:
            del values["method_version"]
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def name(self) -> str:
        """Method, dataset, factor and seed for people and patterns: ``mek-ferplus-150-s0``."""
        words = f"{self.method}-{self.dataset}-{factor_label(self.factor)}-s{self.seed}"
        # A folder that begins with a dot is hidden, and stores pass over those.
        return re.sub(r"[^A-Za-z0-9.-]+", "_", words)[:80].lstrip(".")

    @cached_property
    def slug(self) -> str:
        """A folder name that a person can read: the cell's name and the start of its id."""
        return f"{self.name}-{self.id[:12]}"

    def protocol_spec(self) -> Protocol:
        """Return the protocol as an object."""
        return Protocol.model_validate(self.protocol)


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
    """

    epoch: int
    loss: dict[str, float]
    lr: float
    seconds: float
    images: int
    test: Confusion
    validation: Confusion | None = None

    def confusion(self, split: Split) -> Confusion | None:
        """Return the confusion matrix on a split, None where there is no such split."""
        return self.test if split == "test" else self.validation


class Record(Strict):
    """What one finished cell left; its logits stand beside it in ``logits.npz``.

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
        state_sha256: of the method's final weights and buffers, which are not kept themselves.
        logits_sha256: of the file ``logits.npz``; None in records that came from schema 1.
    """

    schema_version: Literal[2] = SCHEMA_VERSION
    id: str
    cell: Cell
    method_title: str
    method_venue: str
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    history: Annotated[list[Epoch], Field(min_length=1)]
    logits: dict[str, int]
    seconds: dict[str, float]
    provenance: dict[str, Any]
    sessions: list[dict[str, Any]] = Field(default_factory=list)
    state_sha256: str | None = None
    logits_sha256: str | None = None

    @model_validator(mode="after")
    def _square(self) -> Record:
        for entry in self.history:
            for matrix in (entry.test, entry.validation):
                if matrix is not None:
                    _check_confusion(matrix, len(self.classes))
        return self


def _check_confusion(matrix: Confusion, num_classes: int) -> None:
    """Refuse what would end in wrong numbers: rows of other lengths, negative counts."""
    if len(matrix) != num_classes or any(len(row) != num_classes for row in matrix):
        raise ValueError(f"history: a confusion matrix is not {num_classes} x {num_classes}")
    if min(map(min, matrix)) < 0:
        raise ValueError("history: a confusion matrix has a negative count")
