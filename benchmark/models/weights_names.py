"""Which tensor of a file is which tensor of a backbone.

Files name the same network in many ways: behind `module.` (DataParallel), `backbone.`, `encoder.`
or `state_dict.` (a nested dict), or by number, where a ResNet's children stand in an
`nn.Sequential(*list(resnet.children()))`, as in the authors' code of EAC and SCN. A prefix is
whatever stands before the backbone's own names, so no list of prefixes is needed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.errors import InputError

COUNTER = "num_batches_tracked"
"""How many batches a batch norm has seen. It only matters to norms without a momentum, which no
ResNet has: nothing here computes with it, so a file may lack it."""

_RESNET_CHILDREN = {
    "0": "conv1",
    "1": "bn1",
    "4": "layer1",
    "5": "layer2",
    "6": "layer3",
    "7": "layer4",
}
"""Numbers of a ResNet's children, torchvision's and timm's alike; 2 and 3 are relu and pooling."""

_CLASSIFIERS = {"fc", "head", "heads", "classifier", "last_linear"}
_DERIVED = {COUNTER, "relative_position_index", "attn_mask"}
"""Buffers that a network computes from its own shape; files of older versions hold them."""

_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Matching:
    """A file's tensors under the backbone's names.

    Attributes:
        tensors: by the backbone's names, with its shapes and dtypes.
        total: how many tensors the backbone has.
        prefix: what stood before the names in the file.
        classifier: the file's names of the classifier's tensors, left out.
        unused: names of everything else that was left out.
        averaged_beside: where running averages were taken, the prefix of the plain weights.
    """

    tensors: Mapping[str, Tensor]
    total: int
    prefix: str
    classifier: Sequence[str]
    unused: Sequence[str]
    averaged_beside: str | None = None

    def summary(self) -> str:
        """Return one line: what was taken over and what was left out."""
        words = [f"matched {len(self.tensors)} of {self.total} backbone tensors"]
        if absent := self.total - len(self.tensors):
            words.append(f"{absent} batch counters are not in the file and are not needed")
        if self.averaged_beside is not None:
            words.append(
                f"the averaged weights behind '{self.prefix[:80]}' and not those behind "
                f"'{self.averaged_beside[:80]}'"
            )
        if self.classifier:
            words.append(f"{_tensors(len(self.classifier), 'classifier ')} left out")
        if self.unused:
            others = "" if not self.classifier else "other "
            words.append(
                f"{_tensors(len(self.unused), others)} not used ({_shown(sorted(self.unused))})"
            )
        return ", ".join(words)


def match_names(
    state: Mapping[str, Tensor], target: Mapping[str, Tensor], classifier: Iterable[str] = ()
) -> Matching:
    """Find every tensor of a backbone in a file's.

    All must stand behind one prefix, so that two names never lead to the same tensor: where a whole
    backbone stands behind one prefix, part of it behind others is not used. Of whole ones behind
    two, running averages (``ema``) are taken rather than what they are averages of, as their
    authors evaluate them; any other two that differ (a student and its teacher) are refused.

    Args:
        state: the file's tensors by dotted name.
        target: the backbone's, without its classifier.
        classifier: the names of the backbone's classifier layers, as timm has them.

    Raises:
        InputError: a tensor is missing, of another shape or kind, or not finite; or the file holds
            two backbones, or a larger one.
    """
    required = {name for name in target if not _is_counter(name)}
    found = _candidates(state, target)
    whole = _whole(state, found, required)
    if not whole:
        raise InputError(_incomplete(state, found, required))
    place = _chosen(whole)
    names = found[place]
    prefix = place[0]
    left = sorted(state.keys() - set(names.values()))
    heads = [key for key in left if _is_classifier(key, prefix, target, tuple(classifier))]
    unused = sorted(set(left) - set(heads))
    _check_shapes({name: (state[key], target[name]) for name, key in names.items()})
    _check_surplus(unused, place, target)
    tensors = {name: _fitted(name, state[names[name]], target[name]) for name in sorted(names)}
    plain = [other[0] for other in whole if other != place]
    return Matching(tensors, len(target), prefix, heads, unused, *plain[:1])


