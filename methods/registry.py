"""Names to methods, imported when asked for."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from benchmark.errors import InputError, describe
from benchmark.interrupt import Interrupted

if TYPE_CHECKING:
    from methods.base import Method

PAPER = {
    "baseline": "methods.baseline:Baseline",
    "cb": "methods.cb:CB",
    "scn": "methods.scn:SCN",
    "bbn": "methods.bbn:BBN",
    "rul": "methods.rul:RUL",
    "soft": "methods.soft:SOFT",
    "eac": "methods.eac:EAC",
    "mek": "methods.mek:MEK",
}
"""The rows of the paper's tables."""

LONGTAIL = {
    "focal": "methods.focal:Focal",
    "cb_focal": "methods.cb_focal:CBFocal",
    "ldam": "methods.ldam:LDAM",
    "drw": "methods.drw:DRW",
    "logit_adjustment": "methods.logit_adjustment:LogitAdjustment",
    "vs": "methods.vs:VS",
    "label_smoothing": "methods.label_smoothing:LabelSmoothing",
    "mixup": "methods.mixup:Mixup",
    "balanced_sampling": "methods.balanced_sampling:BalancedSampling",
    "crt": "methods.crt:CRT",
    "tau_norm": "methods.tau_norm:TauNorm",
}
"""The standard methods of long-tailed recognition."""

BUILT_IN = {**PAPER, **LONGTAIL}
ALIASES = {"ours": "mek"}
ENTRY_POINT_GROUP = "fer_bench.methods"

SETS = ("paper", "longtail", "all")
"""Names that stand for several methods."""


def canonical(name: str) -> str:
    """Return a name in the registry's spelling: any case, hyphens or underscores, ``ours``."""
    key = name.lower().replace("-", "_")
    return ALIASES.get(key, key)


def _joined() -> dict[str, EntryPoint]:
    """Return the methods that other installed packages offer; ours keep their names."""
    found = {point.name.lower(): point for point in entry_points(group=ENTRY_POINT_GROUP)}
    taken = {*BUILT_IN, *ALIASES, *SETS}
    return {name: point for name, point in found.items() if canonical(name) not in taken}


def names() -> list[str]:
    """Return the names of all methods: the paper's, the long-tailed, those of other packages."""
    return [*BUILT_IN, *sorted(_joined())]


def members(name: str) -> list[str] | None:
    """Return the methods that a name of a set stands for, None where it names no set.

    Args:
        name: ``paper``, ``longtail`` or ``all``, in any case.
    """
    known = {"paper": list(PAPER), "longtail": list(LONGTAIL), "all": names()}
    return known.get(name.lower())


def _look_in_working_directory() -> None:
    """Let a method of the working directory be found, by its own name alone.

    Only where somebody names one: whatever else lies there, such as a file that is called like a
    library which happens to be missing, is never to be run. Last, so that it shadows nothing.
    """
    with suppress(OSError):  # the folder may be gone
        if (here := os.getcwd()) not in sys.path:
            sys.path.append(here)


def get(name: str) -> type[Method]:
    """Return a method's class.

    Args:
        name: a registered name in any case, with hyphens or underscores, ``ours`` for ``mek``, or
            ``package.module:Class`` for a class that is not registered.

    Raises:
        InputError: no method has this name, or what stands there is not a method.
    """
    if ":" in name:
        _look_in_working_directory()
        return _load(name, name)
    key = canonical(name)
    if key in BUILT_IN:
        return _load(name, BUILT_IN[key])
    joined = {canonical(other): point.value for other, point in _joined().items()}
    if key in joined:
        return _load(name, joined[key])
    near = difflib.get_close_matches(key, [*names(), *ALIASES, *SETS], n=1, cutoff=0.4)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    raise InputError(
        f"unknown method '{name}'{hint}; known: {', '.join(names())}; sets: {', '.join(SETS)}"
    )


def every() -> tuple[dict[str, type[Method]], list[str]]:
    """Return all methods by name, and a line on each of another package's that cannot be used."""
    found: dict[str, type[Method]] = {}
    complaints = []
    for name in names():
        try:
            found[name] = get(name)
        except InputError as error:
            if name in BUILT_IN:
                raise
            complaints.append(str(error))
    return found, complaints


def _meant_by(name: str) -> str | None:
    """Return what of ours commands take a name for: ``MEK`` is ``mek``."""
    spelling = canonical(name)
    return f"the set '{spelling}'" if spelling in SETS else BUILT_IN.get(spelling)


def _load(name: str, reference: str) -> type[Method]:
    from methods.base import Method, MethodInfo

    module_name, _, attribute = reference.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except Interrupted:
        raise
    except BaseException as error:  # whatever a module of somebody else's does when it is imported
        what = describe(error)
        raise InputError(f"method '{name}': cannot import {reference} ({what})") from error
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise InputError(f"method '{name}': {reference} is not a subclass of methods.base.Method")
    if not isinstance(getattr(found, "info", None), MethodInfo):
        raise InputError(f"method '{name}': {reference} has no info, a MethodInfo that names it")
    taken = _meant_by(found.info.name)
    if taken is not None and taken != f"{found.__module__}:{found.__qualname__}":
        raise InputError(
            f"method '{name}': {reference} calls itself '{found.info.name}', which is taken; "
            "give its info a name of its own"
        )
    return found
