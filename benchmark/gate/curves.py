"""Stored losses of the first training steps, and where new ones leave them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.errors import InputError
from benchmark.resources import asset
from benchmark.words import count
from benchmark.write import put_file

TOLERANCE = 2e-4
"""How far a value may be from the stored one, as a share of it."""

SLACK = 2e-6
"""How far a value may be from the stored one however small that is."""

REFRESH = "refresh with 'fer-bench check --curves --update --reason ...'"

_SCHEMA = 1


@dataclass(frozen=True)
class Curve:
    """What the first steps of one method left.

    Attributes:
        method: its name.
        version: of what it computes.
        setting: what it was trained on and how, the same for all methods.
        terms: each named term of the loss, its weight applied, a value a step.
        test: what the trained method says of the test images: ``cross_entropy`` and
            ``mean_abs_logit``.
        provenance: what is known of the libraries; never compared.
    """

    method: str
    version: int
    setting: Mapping[str, Any]
    terms: Mapping[str, tuple[float, ...]]
    test: Mapping[str, float]
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CurveCheck:
    """Why a method does not compute what it did.

    Attributes:
        method: its name.
        reason: what was found, on one line.
    """

    method: str
    reason: str

    def __str__(self) -> str:
        """Return the finding on one line."""
        return f"{self.method}: {self.reason}"


def stored_curves() -> Path:
    """Return where the curves are that come with the package."""
    return asset("results/curves.json")


def compare_curves(stored: Mapping[str, Curve], new: Iterable[Curve]) -> list[CurveCheck]:
    """Return for each method the first place where it leaves its stored curve.

    A method without a stored curve, such as one of another package, is not judged.
    """
    known = [(stored[curve.method], curve) for curve in new if curve.method in stored]
    reasons = [(curve.method, _difference(before, curve)) for before, curve in known]
    return [CurveCheck(method, reason) for method, reason in reasons if reason is not None]


def agree(stored: float, new: float) -> bool:
    """Whether two values differ by no more than rounding makes them; nothing agrees with nan."""
    return abs(new - stored) <= TOLERANCE * abs(stored) + SLACK


def _difference(stored: Curve, new: Curve) -> str | None:
    if stored.version != new.version:
        return (
            f"the stored curve is of version {stored.version}, the method is version "
            f"{new.version}: {REFRESH}"
        )
    if stored.setting != new.setting:
        names = sorted({*stored.setting, *new.setting})
        changed = [n for n in names if stored.setting.get(n) != new.setting.get(n)]
        return f"the stored curve was trained with another {', '.join(changed)}: {REFRESH}"
    before, now = _shape(stored), _shape(new)
    if before != now:
        return f"the terms are {_say(now)}, stored are {_say(before)}"
    return _first_step_apart(stored, new) or _tests_apart(stored, new)


def _shape(curve: Curve) -> dict[str, int]:
    return {name: len(values) for name, values in sorted(curve.terms.items())}


def _say(shape: Mapping[str, int]) -> str:
    return ", ".join(f"{name} of {count(steps, 'step')}" for name, steps in shape.items())


def _first_step_apart(stored: Curve, new: Curve) -> str | None:
    apart = [
        (step, name)
        for name, values in new.terms.items()
        for step, value in enumerate(values)
        if not agree(stored.terms[name][step], value)
    ]
    if not apart:
        return None
    step, name = min(apart)
    return f"{name} at step {step + 1} is {_pair(stored.terms[name][step], new.terms[name][step])}"


def _tests_apart(stored: Curve, new: Curve) -> str | None:
    for name, value in sorted(stored.test.items()):
        found = new.test.get(name, math.nan)
        if not agree(value, found):
            return f"{name} on the test images is {_pair(value, found)}"
    return None


def _pair(stored: float, new: float) -> str:
    return f"{new:.7g}, stored is {stored:.7g}"


def load_curves(path: Path) -> dict[str, Curve]:
    """Read stored curves, keyed by method.

    Raises:
        InputError: there is no such file, or it holds no curves.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != _SCHEMA:
            raise ValueError(f"schema {content['schema']}, expected {_SCHEMA}")
        shared = {"setting": content["setting"], "provenance": content["provenance"]}
        return {name: _curve(name, entry, shared) for name, entry in content["curves"].items()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: holds no loss curves ({error!r})") from error


def _curve(name: str, entry: Mapping[str, Any], shared: Mapping[str, Any]) -> Curve:
    return Curve(
        method=name,
        version=int(entry["version"]),
        terms={term: tuple(map(float, values)) for term, values in entry["terms"].items()},
        test={key: float(value) for key, value in entry["test"].items()},
        **shared,
    )


def save_curves(path: Path, curves: Iterable[Curve], reason: str | None = None) -> None:
    """Write curves of one setting, sorted by method and term, a value a line.

    Args:
        path: of the file.
        curves: of all methods.
        reason: why the curves are stored anew, kept in the file; None keeps the curves' own.

    Raises:
        InputError: there are none, or they were not all trained in the same setting.
    """
    chosen = sorted(curves, key=lambda curve: curve.method)
    if not chosen or any(curve.setting != chosen[0].setting for curve in chosen):
        raise InputError(f"{path}: loss curves of one setting are kept, and at least one")
    content = {
        "schema": _SCHEMA,
        "setting": chosen[0].setting,
        "provenance": {**chosen[0].provenance, **({"reason": reason} if reason else {})},
        "curves": {
            curve.method: {
                "version": curve.version,
                "terms": {term: _rounded(values) for term, values in curve.terms.items()},
                "test": dict(zip(curve.test, _rounded(curve.test.values()), strict=True)),
            }
            for curve in chosen
        },
    }
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False)
    try:
        put_file(path, f"{text}\n".encode())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _rounded(values: Iterable[float]) -> list[float]:
    """Keep the eight digits that tell any float32 apart, near enough; more would be noise."""
    return [float(f"{value:.8g}") for value in values]
