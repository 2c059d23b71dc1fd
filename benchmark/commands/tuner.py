"""One search for values: what is tried next, who trains it, and what the store's list says then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import click

from benchmark.commands.sweep import SweepChoice, references
from benchmark.commands.training import Training, tell_first_stages
from benchmark.commands.tuner_told import (
    stop_at_failures,
    tell_choice,
    tell_diverged,
    tell_left,
    tell_taken,
)
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.protocols.protocol import Protocol
    from benchmark.store.ledger import Ledger, Searched
    from benchmark.store.record import Cell
    from benchmark.sweep.plan import Sweep
    from benchmark.tuning.outcome import Outcome
    from benchmark.tuning.rounds import Planned
    from benchmark.tuning.subject import Subject

Subjects = Mapping[str, "Subject"]
"""By their methods' references."""
Tries = Mapping[str, Sequence["Planned"]]
"""What is planned of each."""


@dataclass
class Tuner:
    """One search: what was asked for, and what its ledger says so far.

    Attributes:
        choice: with the methods as references.
        training: who trains.
        protocol: with what was set over it.
        ledger: of the tries.
        shared: the learning rate that all methods share; None where it was set.
        subjects: each method's values, with the method's reference.
        without: names of methods asked for that have nothing to search.
        rate: the learning rate that was chosen; None where that is still to be done, or it was set.
    """

    choice: SweepChoice
    training: Training
    protocol: Protocol
    ledger: Ledger
    shared: Subject | None
    subjects: dict[str, Subject] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    rate: float | None = None

    @classmethod
    def make(cls, choice: SweepChoice, training: Training, budget: int) -> Tuner:
        """Look at what is to be searched.

        Raises:
            InputError: there is no validation split, nothing to search, or something asked for does
                not exist or does not fit.
        """
        from benchmark.tuning.begin import begin_ledger
        from benchmark.tuning.rounds import check_budget
        from benchmark.tuning.subject import LR, shared_subject

        if choice.recipe != "shared":
            raise InputError(
                "--recipe authors: values are chosen for the shared recipe; the authors' own stay "
                "as they are"
            )
        choice = replace(
            choice,
            factors=tuple(sorted(set(choice.factors), key=lambda f: (f is not None, f))),
            seeds=tuple(sorted(set(choice.seeds))),
        )
        protocol = choice.protocol(choice.dataset_name)
        subjects, without = _subjects(choice, protocol)
        shared = None if LR in protocol.changes else shared_subject(protocol)
        if shared is None and not subjects:
            raise InputError(
                f"nothing to search: {', '.join(without)} and the learning rate have no values "
                "that --set leaves open; name other --methods, or set less"
            )
        for subject in (*subjects.values(), *([shared] if shared else [])):
            check_budget(subject, budget)
        _check_values(protocol)
        sweep = replace(choice, methods=("baseline", *choice.methods)).plan()
        if not sweep.dataset.has_validation:
            raise InputError(
                f"{sweep.dataset.name} has no validation split to choose values by; draw one from "
                "the training images with --holdout 0.1"
            )
        ledger = begin_ledger(training.results, sweep, protocol, budget, choice.cut_head)
        named = tuple(dict.fromkeys(without))
        ledger = ledger.model_copy(
            update={"without": tuple(dict.fromkeys((*ledger.without, *named)))}
        )
        return cls(choice, training, protocol, ledger, shared, subjects, named)

    def tune(self) -> bool:
        """Try what is left; return whether that is done, and does not go on elsewhere.

        Raises:
            InputError: every try of the learning rate diverged.
        """
        from benchmark.tuning.subject import LR

        self.name_those_without()
        base: tuple[str, ...] = ()
        if self.shared is not None:
            outcomes = self._search({"baseline": self.shared}, base)
            if outcomes is None:
                return False
            rate = outcomes[0].chosen
            if rate is None:
                raise InputError(
                    f"{self.shared.name}: no try came to anything; the store's folder 'failed' "
                    "says why; choose a lower training.lr by --set"
                )
            base, self.rate = self.overrides(rate.values), rate.values[LR]
        return not self.subjects or self._search(self.subjects, base) is not None

    def outcomes(self) -> list[Outcome]:
        """Return what came of all tries, those that others made meanwhile among them."""
        from benchmark.store.ledger import read_ledger
        from benchmark.tuning.outcome import Outcomes

        self.ledger = read_ledger(self.training.store.root, self.ledger.key) or self.ledger
        return Outcomes(self.training.store).of_all(self.ledger)

    def name_those_without(self) -> None:
        """Name the methods asked for that have nothing to search."""
        if self.without:
            click.echo(f"Nothing to search: {', '.join(self.without)}.")

    def overrides(self, values: Mapping[str, float]) -> tuple[str, ...]:
        """Return values as ``--set`` takes them."""
        from benchmark.tuning.subject import overrides

        return tuple(overrides(values, self.protocol))

    def _search(self, subjects: Subjects, base: tuple[str, ...]) -> list[Outcome] | None:
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
            tell_choice(outcome)
        return outcomes

    def _try(
        self, subjects: Subjects, planned: Tries, base: tuple[str, ...]
    ) -> list[Outcome] | None:
        from benchmark.store.ledger import ids_of_tries, keep_ledger
        from benchmark.sweep.stages import work
        from benchmark.tuning.outcome import Outcomes

        sweep, tries = self.plan(subjects, planned, base)
        store = self.training.store
        choice = self._choice(subjects, planned, base)
        left = work(sweep.cells, sweep, store)
        todo = self.to_train(left.missing)
        tell_left([subject.name for subject in subjects.values()], left, todo)
        tell_first_stages(left)
        if todo:
            self.training.prepare(choice, sweep, todo)
            _check_clean(sweep, self.training)
        tell_taken(left, ids_of_tries(store.root))
        aside = {cell.id for cell in left.cells} - {id_ for one in tries for id_ in one.cells}
        # These alone: what was read of others may be old by now.
        tried = self.ledger.model_copy(update={"subjects": tuple(tries)}).with_aside(sorted(aside))
        self.ledger = keep_ledger(store.root, tried)
        if todo and not self.training.run(choice, sweep, todo):
            click.echo("When these cells are finished, give the same command again to go on.")
            return None
        missing = store.missing(left.cells)
        stop_at_failures(self.to_train(missing), self.training)
        tell_diverged(missing)
        tried = tried.with_diverged(cell.id for cell in missing)
        self.ledger = keep_ledger(store.root, tried)
        outcomes = Outcomes(store)
        return [outcomes.of(one, self.ledger) for one in tries]

    def to_train(self, missing: Sequence[Cell]) -> list[Cell]:
        """Return the missing cells that are trained: what diverged would again."""
        known, begun = set(self.ledger.diverged), self.training.store.begun
        return [cell for cell in missing if cell.id not in known and not begun.diverged(cell)]

    def plan(
        self, subjects: Subjects, planned: Tries, base: tuple[str, ...]
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
                None if subject is self.shared else self.rate,
            )
            for name, subject in subjects.items()
        ]
        return together(sweeps), tries

    def _choice(self, subjects: Subjects, planned: Tries, base: tuple[str, ...]) -> SweepChoice:
        """Return the choice of which each variant is one try of every subject."""
        tries = max(map(len, planned.values()))
        texts = [
            tuple(text for name in subjects for text in self.overrides(planned[name][place][1]))
            for place in range(tries)
        ]
        return replace(
            self.choice,
            methods=tuple(subjects),
            tries=tuple((*base, *of) for of in texts),
        )


