"""What a method is: it says what it needs and how it scores a batch; the trainer owns the rest."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from benchmark.models.backbone import Backbone
from methods.functional.attention import gradient_attention_maps
from methods.search import Space


class Views(Enum):
    """The images of one sample that a method asks for."""

    ONE = "one augmented image, mirrored at random"
    MIRRORED = "one augmented image and its exact mirror"
    TWO = "two independent augmentations"


@dataclass(frozen=True)
class MethodInfo:
    """Where a method comes from.

    Attributes:
        name: the name on the command line.
        title: the name in a table.
        venue: conference and year as the paper's Table 3 writes it, or ``-``.
        paper: the paper's title.
        url: a link to the paper.
        code: a link to the authors' code, empty where none was published.
        version: of what this implementation computes. Raise it when its results change: cells
            trained before then count as stale.
    """

    name: str
    title: str
    venue: str
    paper: str
    url: str
    code: str = ""
    version: int = 1


ClassShares = Callable[[tuple[int, ...], int, int], Tensor]
"""How an epoch's samples are divided among the classes: class counts (K of them), the epoch from 0
and all epochs to probabilities (K,), which sum to 1. Within a class every sample is as likely."""


def sourced(
    default: Any,
    source: str,
    *,
    low: float | None = None,
    high: float | None = None,
    later: bool = False,
    search: Space | None = None,
) -> Any:
    """Declare a hyper-parameter.

    Args:
        default: its value.
        source: where that comes from.
        low: the least that it may be.
        high: the most that it may be.
        later: it was added when cells of the method were stored already: it counts in a cell's id
            only where it departs from its default, which must be what they were trained with.
        search: where it is looked for when values are chosen; None where it never is.
    """
    metadata = {"source": source, "bounds": (low, high), "later": later, "search": search}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Hyper:
    """Base of every method's hyper-parameters; a method without any uses it as it is."""

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the source of every default, keyed by hyper-parameter."""
        return {f.name: str(f.metadata.get("source", "")) for f in dataclasses.fields(cls)}

    @classmethod
    def spaces(cls) -> dict[str, Space]:
        """Return the search space of every hyper-parameter that has one, keyed by its name."""
        found = {f.name: f.metadata.get("search") for f in dataclasses.fields(cls)}
        return {name: space for name, space in found.items() if space is not None}


@dataclass(frozen=True)
class Authors:
    """The optimiser, schedule and hyper-parameters of a method's own authors.

    Images, augmentation and backbone stay the protocol's: a paper is not reproduced by this alone.

    Attributes:
        hyper: hyper-parameters that differ from the shared recipe, value and source.
        protocol: protocol values (dotted names such as ``training.lr``), value and source.
        from_scratch: whether it means a network that starts from random weights; its rates and
            lengths do not fit one that is trained already.
    """

    hyper: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    protocol: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    from_scratch: bool = False


@dataclass(frozen=True)
class SecondStage:
    """That a method starts from the final weights of another one, trained as a cell of its own.

    Its rates fall along a half cosine from their largest, whatever the protocol's schedule is.

    Attributes:
        method: the name of the other method.
        epochs: passes over the training set; 0 where nothing is trained.
        rate: a factor on the protocol's rates.
    """

    method: str
    epochs: int
    rate: float = 1.0


@dataclass(frozen=True, eq=False)
class Task:
    """What a method may know of the training set before it starts.

    Attributes:
        num_classes: K.
        class_counts: images of each class in the set trained on, length K.
        labels: int64, (n,), the label of each training image, in the order of ``Batch.index``.
        batch_size: images a step.
        map_size: height and width of the backbone's feature map at the protocol's image size.
    """

    num_classes: int
    class_counts: tuple[int, ...]
    labels: Tensor
    batch_size: int
    map_size: tuple[int, int]

    def __post_init__(self) -> None:
        """Refuse labels and counts that describe no training set."""
        if self.num_classes < 2 or len(self.class_counts) != self.num_classes:
            raise ValueError(f"{self.num_classes} classes but {len(self.class_counts)} counts")
        if min(self.class_counts) < 1:
            raise ValueError(f"every class needs training images, got {self.class_counts}")
        _check_labels(self.labels, self.num_classes)


@dataclass(frozen=True, eq=False)
class Stream:
    """A second draw of samples beside the batch.

    Attributes:
        index: int64, (B,), positions in the training set.
        label: int64, (B,).
        images: float32, (B, 3, H, W).
    """

    index: Tensor
    label: Tensor
    images: Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """One batch, on the device, augmented and normalised.

    Attributes:
        index: int64, (B,), positions in the training set (0..n-1).
        label: int64, (B,).
        views: one or two tensors, float32, (B, 3, H, W), as the method's ``views`` asks.
        second: the stream of the reversed sampler, where the method asks for one.
    """

    index: Tensor
    label: Tensor
    views: tuple[Tensor, ...]
    second: Stream | None = None

    @property
    def images(self) -> Tensor:
        """The first view."""
        return self.views[0]


@dataclass(frozen=True)
class Progress:
    """Where training stands.

    Attributes:
        epoch: the current epoch, from 0.
        epochs: epochs in all.
        step: optimiser steps taken before this one.
        steps: optimiser steps in all; 0 where nobody counted them.
    """

    epoch: int
    epochs: int
    step: int
    steps: int = 0

    @property
    def passed(self) -> float:
        """Epochs that have passed, with the part of the current one; whole ones without a count."""
        return self.epochs * self.step / self.steps if self.steps else float(self.epoch)


class LossParts:
    """The named terms of a loss, each a scalar with its weight already applied."""

    def __init__(self, **terms: Tensor) -> None:
        self.terms = terms

    @property
    def total(self) -> Tensor:
        """The sum of the terms, which is what is minimised."""
        return torch.stack([term.float() for term in self.terms.values()]).sum()


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share a learning rate.

    Attributes:
        parameters: the parameters.
        head: whether they take the protocol's head learning rate instead of the backbone's.
        lr_scale: a factor on that rate.
    """

    parameters: Sequence[nn.Parameter]
    head: bool
    lr_scale: float = 1.0


