"""Who trains cells, and with how much: the same for every command that has some trained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from benchmark.commands.options import F, results_option
from benchmark.commands.sweep import SweepChoice
from benchmark.errors import InputError
from benchmark.sweep.executors import (
    Asked,
    Order,
    executors,
    executors_told,
    own_options,
    trains_elsewhere,
)
from benchmark.sweep.executors import check as check_asked
from benchmark.sweep.executors import run as run_order
from benchmark.sweep.executors import show as show_order

if TYPE_CHECKING:
    from benchmark.store.record import Cell, Split
    from benchmark.store.store import Store
    from benchmark.sweep.plan import Sweep
    from benchmark.sweep.stages import Work
    from benchmark.sweep.work import SweepListener


def training_options(function: F) -> F:
    """Add the options that :class:`Training` is made of."""
    for option in (
        *(click.option(own.flag, own.parameter, **own.words) for own in reversed(own_options())),
        results_option,
        click.option(
            "--executor",
            type=click.Choice(list(executors())),
            default="local",
            show_default=True,
            help=f"Who trains: {executors_told()}.",
        ),
        click.option(
            "--deterministic", is_flag=True, help="On a GPU, only kernels that repeat bit for bit."
        ),
        click.option("--threads", type=click.IntRange(min=1), help="CPU threads of each job."),
        click.option(
            "--jobs-per-gpu",
            default="1",
            show_default=True,
            help="Cells that share a GPU; auto: as many as fit by the memory that records name, "
            "and no more than cores.",
        ),
        click.option(
            "--jobs",
            default="auto",
            show_default=True,
            help="Processes side by side; auto: a job a CPU core, one for each GPU.",
        ),
    ):
        function = option(function)
    return function


@dataclass(frozen=True)
class Training:
    """Who trains and with how much, as the options give it."""

    jobs: str
    jobs_per_gpu: str
    threads: int | None
    deterministic: bool
    executor: str
    results: Path
    own: Mapping[str, Any]
    """Options that executors declare for themselves, by their parameters' names."""
    keep_weights: bool = False
    logs: tuple[str, ...] = ()
    """Names of trackers."""

    def __post_init__(self) -> None:
        """Refuse what is no number of processes, and options of another executor.

        Raises:
            InputError: something was given that means nothing here.
        """
        for option in own_options():
            nothing = (None, False, (), option.words.get("default"))
            given = self.own[option.parameter] not in nothing
            if given and option.executor != self.executor:
                raise InputError(
                    f"{option.flag} means nothing to --executor {self.executor}; give --executor "
                    f"{option.executor}, or leave it out"
                )
        _count(self.jobs, "--jobs")
        _count(self.jobs_per_gpu, "--jobs-per-gpu")

    @classmethod
    def take(cls, options: dict[str, Any], **more: Any) -> Self:
        """Take what belongs here out of a command's options.

        Raises:
            InputError: something was given that means nothing here, or not to the executor.
        """
        given = {f.name: options.pop(f.name) for f in fields(cls) if f.name in options}
        own = {option.parameter: options.pop(option.parameter) for option in own_options()}
        made = cls(**given, **more, own=own)
        check_asked(made.executor, made._asked(options["device"]))
        return made

    @property
    def elsewhere(self) -> bool:
        """Whether cells are trained on other machines than this one."""
        return trains_elsewhere(self.executor)

    @cached_property
    def store(self) -> Store:
        """Where finished cells go."""
        from benchmark.store.store import Store

        return Store(self.results)

    def _asked(self, device: str) -> Asked:
        return Asked(
            options={
                option.key: self.own[option.parameter]
                for option in own_options()
                if option.executor == self.executor
            },
            device=device,
            jobs_per_gpu=_count(self.jobs_per_gpu, "--jobs-per-gpu"),
        )

    def order(self, choice: SweepChoice, sweep: Sweep, cells: Sequence[Cell]) -> Order:
        """Return what an executor is given."""
        again = [*choice.arguments(sweep.dataset.name), f"--results={self.results}"]
        again += ["--deterministic"] if self.deterministic else []
        again += ["--keep-weights"] if self.keep_weights else []
        again += [f"--log={name}" for name in self.logs]
        return Order(
            sweep=sweep,
            cells=cells,
            store=self.store,
            command=["run", *again],
            replan=partial(choice.anywhere(sweep.dataset.name).plan, sweep.cells[0].precision),
            **vars(self._asked(choice.device)),
            threads=self.threads,
            jobs=_count(self.jobs, "--jobs"),
            deterministic=self.deterministic,
            keep_weights=self.keep_weights,
            say=click.echo,
            complain=partial(click.echo, err=True),
            # Where values are chosen nobody is to see the test split.
            listen=partial(self._listener, split="validation" if choice.tries else "test"),
        )

    def _listener(
        self, alone: bool, label: str = "", *, split: Split
    ) -> AbstractContextManager[SweepListener]:
        from benchmark.commands.progress import make_listener
        from benchmark.sweep.heard import Heard
        from benchmark.trackers import make

        made = [(name, make(name, self.results)) for name in self.logs]
        person = make_listener(alone, split, label)
        return Heard(person, made, partial(click.echo, err=True)) if made else person

    def prepare(self, choice: SweepChoice, sweep: Sweep, todo: Sequence[Cell]) -> None:
        """Say what is to be known before any cell is trained, make the store, look for copies once.

        Raises:
            InputError: a cell cannot work here, and nothing was made; or the store cannot be
                written to.
        """
        from benchmark.sweep.buildable import check_buildable
        from benchmark.trackers import make

        if not self.elsewhere:
            from benchmark.engine.compiled import check_compiles
            from benchmark.engine.device import resolve_device

            tell_precision(todo, choice.device)
            check_compiles(todo, resolve_device(choice.device))
        for name in self.logs:  # refused before anything is trained
            make(name, self.results)
        for note in check_buildable(todo, sweep):
            click.echo(f"Weights: {note}.")
        self.store.prepare()
        _keep_marks(sweep, self.results)

    def check_place(self) -> None:
        """Refuse a store that could not be made or written to, and make nothing.

        Raises:
            InputError: it is so.
        """
        results = self.results
        place = next(path for path in (results, *results.absolute().parents) if path.exists())
        if not place.is_dir():
            raise InputError(f"--results {results}: {place} is not a folder; name another")
        if not os.access(place, os.W_OK | os.X_OK):
            raise InputError(f"--results {results}: {place} cannot be written to; name another")

    def run(self, choice: SweepChoice, sweep: Sweep, todo: Sequence[Cell]) -> bool:
        """Have cells trained; False where the work goes on after this process."""
        return run_order(self.executor, self.order(choice, sweep, todo))

    def show(self, order: Order) -> None:
        """Say in a dry run what the executor would do."""
        show_order(self.executor, order)


