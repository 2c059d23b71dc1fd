"""What a training protocol holds; `benchmark.protocols` reads them from TOML."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Range = tuple[Fraction, Fraction]


class Strict(BaseModel):
    """Unknown keys are errors: a misspelt value must not pass for its default."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


LATER = "later"
"""Marks a value that cells did not have from the beginning: ``Annotated[int, LATER] = 0``.

It counts in a cell's id only where it departs from its default, which is what cells that were
trained before meant: so their ids stay. Hyper-parameters are marked by
:func:`methods.base.sourced`.
"""


def counted(model: BaseModel) -> dict[str, Any]:
    """Return what a model dumps as JSON, without later values that stand at their default."""
    values = model.model_dump(mode="json")
    _drop_later(model, values)
    return values


def _drop_later(model: BaseModel, values: dict[str, Any]) -> None:
    """Drop from what a model dumped the later values that stand at their default, at any depth."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            _drop_later(value, values[name])
        elif LATER in field.metadata and value == field.get_default(call_default_factory=True):
            values.pop(name, None)


class BackboneSpec(Strict):
    """The network that features come from."""

    name: Annotated[str, Field(min_length=1)]


class ImageSpec(Strict):
    """What the network is fed.

    Attributes:
        size: height and width in pixels.
        mean: subtracted from each channel, on the scale 0..255.
        deviation: each channel is divided by it, on the scale 0..255.
    """

    size: Annotated[int, Field(ge=16, le=1024)]
    mean: tuple[float, float, float]
    deviation: tuple[Positive, Positive, Positive]


class AugmentSpec(Strict):
    """Random changes of a training image.

    Attributes:
        flip: probability of mirroring; a method that has a mirrored view says whether it is used.
        rotation: largest angle, radians.
        zoom: largest relative change of scale.
        shift: largest shift, as a fraction of the side.
        noise: probability of Gaussian noise.
        noise_variance: of that noise, on the scale 0..255.
        erase: probability of erasing one rectangle.
        erase_shape: how the rectangle is drawn: ``sides`` draws height and width as fractions of
            the side; ``area`` draws the area as a fraction of the image, with an aspect ratio
            between 0.3 and 3.3.
        erase_range: the bounds of that fraction.
    """

    flip: Fraction
    rotation: Annotated[float, Field(ge=0, lt=3.2)]
    zoom: Annotated[float, Field(ge=0, lt=1)]
    shift: Fraction
    noise: Fraction
    noise_variance: Annotated[float, Field(ge=0)]
    erase: Fraction
    erase_shape: Literal["sides", "area"]
    erase_range: Range

    @model_validator(mode="after")
    def _ordered(self) -> AugmentSpec:
        if self.erase_range[0] > self.erase_range[1]:
            raise ValueError("erase_range: the lower bound is above the upper one")
        return self


class TrainingSpec(Strict):
    """The optimiser and its schedule.

    Attributes:
        epochs: passes over the training set.
        batch_size: images a step.
        optimizer: which one; ``sgd`` has momentum 0.9 and ``nesterov`` is SGD with Nesterov's.
        lr: learning rate of the backbone.
        head_lr: learning rate of everything else.
        weight_decay: decoupled for AdamW, added to the gradient otherwise.
        decay_vectors: whether biases and norm weights decay too.
        schedule: ``exponential`` multiplies by ``gamma`` after each epoch, ``multistep`` at each
            milestone; ``onecycle`` and ``cosine`` move at each step.
        gamma: of the exponential and multistep schedules.
        milestones: of the multistep schedule, as fractions of all epochs.
        warmup: the fraction of all steps in which the rate rises.
        clip_norm: largest norm of the gradient; 0 clips nothing.
        precision: of the backbone; heads and losses are float32. ``auto`` is bf16 where the device
            has it, else fp16 on CUDA, else fp32.
        compile: whether the backbone is trained by kernels that torch.compile makes, which round
            in another order than torch's own; evaluation never is.
    """

    epochs: Annotated[int, Field(ge=1, le=100_000)]
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)]
    optimizer: Literal["adam", "adamw", "sgd", "nesterov"]
    lr: Positive
    head_lr: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    decay_vectors: bool
    schedule: Literal["constant", "exponential", "multistep", "onecycle", "cosine"]
    gamma: Annotated[float, Field(gt=0, le=1)]
    milestones: tuple[Fraction, ...] = ()
    warmup: Annotated[float, Field(ge=0, lt=1)]
    clip_norm: Annotated[float, Field(ge=0)]
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    compile: Annotated[bool, LATER] = False


class Protocol(Strict):
    """One recipe that all methods of a table share.

    Attributes:
        name: how it is called.
        version: rises whenever a value changes.
        summary: one line on what it is for.
        backbone: the network that features come from.
        image: what it is fed.
        augment: random changes of a training image.
        training: the optimiser and its schedule.
        methods: hyper-parameters that this protocol sets, by method.
        others: methods of other packages among these, which need not be installed where none of
            them is trained.
        sources: where each value comes from, keyed by dotted name.
        overrides: dotted names and values set over the protocol's own, as ``key=value``.
        changes: the same values as they were set, so that they can be set over others too.
        recipe: ``shared`` for one recipe for all methods, ``authors`` for each method's own.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    version: Annotated[int, Field(ge=1)]
    summary: str = ""
    backbone: BackboneSpec
    image: ImageSpec
    augment: AugmentSpec
    training: TrainingSpec
    methods: dict[str, dict[str, Any]] = Field(default_factory=dict)
    others: tuple[str, ...] = ()
    sources: dict[str, str] = Field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    changes: dict[str, Any] = Field(default_factory=dict)
    recipe: Literal["shared", "authors"] = "shared"

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What a cell's identity takes from the protocol: values, not their sources.

        The methods' hyper-parameters are left out, as each cell names those of its own method.
        """
        apart = {"summary", "methods", "others", "sources", "changes"}
        return {key: value for key, value in counted(self).items() if key not in apart}

    @cached_property
    def values_hash(self) -> str:
        """Eight digits that tell protocols apart whatever they are called.

        With the authors' recipe each method trains in its own way, which counts for nothing here.
        """
        named = {"name", "version", "overrides", "recipe"}
        if self.recipe == "authors":
            named.add("training")
        kept = {key: value for key, value in self.identity.items() if key not in named}
        text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:8]
