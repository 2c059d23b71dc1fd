"""What ``fer-bench tune`` would try, for a dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.commands.tuner import Subjects, Tuner
from benchmark.commands.tuner_told import shown_values
from benchmark.words import count

if TYPE_CHECKING:
    from benchmark.store.record import Cell
    from benchmark.tuning.rounds import Planned


def show_plan(tuner: Tuner) -> None:
    """Say what would be tried."""
    from benchmark.environment import usable_cores
    from benchmark.sweep.estimate import (
        cost_elsewhere,
        cost_here,
        expected_seconds,
        telling_records,
    )

    tuner.training.check_place()
    tuner.name_those_without()
    cells: dict[str, Cell] = {}
    later, base = 0, _known_base(tuner)
    for subjects in _groups(tuner):
        rounds = _known_tries(tuner, subjects)
        of_rate = tuner.shared in subjects.values()
        sweep, _ = tuner.plan(subjects, rounds, () if of_rate else base or ())
        cells |= {cell.id: cell for cell in sweep.cells}
        for reference, subject in subjects.items():
            spans = ", ".join(f"{key} in {space}" for key, space in subject.spaces.items())
            click.echo(f"{subject.name}: {spans}")
            for why, values in rounds[reference]:
                click.echo(f"  {subject.name}: {shown_values(values)} ({why})")
            later += tuner.ledger.budget - len(rounds[reference])
    if later:
        click.echo(f"{count(later, 'more try', 'more tries')}, by what these come to.")
    if base is None and tuner.subjects:
        click.echo(
            "Methods are planned at the protocol's learning rate; they are trained at the one "
            "that its tries choose."
        )
    store = tuner.training.store
    todo = tuner.to_train(store.missing(list(cells.values())))
    click.echo(f"{count(len(cells), 'cell')} so far, {len(todo)} to train.")
    if not todo:
        return
    records, device = telling_records(store), tuner.choice.device
    if tuner.training.elsewhere:
        told = cost_elsewhere(todo, records)
    else:
        expected = expected_seconds(todo, records, device, tuner.training.threads or usable_cores())
        told = cost_here(expected, todo, records, device)
    for line in told:
        click.echo(line)


def _known_base(tuner: Tuner) -> tuple[str, ...] | None:
    """Return the chosen learning rate as ``--set`` takes it; None while it is not chosen."""
    from benchmark.tuning.outcome import Outcomes

    if tuner.shared is None:
        return ()
    found = {one.name: one for one in tuner.ledger.subjects}.get(tuner.shared.name)
    if found is None:
        return None
    chosen = Outcomes(tuner.training.store).of(found, tuner.ledger).chosen
    return None if chosen is None else tuner.overrides(chosen.values)


def _groups(tuner: Tuner) -> list[Subjects]:
    """Return what is planned together: the rate, methods that have all tries, and all others."""
    whole = {one.name for one in tuner.ledger.subjects if len(one.tries) == tuner.ledger.budget}
    done = {name: of for name, of in tuner.subjects.items() if of.name in whole}
    begun = {name: of for name, of in tuner.subjects.items() if of.name not in whole}
    rate = {} if tuner.shared is None else {"baseline": tuner.shared}
    return [subjects for subjects in (rate, done, begun) if subjects]


def _known_tries(tuner: Tuner, subjects: Subjects) -> dict[str, list[Planned]]:
    """Return all tries of subjects where the ledger has them all, else their first round."""
    from benchmark.tuning.rounds import at_once

    budget = tuner.ledger.budget
    listed = {one.name: [(of.why, of.values) for of in one.tries] for one in tuner.ledger.subjects}
    known = {name: listed.get(subject.name, []) for name, subject in subjects.items()}
    if all(len(tries) == budget for tries in known.values()):
        return known
    return {name: at_once(subject, budget) for name, subject in subjects.items()}
