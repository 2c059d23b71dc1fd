"""What every method must keep, as checks that run on any method, ours or yours.

Each check takes the class and raises :class:`ContractError` with what is wrong. The checks use a
toy network and 16-pixel images, so all of them together take seconds.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import random
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.errors import describe
from benchmark.models.backbone import Backbone
from benchmark.words import count
from methods import registry
from methods.base import Batch, LossParts, Method, Progress, Stream, Task, Views

_SIZE = 16
_CHANNELS = 8


class ContractError(AssertionError):
    """A method does not keep the contract."""


class ToyBackbone(Backbone):
    """A network small enough for a check: 16 px to a map of 8 x 4 x 4 and two residual blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "toy"
        self.channels = _CHANNELS
        self.stem = nn.Conv2d(3, _CHANNELS, 4, stride=4)
        self.blocks = nn.Sequential(_ToyBlock(), _ToyBlock())

    def features(self, images: Tensor) -> Tensor:
        """Return the map (B, 8, 4, 4)."""
        maps: Tensor = self.blocks(self.stem(images))
        return maps

    def last_stage_blocks(self) -> nn.Sequential:
        """Return both blocks."""
        return self.blocks


class _ToyBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(_CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        activated: Tensor = torch.relu(x + self.norm(self.conv(x)))
        return activated


def toy_method(method: type[Method], num_classes: int = 7, n: int = 64, seed: int = 0) -> Method:
    """Return the method on the toy network, for n training images."""
    torch.manual_seed(seed)
    labels = toy_labels(n, num_classes)
    counts = torch.bincount(labels, minlength=num_classes).tolist()
    task = Task(num_classes, tuple(counts), labels, batch_size=n, map_size=(4, 4))
    return method(ToyBackbone(), task, method.Hyper())


def toy_labels(n: int, num_classes: int) -> Tensor:
    """Return labels in which every class stands, the first most often."""
    tail = torch.arange(num_classes)
    return torch.cat([tail, torch.arange(max(0, n - num_classes)) // 2 % num_classes])


def toy_batch(
    method: type[Method], index: Tensor, label: Tensor, num_classes: int, seed: int = 0
) -> Batch:
    """Return a batch of images that show their class, in the views that the method asks for."""
    generator = torch.Generator().manual_seed(seed)

    def images(of: Tensor) -> Tensor:
        noise = 0.3 * torch.randn(len(of), 3, _SIZE, _SIZE, generator=generator)
        bright = of.float()[:, None, None] / num_classes * _SIZE
        return noise + (torch.arange(_SIZE) < bright).float()[:, None]

    first = images(label)
    views: tuple[Tensor, ...] = (first,)
    if method.views is Views.MIRRORED:
        views = (first, first.flip(-1))
    elif method.views is Views.TWO:
        views = (first, images(label))
    second = None
    if method.reversed_stream:
        second = Stream(index.flip(0), label.flip(0), images(label.flip(0)))
    return Batch(index, label, views, second)


def step(method: Method, batch: Batch, optimizer: torch.optim.Optimizer, number: int) -> LossParts:
    """Take one optimiser step as the trainer does."""
    progress = Progress(epoch=number // 10, epochs=10, step=number, steps=100)
    torch.manual_seed(number)
    optimizer.zero_grad()
    parts: LossParts = method(batch, progress)
    if _trains(method):
        torch.autograd.backward(parts.total)
        optimizer.step()
    method.after_step(dataclasses.replace(progress, step=number + 1))
    return parts


def _trains(method: Method) -> bool:
    """Whether there is anything to train; of a second stage all may be frozen."""
    return any(parameter.requires_grad for parameter in method.parameters())


def check_loss_is_finite(method: type[Method]) -> None:
    """The loss is finite and differentiable for 2, 7 and 8 classes and odd batches, 1 included."""
    for num_classes in (2, 7, 8):
        labels = toy_labels(64, num_classes)
        for index in (torch.arange(1), torch.arange(3), torch.arange(17), torch.zeros(5).long()):
            built = toy_method(method, num_classes).train()
            parts = built(toy_batch(method, index, labels[index], num_classes), Progress(3, 10, 30))
            if parts.total.ndim or not bool(torch.isfinite(parts.total)):
                raise ContractError(
                    f"loss {parts.total} for {count(len(index), 'image')} of {num_classes}"
                )
            if not _trains(built):
                continue
            torch.autograd.backward(parts.total)
            gradients = [p.grad for p in built.parameters() if p.grad is not None]
            if not gradients or not all(bool(torch.isfinite(g).all()) for g in gradients):
                raise ContractError(
                    f"gradients not finite for {count(len(index), 'image')} of {num_classes}"
                )
            if not any(bool(g.any()) for g in gradients):
                raise ContractError(f"all gradients are zero for {count(len(index), 'image')}")


def check_terms_add_up(method: type[Method]) -> None:
    """The named terms are scalars and add up to the total."""
    labels = toy_labels(64, 7)
    parts = toy_method(method).train()(
        toy_batch(method, torch.arange(64), labels, 7), Progress(3, 10, 30)
    )
    if not parts.terms or any(term.ndim for term in parts.terms.values()):
        raise ContractError("a term is missing or not a scalar")
    if not torch.isclose(sum(t.double() for t in parts.terms.values()), parts.total.double()):
        raise ContractError("the terms do not add up to the total")


def check_loss_falls(method: type[Method]) -> None:
    """The cross-entropy of predictions falls on 64 images."""
    built = toy_method(method).train()
    if not _trains(built):
        return
    batch = toy_batch(method, torch.arange(64), toy_labels(64, 7), 7)
    optimizer = torch.optim.Adam(built.parameters(), lr=0.02)

    def error() -> float:
        with torch.no_grad():
            logits = built.eval().predict(batch.images)
        built.train()
        return float(nn.functional.cross_entropy(logits, batch.label))

    before = error()
    for number in range(60):
        step(built, batch, optimizer, number)
    after = error()
    if not after < 0.9 * before:
        raise ContractError(f"cross-entropy {before:.3f} before and {after:.3f} after 60 steps")


def check_state_round_trips(method: type[Method]) -> None:
    """A checkpoint holds the whole state: loss and predictions go on bit for bit."""
    one, two = toy_method(method, seed=0).train(), toy_method(method, seed=1).train()
    batch = toy_batch(method, torch.arange(64), toy_labels(64, 7), 7)
    optimizer = torch.optim.SGD(one.parameters(), lr=0.05)
    for number in range(25):
        step(one, batch, optimizer, number)
    two.load_state_dict(one.state_dict())
    again = torch.optim.SGD(two.parameters(), lr=0.05)
    for number in range(25, 28):
        left, right = step(one, batch, optimizer, number), step(two, batch, again, number)
        if not torch.equal(left.total, right.total):
            raise ContractError(f"loss {left.total} goes on as {right.total} after a checkpoint")
    with torch.no_grad():
        predictions = [m.eval().predict(batch.images) for m in (one, two)]
    if not torch.equal(*predictions):
        raise ContractError("predictions differ after a checkpoint")


def check_predict_is_a_function(method: type[Method]) -> None:
    """In eval mode a prediction is float32 (B, K), repeatable and independent of its batch."""
    built = toy_method(method).train()
    batch = toy_batch(method, torch.arange(64), toy_labels(64, 7), 7)
    step(built, batch, torch.optim.SGD(built.parameters(), lr=0.05), 0)
    built.eval()
    with torch.no_grad():
        whole = built.predict(batch.images)
        if whole.shape != (64, 7) or whole.dtype != torch.float32:
            raise ContractError(f"predict gave {whole.dtype} {tuple(whole.shape)}")
        if not torch.equal(whole, built.predict(batch.images)):
            raise ContractError("two predictions of the same images differ")
        single = torch.cat([built.predict(batch.images[i : i + 1]) for i in range(5)])
    if not torch.allclose(whole[:5], single, rtol=1e-4, atol=1e-5):
        raise ContractError("a prediction depends on the other images of its batch")


def check_attention(method: type[Method]) -> None:
    """Class attention maps are finite, float32 (B, K, h, w), each image's own."""
    built = toy_method(method).train()
    batch = toy_batch(method, torch.arange(64), toy_labels(64, 7), 7)
    step(built, batch, torch.optim.SGD(built.parameters(), lr=0.05), 0)
    images = batch.images[:3]
    maps = built.eval().attention(images)
    if maps.ndim != 4 or maps.shape[:2] != (3, 7) or maps.dtype != torch.float32:
        raise ContractError(f"attention gave {maps.dtype} {tuple(maps.shape)}")
    if not bool(torch.isfinite(maps).all()):
        raise ContractError("attention maps are not finite")
    if not torch.allclose(maps[:1], built.attention(images[:1]), rtol=1e-4, atol=1e-5):
        raise ContractError("an attention map depends on the other images of its batch")


def check_nothing_global_changes(method: type[Method]) -> None:
    """Building, training and predicting change no global state but torch's own generator."""

    def state() -> tuple[object, ...]:
        return (
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.benchmark,
            repr(np.random.get_state()),
            random.getstate(),
            dict(os.environ),
            os.getcwd(),
        )

    before = state()
    built = toy_method(method).train()
    batch = toy_batch(method, torch.arange(64), toy_labels(64, 7), 7)
    step(built, batch, torch.optim.SGD(built.parameters(), lr=0.05), 0)
    built.eval().predict(batch.images)
    if state() != before:
        raise ContractError("a global state was changed")


def check_labels_are_refused(method: type[Method]) -> None:
    """Labels outside 0..K-1 are refused, in a batch and in the training set."""
    for bad in (-100, -1, 7):
        labels = toy_labels(64, 7)
        built = toy_method(method).train()
        good = toy_batch(method, torch.arange(64), labels, 7)
        labels = labels.index_fill(0, torch.tensor([5]), bad)
        counts = tuple(torch.bincount(toy_labels(64, 7)).tolist())
        takers: dict[str, Callable[[], object]] = {
            "batch": partial(
                built, Batch(good.index, labels, good.views, good.second), Progress(3, 10, 30)
            ),
            "training set": partial(Task, 7, counts, labels, batch_size=64, map_size=(4, 4)),
        }
        for what, take in takers.items():
            try:
                take()
            except (ValueError, IndexError, RuntimeError):
                continue
            raise ContractError(f"a {what} with the label {bad} was taken")


def check_groups_cover(method: type[Method]) -> None:
    """Every trainable parameter stands in exactly one group."""
    built = toy_method(method)
    given = [id(p) for group in built.parameter_groups() for p in group.parameters]
    wanted = {id(p) for p in built.parameters() if p.requires_grad}
    if len(given) != len(set(given)) or set(given) != wanted:
        raise ContractError("a parameter is left out, named twice, or frozen")


def check_values_have_sources(method: type[Method]) -> None:
    """Every hyper-parameter and every value of the authors' recipe names its source."""
    own = {**method.authors.hyper, **method.authors.protocol}
    sources = {**method.Hyper.sources(), **{key: source for key, (_, source) in own.items()}}
    missing = sorted(key for key, source in sources.items() if not source.strip())
    if missing:
        raise ContractError(f"no source: {', '.join(missing)}")
    unknown = set(method.authors.hyper) - set(method.Hyper.sources())
    if unknown:
        raise ContractError(
            f"the authors' recipe sets unknown values: {', '.join(sorted(unknown))}"
        )


def check_second_stage(method: type[Method]) -> None:
    """A second stage starts from its first one, and what is frozen stays to the bit, norms too."""
    stage = method.second_stage(method.Hyper())
    built = toy_method(method, seed=1)
    if (stage is not None and stage.epochs == 0) != (not _trains(built)):
        raise ContractError("nothing is trained, but epochs are asked for, or the other way round")
    if stage is not None:
        chosen = registry.get(stage.method)
        first = toy_method(chosen)
        batch = toy_batch(chosen, torch.arange(64), toy_labels(64, 7), 7)
        step(first.train(), batch, torch.optim.SGD(first.parameters(), lr=0.05), 0)
        built.start_from(first.state_dict())
    before = [copy.deepcopy(part.state_dict()) for part in built.frozen]
    batch = toy_batch(method, torch.arange(64), toy_labels(64, 7), 7)
    optimizer = torch.optim.AdamW(built.parameters(), lr=0.05, weight_decay=0.1)
    for number in range(3):
        step(built.train(), batch, optimizer, number)
    for part, state in zip(built.frozen, before, strict=True):
        moved = [name for name, now in part.state_dict().items() if not now.equal(state[name])]
        if moved:
            raise ContractError(f"frozen, but moved: {', '.join(moved)}")


def check_sampling(method: type[Method]) -> None:
    """Where training samples are drawn by class, each epoch's shares are probabilities (K,)."""
    sampling = method.sampling(method.Hyper())
    if sampling is None:
        return
    for counts in ((9, 5, 2), (400, 40, 4, 40, 4, 1, 1)):
        for epochs in (1, 4):
            for epoch in range(epochs):
                shares = sampling(counts, epoch, epochs)
                if shares.shape != (len(counts),) or not bool((shares >= 0).all()):
                    raise ContractError(f"the classes' shares in epoch {epoch} are {shares}")
                if not math.isclose(float(shares.double().sum()), 1.0, abs_tol=1e-5):
                    raise ContractError(f"the classes' shares in epoch {epoch} do not sum to 1")


def check_values_lie_within(method: type[Method]) -> None:
    """Every default lies within its bounds and its search space, and that within the bounds."""
    for value in dataclasses.fields(method.Hyper):
        low, high = value.metadata.get("bounds", (None, None))
        space = value.metadata.get("search")
        if space is not None and type(value.default) not in (int, float):
            raise ContractError(f"{value.name}: only numbers are searched, not {value.default!r}")
        inside = [value.default] + ([space.low, space.high] if space else [])
        if any((low is not None and v < low) or (high is not None and v > high) for v in inside):
            raise ContractError(f"{value.name}: {inside} is not within the bounds {low} to {high}")
        if space is not None and not space.low <= value.default <= space.high:
            raise ContractError(f"{value.name}: the default {value.default} is not in {space}")
        if space is not None and not all(math.isfinite(space.at(s)) for s in (0.0, 0.5, 1.0)):
            raise ContractError(f"{value.name}: the search space {space} holds no numbers")


def check_info_is_complete(method: type[Method]) -> None:
    """Name, title, paper and link are given."""
    info = method.info
    if not (info.name and info.title and info.paper and info.url.startswith("https://")):
        raise ContractError(f"incomplete: {info}")


CHECKS: tuple[Callable[[type[Method]], None], ...] = (
    check_info_is_complete,
    check_values_have_sources,
    check_values_lie_within,
    check_groups_cover,
    check_second_stage,
    check_sampling,
    check_loss_is_finite,
    check_terms_add_up,
    check_labels_are_refused,
    check_loss_falls,
    check_state_round_trips,
    check_predict_is_a_function,
    check_attention,
    check_nothing_global_changes,
)


def failure(check: Callable[[type[Method]], None], method: type[Method]) -> str | None:
    """Return why a method fails a check, or None; any exception of the method counts."""
    with torch.random.fork_rng(devices=[]):
        try:
            check(method)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return describe(error)
    return None
