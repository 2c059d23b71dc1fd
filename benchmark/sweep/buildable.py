"""What cannot work is said once, before any cell is trained."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from benchmark.engine.assemble import assemble
from benchmark.errors import InputError, describe
from benchmark.models.backbone import Backbone
from benchmark.models.build import build_backbone
from benchmark.store.record import Cell
from benchmark.sweep.plan import Sweep, make_hyper
from methods.base import Method


def check_buildable(cells: Sequence[Cell], sweep: Sweep) -> list[str]:
    """Assemble each method once, so that what cannot work is said before any training.

    Returns:
        What there is to say of the backbones' weights, each line once.

    Raises:
        InputError: a method does not work with the backbone.
    """
    first_of = {cell.method: cell for cell in reversed(cells)}
    built: dict[tuple[str, int], Backbone] = {}
    for name, cell in first_of.items():
        protocol = cell.protocol
        method = sweep.methods[name]
        wanted = protocol.backbone.name, protocol.image.size
        with torch.random.fork_rng(devices=[]):
            if wanted not in built:  # which takes longer than all methods on it
                built[wanted] = build_backbone(*wanted, sweep.weights)
            backbone = copy.deepcopy(built[wanted])  # a method may change its own
            try:
                assemble(
                    method,
                    make_hyper(method, cell.hyper),
                    backbone,
                    sweep.dataset,
                    sweep.splits[cell.factor],
                    protocol,
                )
            except KeyboardInterrupt:
                raise
            except InputError as error:  # a value that no layer takes
                raise InputError(f"{name}: {error}") from error
            except BaseException as error:  # a fault in a new method
                raise InputError(f"{name}: {describe(error)}") from error
    notes = [b.weights_note for b in built.values()]
    notes += [_misfit(cell, sweep.methods[name]) for name, cell in first_of.items()]
    return list(dict.fromkeys(filter(None, notes)))


def _misfit(cell: Cell, method: type[Method]) -> str:
    """Return why a recipe does not fit the weights that a cell starts from, empty if it does."""
    own = cell.protocol.recipe == "authors"
    if not own or not method.authors.from_scratch or cell.weights == "scratch":
        return ""
    return (
        f"the authors of {method.info.title} train from scratch, and their rates may undo what "
        "these weights hold; '--weights scratch' begins as they do"
    )
