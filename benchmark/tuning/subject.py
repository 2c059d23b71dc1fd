"""What is searched together: the learning rate that all methods share, or one method's values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.errors import InputError
from methods.search import Log, Space

if TYPE_CHECKING:
    from benchmark.protocols.protocol import Protocol
    from methods.base import Method

SHARED = "shared learning rate"
"""Name of the subject that is no method."""
LR, HEAD_LR = "training.lr", "training.head_lr"
CARRIER = "baseline"
"""The method that the shared learning rate is chosen on."""
_DECADE = 10.0

Values = dict[str, float]
"""Values by their dotted names, as ``--set`` takes them."""


@dataclass(frozen=True)
class Subject:
    """Values that are searched together.

    Attributes:
        name: :data:`SHARED`, or a method's name.
        method: the name of the method that is trained.
        spaces: where each value is looked for, by its dotted name.
        default: the values of the first try.
        bounds: the least and the most that each value may be; None where there is no such.
    """

    name: str
    method: str
    spaces: Mapping[str, Space]
    default: Values
    bounds: Mapping[str, tuple[float | None, float | None]]

    def places(self, values: Mapping[str, float]) -> list[float]:
        """Return at which share of its range each value lies."""
        return [space.place(values[key]) for key, space in self.spaces.items()]

    def values(self, places: list[float]) -> Values:
        """Return the values at shares of the ranges, none beyond its bounds."""
        return {
            key: self._bounded(key, space.at(place))
            for (key, space), place in zip(self.spaces.items(), places, strict=True)
        }

    def departure(self, values: Mapping[str, float]) -> float:
        """Return how far values lie from the default: the Euclidean distance in shares."""
        return math.dist(self.places(values), self.places(self.default))

    def edge(self, values: Mapping[str, float]) -> float:
        """Return how far the value nearest to an end of its range lies from it, as a share.

        Negative beyond the range.
        """
        return min(min(place, 1 - place) for place in self.places(values))

    def _bounded(self, key: str, value: float) -> float:
        low, high = self.bounds[key]
        value = value if low is None else max(value, float(low))
        value = value if high is None else min(value, float(high))
        return round(value) if isinstance(self.default[key], int) else value


def shared_subject(protocol: Protocol) -> Subject:
    """Return the learning rate of a protocol, looked for a decade to either side of it."""
    lr = protocol.training.lr
    return Subject(
        name=SHARED,
        method=CARRIER,
        spaces={LR: Log(lr / _DECADE, lr * _DECADE)},
        default={LR: lr},
        bounds={LR: (None, None)},
    )


def method_subject(method: type[Method], fixed: Mapping[str, object]) -> Subject | None:
    """Return a method's values that have a search space; None where none is left to search.

    Args:
        method: the class.
        fixed: dotted names that the user set, which are not searched.

    Raises:
        InputError: a search space is declared of what is no number, or cannot hold its default.
    """
    name = method.info.name
    declared = {f"methods.{name}.{key}": space for key, space in method.Hyper.spaces().items()}
    spaces = {key: space for key, space in declared.items() if key not in fixed}
    if not spaces:
        return None
    defaults: Any = method.Hyper()
    own = {f"methods.{name}.{field.name}": field for field in dataclasses.fields(method.Hyper)}
    for key, space in spaces.items():
        _check_space(key, space, own[key].default)
    return Subject(
        name=name,
        method=name,
        spaces=spaces,
        default={key: getattr(defaults, own[key].name) for key in spaces},
        bounds={key: own[key].metadata["bounds"] for key in spaces},
    )


def _check_space(key: str, space: Space, default: object) -> None:
    if isinstance(default, bool) or not isinstance(default, int | float):
        raise InputError(
            f"{key}: only numbers are searched, and its default is {default!r}; declare no search "
            f"space of it, or set it with --set {key}=VALUE"
        )
    try:
        held = math.isfinite(space.place(default))
    except (ArithmeticError, ValueError):
        held = False
    if not held:
        raise InputError(
            f"{key}: its search space ({space}) has no place for the default {default!r}; declare "
            f"another one, or set it with --set {key}=VALUE"
        )


def complete(values: Mapping[str, float], protocol: Protocol) -> Values:
    """Return values with the rate of new layers, which keeps its ratio to the backbone's.

    Where the user set that rate it stays as it is.
    """
    found, training = dict(values), protocol.training
    if LR in found and HEAD_LR not in protocol.changes:
        changed = found[LR] != training.lr
        rate = float(f"{found[LR] * training.head_lr / training.lr:.3g}")
        found[HEAD_LR] = rate if changed else training.head_lr
    return found


def overrides(values: Mapping[str, float], protocol: Protocol) -> list[str]:
    """Return values as ``--set`` takes them; a rate that is the protocol's own is left out."""
    if values.get(LR) == protocol.training.lr:
        return []
    return [f"{key}={value!r}" for key, value in complete(values, protocol).items()]