def _subjects(choice: SweepChoice, protocol: Protocol) -> tuple[dict[str, Subject], list[str]]:
    """Return what is searched of each method, by its reference, and the names of all others."""
    from benchmark.tuning.subject import method_subject
    from methods import registry

    subjects, without = {}, []
    named = [(reference, registry.get(reference)) for reference in references(choice.methods)]
    # By its class: a method that is named twice, tau_norm and tau-norm, is searched once.
    for method, reference in {method: reference for reference, method in named}.items():
        subject = method_subject(method, protocol.changes)
        if subject is None:
            without.append(method.info.name)
        else:
            subjects[reference] = subject
    return subjects, without


def _check_values(protocol: Protocol) -> None:
    """Refuse values of a known method that it cannot have: they would stand in the written file.

    Raises:
        InputError: there are such.
    """
    from benchmark.sweep.plan import recipe
    from methods import registry

    for name in set(protocol.methods) & set(registry.names()):
        recipe(protocol, registry.get(name))


def _check_clean(sweep: Sweep, training: Training) -> None:
    """Refuse a dataset of which no validation image can choose, before anything is trained."""
    from benchmark.store.kept_marks import KeptMarks
    from benchmark.tuning.outcome import no_clean_image

    if not KeptMarks(training.store.root).of(sweep.dataset).validation.kept("clean").any():
        raise InputError(no_clean_image(sweep.dataset.name))