@dataclass(frozen=True)
class Fit:
    """How a file's tensors fit a backbone.

    Attributes:
        reason: why it cannot be loaded, or nothing where it can.
        prefixes: what stands before the backbone's names, where at least half of them stand.
        loaded: the one of them that is loaded, None where the file does not fit.
        needed: tensors that the backbone needs.
        matched: those of them that are in the file, in the right shape.
        missing: names of those that are not in the file.
        reshaped: names and shapes of those that are of another shape.
        unexpected: names of the file's that the backbone, where it stands, does not have.
        classifier: names and shapes of the classifier's matrices, which are never loaded.
    """

    reason: str
    prefixes: Sequence[str]
    loaded: str | None
    needed: int
    matched: int
    missing: Sequence[str]
    reshaped: Sequence[str]
    unexpected: Sequence[str]
    classifier: Sequence[str]

    @property
    def fits(self) -> bool:
        """Whether the backbone can start from the file."""
        return not self.reason


def fit(
    state: Mapping[str, Tensor], target: Mapping[str, Tensor], classifier: Iterable[str] = ()
) -> Fit:
    """Say how a file fits a backbone, and why not; takes what :func:`match_names` does."""
    layers = tuple(classifier)
    required = {name for name in target if not _is_counter(name)}
    found = _candidates(state, target)
    share = {place: len(required & names.keys()) for place, names in found.items()}
    whole = _whole(state, found, required)
    try:
        match_names(state, target, layers)
        reason = ""
        place = _chosen(whole)
    except InputError as error:
        reason = str(error)
        place = max(share, key=lambda place: share[place], default=("", False))
    names = found.get(place, {})
    pairs = {name: (state[key], target[name]) for name, key in names.items()}
    reshaped = _reshaped(pairs)
    left = sorted(state.keys() - set(names.values()))
    heads = [key for key in left if _is_classifier(key, place[0], target, layers)]
    return Fit(
        reason=reason,
        prefixes=sorted(prefix for (prefix, _), n in share.items() if 2 * n >= len(required)),
        loaded=None if reason else place[0],
        needed=len(required),
        matched=sum(pairs[n][0].shape == pairs[n][1].shape for n in required & pairs.keys()),
        missing=sorted(required - names.keys()),
        reshaped=reshaped,
        unexpected=_surplus([key for key in left if key not in heads], place, target),
        classifier=[f"{key} {_shape(state[key])}" for key in heads if state[key].ndim == 2],
    )


_Place = tuple[str, bool]
"""A prefix, and whether the children behind it are numbered."""


def _whole(
    state: Mapping[str, Tensor], found: Mapping[_Place, Mapping[str, str]], required: set[str]
) -> list[_Place]:
    """Return the places where a whole backbone stands, one of those that hold the same numbers."""
    places: list[_Place] = []
    for place in (place for place, names in found.items() if required <= names.keys()):
        pairs = [
            [(state[found[place][name]], state[found[other][name]]) for name in required]
            for other in places
        ]
        if not any(all(_same(*pair) for pair in each) for each in pairs):
            places.append(place)
    return places


def _same(one: Tensor, other: Tensor) -> bool:
    strided = one.layout == other.layout == torch.strided
    return strided and one.dtype == other.dtype and one.equal(other)


def _chosen(whole: Sequence[_Place]) -> _Place:
    """Return the one whole backbone, or of two the one of running averages."""
    averaged = [place for place in whole if "ema" in re.split(r"[._]", place[0].lower())]
    if len(whole) == 1 or (len(whole) == 2 and len(averaged) == 1):
        return (averaged or whole)[0]
    prefixes = " and ".join(f"'{prefix[:80]}'" for prefix, _ in sorted(whole)[:2])
    raise InputError(
        f"holds two whole backbones, behind {prefixes}; save the one that is meant to a file "
        "of its own"
    )


def _candidates(
    state: Mapping[str, Tensor], target: Mapping[str, Tensor]
) -> dict[_Place, dict[str, str]]:
    """Return, for each place, which of the backbone's names stand there and their keys."""
    deepest = max((name.count(".") for name in target), default=0) + 1
    found: dict[_Place, dict[str, str]] = defaultdict(dict)
    for key in state:
        words = key.split(".")
        for first in range(max(0, len(words) - deepest), len(words)):
            name = ".".join(words[first:])
            prefix = key[: len(key) - len(name)]
            if name in target:
                found[prefix, False][name] = key
            numbered = _unnumbered(name)
            if numbered in target:
                found[prefix, True][numbered] = key
    return found