class Method(nn.Module, ABC):
    """One way to train a classifier of expressions.

    A subclass declares ``info``, its hyper-parameters as a frozen dataclass ``Hyper`` and the views
    it needs, builds its heads on the backbone, and scores a batch. It keeps mutable state in
    buffers, so that a checkpoint holds it, and never moves a tensor to a device, opens a file or
    reads the clock.
    """

    info: ClassVar[MethodInfo]
    views: ClassVar[Views] = Views.ONE
    mirror_first: ClassVar[bool] = False
    """Whether images are mirrored at random before their mirrored pair is made."""
    reversed_stream: ClassVar[bool] = False
    Hyper: ClassVar[type[Hyper]] = Hyper
    authors: ClassVar[Authors] = Authors()

    @classmethod
    def sampling(cls, hyper: Any) -> ClassShares | None:
        """Return how training samples are drawn; by default each stands once in an epoch.

        An epoch has as many samples either way. They are drawn with replacement, from the seed and
        the epoch alone.

        Args:
            hyper: an instance of the class's ``Hyper``.
        """
        return None

    @classmethod
    def second_stage(cls, hyper: Any) -> SecondStage | None:
        """Return which method's final weights this one starts from; by default it starts anew.

        Args:
            hyper: an instance of the class's ``Hyper``.
        """
        return None

    def __init__(self, backbone: Backbone, task: Task, hyper: Any) -> None:
        """Keep the backbone; subclasses add their heads.

        Args:
            backbone: gives feature maps (B, C, h, w) and pooled vectors (B, C).
            task: classes, counts and labels of the training set.
            hyper: an instance of the subclass's ``Hyper``.
        """
        super().__init__()
        self.backbone = backbone
        self.hyper = hyper
        self.num_classes = task.num_classes
        self._frozen: list[nn.Module] = []

    def freeze(self, part: nn.Module) -> None:
        """Keep a part as it is: it gets no gradients, and its norms stay in eval mode."""
        part.requires_grad_(False)
        self._frozen.append(part.eval())

    @property
    def frozen(self) -> tuple[nn.Module, ...]:
        """The parts that are kept as they are."""
        return tuple(self._frozen)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but what is frozen."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Take over what a second stage starts from; by default all weights and buffers.

        Args:
            state: weights and buffers of the first stage's method by name, after its last step.
        """
        self.load_state_dict(state)

    def forward(self, batch: Batch, progress: Progress) -> LossParts:
        """Check the batch and score it; this is what the trainer calls.

        Raises:
            ValueError: a label outside 0..K-1 (looked for where looking does not wait for a GPU).
        """
        if batch.label.is_cpu:
            _check_labels(batch.label, self.num_classes)
            if batch.second is not None:
                _check_labels(batch.second.label, self.num_classes)
        return self.loss(batch, progress)

    @abstractmethod
    def loss(self, batch: Batch, progress: Progress) -> LossParts:
        """Score a batch in training mode; the terms are scalars with gradients."""

    @abstractmethod
    def predict(self, images: Tensor) -> Tensor:
        """Return logits, float32 (B, K), of normalised images (B, 3, H, W)."""

    def after_step(self, progress: Progress) -> None:
        """Do what must follow an optimiser step; ``progress.step`` counts that step too."""

    def attention(self, images: Tensor) -> Tensor:
        """Return the class attention maps, float32 (B, K, h, w), of normalised images.

        How much each place of the last feature map adds to each logit; see
        :func:`methods.functional.gradient_attention_maps`. It is asked in eval mode.

        Raises:
            ValueError: the logits do not come from a feature map of a backbone.
        """
        backbones = [part for part in self.modules() if isinstance(part, Backbone)]
        with torch.inference_mode(False), torch.enable_grad(), Backbone.watched(backbones) as last:
            return gradient_attention_maps(self.predict(images), last)

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return every trainable parameter once; by default the backbone and the rest."""
        trainable = [p for p in self.parameters() if p.requires_grad]
        of_backbone = {id(p) for p in self.backbone.parameters()}
        return [
            ParameterGroup([p for p in trainable if id(p) in of_backbone], head=False),
            ParameterGroup([p for p in trainable if id(p) not in of_backbone], head=True),
        ]


def _check_labels(labels: Tensor, num_classes: int) -> None:
    """Refuse labels that some losses would silently skip (-100) or wrap around (-1)."""
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise ValueError(
            f"labels must lie in 0..{num_classes - 1}, got {int(labels.min())}..{int(labels.max())}"
        )
