"""``fer-bench tune``: choose values on validation images, with the same budget for every method."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands.kinds import FilePath
from benchmark.commands.sweep import SweepChoice, references, sweep_options
from benchmark.commands.training import Training, training_options
from benchmark.errors import InputError
from benchmark.interrupt import heed_all
from benchmark.words import count

if TYPE_CHECKING:
    from benchmark.protocols.protocol import Protocol
    from benchmark.store.record import Cell
    from benchmark.sweep.plan import Sweep
    from benchmark.tuning.ledger import Ledger, Searched
    from benchmark.tuning.outcome import Outcome
    from benchmark.tuning.rounds import Planned
    from benchmark.tuning.subject import Subject


@click.command("tune")
@sweep_options(factors="100", seeds="1000")
@click.option(
    "--budget",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    help="Tries of each method, its declared defaults first.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be tried and how long it may take.")
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    help="The protocol file that the choice is written to (default: in the store's folder "
    "'tuning').",
)
@training_options
def command(budget: int, dry_run: bool, out: Path | None, **options: Any) -> None:
    """Choose values on clean validation images; every method gets as many tries.

    First the learning rate that all methods share, on the baseline; then each method's own values,
    which it declares a search space for. A value that is given by --set is not searched. Every try
    is an ordinary cell of the store: stop at any time and give the same command again to go on. No
    test image takes part; train the study with other seeds.
    """
    heed_all()
    training = Training.take(options)
    choice = SweepChoice(**options, elsewhere=training.elsewhere).named()
    tuner = _Tuner.make(choice, training, budget)
    if dry_run:
        tuner.show_plan()
        return
    _finish(tuner, tuner.tune(), out)


@dataclass
class _Tuner:
    """One tuning: what was asked for, and what its ledger says so far.

    Attributes:
        choice: with the methods as references.
        training: who trains.
        protocol: with what was set over it.
        ledger: of the tries.
        shared: the learning rate that all methods share; None where it was set.
        subjects: each method's values, with the method's reference.
    """

    choice: SweepChoice
    training: Training
    protocol: Protocol
    ledger: Ledger
    shared: Subject | None
    subjects: dict[str, Subject] = field(default_factory=dict)

    @classmethod
    def make(cls, choice: SweepChoice, training: Training, budget: int) -> _Tuner:
        """Look at what is to be searched.

        Raises:
            InputError: there is no validation split, or something asked for does not exist.
        """
        from benchmark.tuning.subject import LR, method_subject, shared_subject
        from methods import registry

        if choice.recipe != "shared":
            raise InputError(
                "--recipe authors: values are chosen for the shared recipe; the authors' own stay "
                "as they are"
            )
        protocol = choice.protocol(choice.dataset_name)
        subjects, without = {}, []
        for reference in references(choice.methods):
            method = registry.get(reference)
            subject = method_subject(method, protocol.changes)
            if subject is None:
                without.append(method.info.name)
            else:
                subjects[reference] = subject
        shared = None if LR in protocol.changes else shared_subject(protocol)
        sweep = replace(choice, methods=("baseline",)).plan()
        if not sweep.dataset.has_validation:
            raise InputError(
                f"{sweep.dataset.name} has no validation split to choose values by; draw one from "
                "the training images with --holdout 0.1"
            )
        return cls(
            choice,
            training,
            protocol,
            _ledger(choice, training, sweep, protocol, budget),
            shared,
            subjects,
        )._without(without)

    def _without(self, names: Sequence[str]) -> _Tuner:
        found = tuple(dict.fromkeys((*self.ledger.without, *names)))
        self.ledger = self.ledger.model_copy(update={"without": found})
        return self

    def tune(self) -> list[Outcome] | None:
        """Try what is left and return what came of it; None where that goes on elsewhere."""
        if self.ledger.without:
            click.echo(f"Nothing to search: {', '.join(self.ledger.without)}.")
        base: tuple[str, ...] = ()
        if self.shared is not None:
            outcomes = self._search({"baseline": self.shared}, base)
            if outcomes is None:
                return None
            base = self._overrides(outcomes[0].chosen.values)
        if self.subjects and self._search(self.subjects, base) is None:
            return None
        return self._outcomes(self.ledger.subjects)

    def show_plan(self) -> None:
        """Say what would be tried."""
        from benchmark.environment import usable_cores
        from benchmark.sweep.estimate import expected_seconds, how_long
        from benchmark.tuning.rounds import at_once

        budget = self.ledger.budget
        cells: dict[str, Cell] = {}
        groups = [{"baseline": self.shared}] if self.shared is not None else []
        for subjects in (*groups, self.subjects):
            rounds = {name: at_once(subject, budget) for name, subject in subjects.items()}
            for subject in subjects.values():
                spans = ", ".join(f"{key} in {space}" for key, space in subject.spaces.items())
                click.echo(f"{subject.name}: {spans}")
            for name, tries in rounds.items():
                for why, values in tries:
                    told = " ".join(f"{key}={value:g}" for key, value in values.items())
                    click.echo(f"  {subjects[name].name}: {told} ({why})")
            if rounds:
                sweep, _ = self._plan(subjects, rounds, ())
                cells |= {cell.id: cell for cell in sweep.cells}
        later = budget - len(next(iter(rounds.values()), ())) if self.subjects else 0
        if later:
            click.echo(f"{count(later, 'more try', 'more tries')} of each, by what these come to.")
        if self.ledger.without:
            click.echo(f"Nothing to search: {', '.join(self.ledger.without)}.")
        store = self.training.store
        todo = store.missing(list(cells.values()))
        click.echo(f"{count(len(cells), 'cell')} so far, {len(todo)} to train.")
        threads = self.training.threads or usable_cores()
        expected = expected_seconds(todo, store, self.choice.device, threads)
        if expected:
            click.echo(how_long(expected.values()))

    def _overrides(self, values: Mapping[str, float]) -> tuple[str, ...]:
        from benchmark.tuning.subject import overrides

        return tuple(overrides(values, self.protocol))

    def _search(
        self, subjects: Mapping[str, Subject], base: tuple[str, ...]
    ) -> list[Outcome] | None:
        """Try what is left of subjects, by their methods' references."""
        from benchmark.tuning.rounds import at_once, last

        budget = self.ledger.budget
        planned = {name: at_once(subject, budget) for name, subject in subjects.items()}
        outcomes = self._try(subjects, planned, base)
        if outcomes is not None and len(next(iter(planned.values()))) < budget:
            for (name, subject), outcome in zip(subjects.items(), outcomes, strict=True):
                planned[name].append(last(subject, outcome, budget))
            outcomes = self._try(subjects, planned, base)
        for outcome in outcomes or ():
            _tell(outcome)
        return outcomes

    def _try(
        self,
        subjects: Mapping[str, Subject],
        planned: Mapping[str, Sequence[Planned]],
        base: tuple[str, ...],
    ) -> list[Outcome] | None:
        from benchmark.sweep.stages import work
        from benchmark.tuning.ledger import write_ledger

        sweep, tries = self._plan(subjects, planned, base)
        for one in tries:
            self.ledger = self.ledger.with_subject(one)
        store = self.training.store
        choice = self._choice(subjects, planned, base)
        left = work(sweep.cells, sweep, store)
        todo = [cell for cell in left.missing if not store.begun.diverged(cell)]
        click.echo(
            f"{', '.join(subject.name for subject in subjects.values())}: "
            f"{count(len(left.cells), 'cell')}, {len(left.cells) - len(left.missing)} finished, "
            f"{len(todo)} to train"
        )
        if todo:
            self.training.prepare(choice, sweep, todo)
        write_ledger(store.root, self.ledger)
        if todo and not self.training.run(choice, sweep, todo):
            click.echo("When these cells are finished, give the same command again to go on.")
            return None
        _stop_at_failures(store.missing(todo), self.training)
        for cell in filter(store.begun.diverged, store.missing(left.cells)):
            click.echo(f"diverged, and counts as a try that came to nothing: {cell.slug}", err=True)
        return self._outcomes(tries)

    def _plan(
        self,
        subjects: Mapping[str, Subject],
        planned: Mapping[str, Sequence[Planned]],
        base: tuple[str, ...],
    ) -> tuple[Sweep, list[Searched]]:
        """Return the cells of all tries, and what the ledger says of them."""
        from benchmark.sweep.plan import together
        from benchmark.tuning.rounds import searched

        sweeps = self._choice(subjects, planned, base).plans()
        tries = [
            searched(
                subject,
                planned[name],
                [
                    tuple(cell.id for cell in sweep.cells if cell.method == subject.method)
                    for sweep in sweeps[: len(planned[name])]
                ],
            )
            for name, subject in subjects.items()
        ]
        return together(sweeps), tries

    def _choice(
        self,
        subjects: Mapping[str, Subject],
        planned: Mapping[str, Sequence[Planned]],
        base: tuple[str, ...],
    ) -> SweepChoice:
        """Return the choice of which each variant is one try of every subject."""
        tries = max(map(len, planned.values()))
        texts = [
            tuple(text for name in subjects for text in self._overrides(planned[name][place][1]))
            for place in range(tries)
        ]
        return replace(
            self.choice,
            methods=tuple(subjects),
            tries=tuple((*base, *of) for of in texts),
        )

    def _outcomes(self, tries: Sequence[Searched]) -> list[Outcome]:
        from benchmark.tuning.outcome import Outcomes

        outcomes = Outcomes(self.training.store)
        return [outcomes.of(one) for one in tries]