def _unnumbered(name: str) -> str:
    number, dot, rest = name.partition(".")
    return f"{_RESNET_CHILDREN[number]}.{rest}" if dot and number in _RESNET_CHILDREN else ""


def _is_counter(name: str) -> bool:
    return name.rpartition(".")[2] == COUNTER


def _is_derived(name: str) -> bool:
    return name.rpartition(".")[2] in _DERIVED


def _is_classifier(
    key: str, prefix: str, target: Mapping[str, Tensor], classifier: tuple[str, ...]
) -> bool:
    name = key.removeprefix(prefix)
    if key.startswith(prefix) and any(name.startswith(f"{layer}.") for layer in classifier):
        return True
    inside = key.startswith(prefix) and name.partition(".")[0] in _children(target)
    return not inside and not _CLASSIFIERS.isdisjoint(key.split("."))


def _children(target: Mapping[str, Tensor]) -> set[str]:
    return {name.partition(".")[0] for name in target}


def _check_surplus(unused: Sequence[str], place: _Place, target: Mapping[str, Tensor]) -> None:
    """Refuse a larger network, whose names hold all of a smaller one's (ResNet-34 and -18)."""
    more = _surplus(unused, place, target)
    if more:
        raise InputError(
            f"holds a larger network than this backbone: {_shown(more)} would not be used; choose "
            "the backbone that the file belongs to"
        )


def _surplus(unused: Sequence[str], place: _Place, target: Mapping[str, Tensor]) -> list[str]:
    prefix, numbered = place
    children = _children(target)
    more = []
    for key in unused:
        name = key.removeprefix(prefix)
        name = _unnumbered(name) if numbered else name
        if key.startswith(prefix) and name.partition(".")[0] in children and not _is_derived(name):
            more.append(key)
    return more


def _check_shapes(pairs: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    if wrong := _reshaped(pairs):
        raise InputError(
            f"belongs to another network, {_tensors(len(wrong))} of other shapes: "
            f"{_some(wrong)}; choose the backbone that the file belongs to"
        )


def _reshaped(pairs: Mapping[str, tuple[Tensor, Tensor]]) -> list[str]:
    return [
        f"{name} is {_shape(given)} instead of {_shape(wanted)}"
        for name, (given, wanted) in pairs.items()
        if given.shape != wanted.shape
    ]


def _fitted(name: str, given: Tensor, wanted: Tensor) -> Tensor:
    """Return the tensor in the backbone's dtype, all of it finite."""
    plain = given.layout == torch.strided and not given.is_quantized and not given.is_meta
    same_kind = given.is_floating_point() == wanted.is_floating_point()
    if not plain or given.is_complex() or not (same_kind or _is_counter(name)):
        raise InputError(f"{name} is of {given.dtype} ({given.layout}), which is no weight")
    converted = given.detach().to(wanted.dtype)
    if not bool(torch.isfinite(converted).all()):
        raise InputError(f"{name} holds values that are not finite; the file is of no use")
    return converted


def _incomplete(
    state: Mapping[str, Tensor], found: Mapping[_Place, Mapping[str, str]], required: set[str]
) -> str:
    best = max(found.values(), key=lambda names: len(required & names.keys()), default={})
    missing = sorted(required - best.keys())
    have = len(required) - len(missing)
    if not have:
        return (
            f"holds no tensor of this backbone, whose names are like {_shown(sorted(required))}; "
            f"the file's are like {_shown(sorted(state))}"
        )
    return (
        f"holds {have} of the {_tensors(len(required))} that this backbone needs; missing: "
        f"{_shown(missing)}; choose the backbone that the file belongs to"
    )


def _tensors(count: int, kind: str = "") -> str:
    return f"{count} {kind}tensor{'' if count == 1 else 's'}"


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a single number"


def _shown(names: Sequence[str]) -> str:
    return _some([name[:80] for name in names])


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more
