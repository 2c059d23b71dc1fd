"""What a sweep has to train: cells that are not finished, and the first stages that they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.store.record import Cell
from benchmark.store.store import Store
from benchmark.sweep.plan import Sweep


@dataclass(frozen=True)
class Work:
    """What is left to be done of some cells of a sweep.

    Attributes:
        cells: those asked for, and the first stages that are trained for them.
        missing: of these, those to be trained, a first stage before what starts from it.
        again: of these, first stages that are finished, but whose weights were not kept: they are
            trained once more, and record and weights replaced together.
        added: of the missing, first stages that were not asked for.
    """

    cells: Sequence[Cell]
    missing: Sequence[Cell]
    again: Sequence[Cell]
    added: Sequence[Cell]


def work(asked: Sequence[Cell], sweep: Sweep, store: Store) -> Work:
    """Return what is left of cells.

    Raises:
        InputError: a record is damaged.
        StorageError: the system cannot read one.
    """
    unfinished = store.missing(asked)
    needed = needed_first_stages(unfinished, sweep, store)
    wanted = {cell.id for cell in asked} | needed.keys()
    missing = {cell.id for cell in unfinished} | needed.keys()
    cells = [cell for cell in sweep.cells if cell.id in wanted]
    known = {cell.id for cell in asked}
    return Work(
        cells=cells,
        missing=[cell for cell in cells if cell.id in missing],
        again=[cell for cell in needed.values() if store.has(cell)],
        added=[cell for cell in needed.values() if cell.id not in known],
    )


def needed_first_stages(cells: Sequence[Cell], sweep: Sweep, store: Store) -> dict[str, Cell]:
    """Return the first stages whose weights are needed and not there, by their ids.

    They are those that unfinished ones of the cells start from, and those among the cells that
    other unfinished cells of the sweep start from: whoever trains these later, or at the same time,
    is not to find a record without weights.

    Args:
        cells: those to train.
        sweep: they are part of.
        store: where finished cells are.

    Raises:
        InputError: a record is damaged.
        StorageError: the system cannot read one.
    """
    given = {cell.id for cell in cells}
    stages = [(cell, first) for cell in sweep.cells if (first := sweep.first_stage(cell))]
    later = [cell for cell, first in stages if given & {cell.id, first.id}]
    firsts = {first.id: first for first in map(sweep.first_stage, store.missing(later)) if first}
    return {key: first for key, first in firsts.items() if not has_weights(first, store)}


def has_weights(cell: Cell, store: Store) -> bool:
    """Whether a cell is finished and its weights lie beside its record."""
    record = store.find(cell)
    return record is not None and store.has_weights(record)


def shares(cells: Sequence[Cell], sweep: Sweep, size: int) -> list[list[Cell]]:
    """Divide cells into tasks; what starts from a cell is in one task with it and comes later.

    Args:
        cells: a first stage before what starts from it.
        sweep: they are part of.
        size: cells of a task, which may be more where they belong together.
    """
    together: dict[str, list[Cell]] = {}
    for cell in cells:
        first = sweep.first_stage(cell)
        together.setdefault(
            first.id if first is not None and first.id in together else cell.id, []
        ).append(cell)
    found: list[list[Cell]] = []
    for group in together.values():
        if found and len(found[-1]) + len(group) <= size:
            found[-1] += group
        else:
            found.append(list(group))
    return found