def _ledger(
    choice: SweepChoice, training: Training, sweep: Sweep, protocol: Protocol, budget: int
) -> Ledger:
    """Return the store's ledger of this tuning, or a new one."""
    from benchmark.tuning.ledger import Ledger, make_key, read_ledger

    cell = sweep.cells[0]
    key = make_key(
        cell.dataset,
        protocol.name,
        protocol.version,
        cell.fingerprint,
        protocol.identity,
        cell.weights,
        cell.precision,
        choice.cut_head,
        choice.factors,
        choice.seeds,
        budget,
    )
    found = read_ledger(training.results, key)
    return found or Ledger(
        dataset=cell.dataset,
        fingerprint=cell.fingerprint,
        protocol=protocol.name,
        version=protocol.version,
        shared=protocol.overrides,
        factors=choice.factors,
        seeds=choice.seeds,
        budget=budget,
        key=key,
    )


def _stop_at_failures(missing: Sequence[Cell], training: Training) -> None:
    """End where a try is not finished for another reason than that it diverged."""
    begun = training.store.begun
    left = [cell.slug for cell in missing if not begun.diverged(cell)]
    if left:
        click.echo(
            f"not finished: {', '.join(left)}; nothing is chosen before they are. Tracebacks of "
            f"failed cells are in {training.store.root / 'failed'}; give the same command again.",
            err=True,
        )
        sys.exit(1)