def tell_precision(todo: Sequence[Cell], device: str) -> None:
    """Say where the precision that is asked for is a slow one here."""
    from benchmark.engine.device import precision_note, resolve_device

    ways = dict.fromkeys((cell.precision, cell.protocol.training.compile) for cell in todo)
    for precision, compiled in ways:
        note = precision_note(precision, resolve_device(device), compiled=compiled)
        if note:
            click.echo(f"Precision: {note}.")


def tell_first_stages(left: Work) -> None:
    """Name what is trained for the sake of other cells."""
    if left.added:
        click.echo(f"For what starts from them, too: {_slugs(left.added)}.")
    if left.again:
        click.echo(
            "Finished without the weights that other cells start from, and trained again with "
            f"them: {_slugs(left.again)}."
        )


def _slugs(cells: Sequence[Cell]) -> str:
    return ", ".join(cell.slug for cell in cells)


def _keep_marks(sweep: Sweep, results: Path) -> None:
    """Look once, before any job starts, for test images that training images are copies of."""
    from benchmark.store.kept_marks import KeptMarks

    kept = KeptMarks(results)
    if kept.get(sweep.dataset.fingerprint) is None:
        click.echo("Looking for test images that stand in the training set, once for this store.")
        kept.of(sweep.dataset)


def _count(text: str, option: str) -> int | None:
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 1024):
        raise InputError(f"{option}: '{text}' is neither auto nor a number from 1 to 1024")
    return int(text)
