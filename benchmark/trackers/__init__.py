"""Trackers, a file each: training curves for a program that shows them while cells are trained.

A file ``<name>.py`` declares ``HELP`` as a plain value at its top and has ``make(root)``, which
returns what hears of training (:class:`benchmark.sweep.work.SweepListener`) and writes below the
folder ``root``. Another package offers one by an entry point of the group ``fer_bench.trackers``
that names such a function. No tracker is ever needed: the record of a cell holds its curves.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import InputError, describe
from benchmark.offered import Offer, offers

if TYPE_CHECKING:
    from benchmark.sweep.work import SweepListener

ENTRY_POINT_GROUP = "fer_bench.trackers"
FOLDER = "logs"
"""Beside the cells of a store; each tracker has a folder of its own name in it."""


@cache
def trackers() -> dict[str, Offer]:
    """Return every tracker of ours by its name."""
    return offers(__name__)


def trackers_told() -> str:
    """Return every tracker with what it is for, in a phrase for help."""
    return "; ".join(f"{name}: {offer.facts['HELP']}" for name, offer in trackers().items())


def make(name: str, store: Path) -> SweepListener:
    """Return a tracker that writes below a store.

    Raises:
        InputError: there is none of this name, or it cannot be used here.
    """
    find = trackers()[name].function("make") if name in trackers() else _foreign(name)
    try:
        made: SweepListener = find(store / FOLDER / name)
    except InputError:
        raise
    except Exception as error:  # whatever another package says
        raise InputError(f"--log {name}: cannot be used ({describe(error)})") from error
    return made


def _foreign(name: str) -> Callable[[Path], SweepListener]:
    points = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in points:
        known = [*trackers(), *sorted(points)]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise InputError(f"--log {name}: no such tracker{hint}; known: {', '.join(known)}")
    try:
        found: Callable[[Path], SweepListener] = points[name].load()
    except Exception as error:
        raise InputError(f"--log {name}: cannot be imported ({describe(error)})") from error
    return found