def _tell(outcome: Outcome) -> None:
    """Say in a line what was chosen of a subject's tries."""
    tries, choice = outcome.searched.tries, outcome.choice
    one = outcome.chosen
    assert choice is not None  # something was chosen
    values = " ".join(f"{key}={value:g}" for key, value in one.values.items())
    chosen, best = (choice.standings[place] for place in (choice.chosen, choice.best))
    assert chosen is not None
    assert best is not None
    how = "the best" if choice.chosen == choice.best else "not worse than the best"
    whose = " (the defaults)" if one.why == "default" else ""
    click.echo(
        f"{outcome.searched.name}: {values}{whose}, {how} of {count(len(tries), 'try', 'tries')}: "
        f"mean accuracy on clean validation images {100 * chosen.score:.2f}, best "
        f"{100 * best.score:.2f}"
    )


def _finish(tuner: _Tuner, outcomes: list[Outcome] | None, out: Path | None) -> None:
    """Write the protocol, unless tries are still to come."""
    if outcomes is None:
        return
    from benchmark.store.faults import writing
    from benchmark.tuning.ledger import ledger_file
    from benchmark.tuning.written import protocol_text
    from benchmark.write import write_file

    root = tuner.training.store.root
    path = out or ledger_file(root, tuner.ledger.key).with_suffix(".toml")
    text = protocol_text(tuner.protocol, tuner.ledger, [one for one in outcomes if one.complete])
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, text.encode())
    seeds = ",".join(map(str, tuner.ledger.seeds))
    click.echo(f"Wrote {path}. Every try: fer-bench report --detail tuning --results {root}")
    click.echo(f"Train with other seeds than {seeds}: fer-bench run --protocol {path}")
