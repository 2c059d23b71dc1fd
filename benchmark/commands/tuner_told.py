"""What ``fer-bench tune`` says of its tries."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from benchmark.words import count

if TYPE_CHECKING:
    from benchmark.commands.training import Training
    from benchmark.store.record import Cell
    from benchmark.sweep.stages import Work
    from benchmark.tuning.outcome import Outcome


def tell_left(names: Sequence[str], left: Work, todo: Sequence[Cell]) -> None:
    """Say how much of what is searched is left."""
    finished = len(left.cells) - len(left.missing)
    click.echo(
        f"{', '.join(names)}: {count(len(left.cells), 'cell')}, {finished} finished, "
        f"{len(todo)} to train"
    )


def tell_diverged(cells: Sequence[Cell]) -> None:
    """Name the tries that came to nothing."""
    for cell in cells:
        click.echo(f"diverged, and counts as a try that came to nothing: {cell.slug}", err=True)


def tell_taken(left: Work, tries: Collection[str]) -> None:
    """Name finished cells that were results of a study until now, and become tries.

    Args:
        left: what is tried.
        tries: ids of cells that were none before.
    """
    known = {cell.id for cell in left.missing} | set(tries)
    new = [cell.slug for cell in left.cells if cell.id not in known]
    if new:
        click.echo(
            f"Finished before, and tries from now on, which no table of results counts: "
            f"{', '.join(new)}."
        )


def stop_at_failures(left: Sequence[Cell], training: Training) -> None:
    """End where a try is not finished for another reason than that it diverged."""
    if left:
        click.echo(
            f"not finished: {', '.join(cell.slug for cell in left)}; nothing is chosen before they "
            f"are. Tracebacks of failed cells are in {training.store.root / 'failed'}; give the "
            "same command again.",
            err=True,
        )
        sys.exit(1)


def tell_choice(outcome: Outcome) -> None:
    """Say in a line what was chosen of a subject's tries."""
    tries, choice, one = outcome.searched.tries, outcome.choice, outcome.chosen
    if choice is None or one is None:
        return
    chosen, best = (choice.standings[place] for place in (choice.chosen, choice.best))
    assert chosen is not None
    assert best is not None
    how = "the best" if choice.chosen == choice.best else "not worse than the best"
    whose = " (the defaults)" if one.why == "default" else ""
    click.echo(
        f"{outcome.searched.name}: {shown_values(one.values)}{whose}, {how} of "
        f"{count(len(tries), 'try', 'tries')}: mean accuracy on clean validation images "
        f"{100 * chosen.score:.2f}, best {100 * best.score:.2f}"
    )


def shown_values(values: Mapping[str, float]) -> str:
    """Return values for a reader."""
    from benchmark.tuning.written import show_tried

    return " ".join(f"{key}={show_tried(value)}" for key, value in values.items())
