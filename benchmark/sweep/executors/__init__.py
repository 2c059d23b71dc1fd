"""Executors, a file each: who works through the cells of a sweep, and where.

A file ``<name>.py`` declares ``HELP``, in a few words what it is for, as a plain value at its top,
and ``run(order)``, which has the cells of an :class:`Order` trained into its store and returns
whether that work has ended: False where it goes on after this process. Where it ends, the store
tells what came of it. The list of executors is read without importing them.

It may declare more:

* ``OPTIONS``, plain values: its own options, by name what click takes of each (``metavar``,
  ``help``, ``default``, ``multiple``, ``is_flag``). ``address`` of a file ``ray.py`` becomes
  ``--ray-address``, and what was given is ``order.options["address"]``.
* ``ELSEWHERE = True``: it trains on other machines than the one that plans. No device is looked
  for here then, and the precision that depends on one, ``auto``, is refused.
* ``check(asked)``: refuses an :class:`Asked` that it can do nothing with, before data is loaded.
* ``show(order)``: says in a dry run what it would do with an order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.errors import InputError
from benchmark.offered import Offer, offers

if TYPE_CHECKING:
    from benchmark.store.record import Cell
    from benchmark.store.store import Store
    from benchmark.sweep.plan import Sweep
    from benchmark.sweep.work import SweepListener


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of an executor, whatever the cells are.

    Attributes:
        options: the executor's own, by the names that it declares.
        device: where to train, as ``--device`` takes it.
        jobs_per_gpu: processes that share a GPU; None for as many as fit.
    """

    options: Mapping[str, Any]
    device: str
    jobs_per_gpu: int | None


@dataclass(frozen=True, kw_only=True)
class Order(Asked):
    """What an executor is given.

    Attributes:
        sweep: what the cells are trained on.
        cells: those to train, none of which the store holds whole.
        store: where finished cells go.
        command: of ``fer-bench``, without its name: what plans the same cells in another process.
        replan: plans the same cells with the same precision in another process, whatever its
            working directory; it can be pickled.
        threads: of the CPU for each process; None for as many as its share of the cores.
        jobs: processes side by side; None for as many as are of use.
        deterministic: on a GPU, only kernels that repeat bit for bit.
        keep_weights: whether final weights are kept beside the records.
        say: takes each line for the user.
        complain: takes each line that says what went wrong.
        listen: makes what hears of progress in this process: ``listen(alone, label="")``, alone
            where no other one prints, the label in front of each line.
    """

    sweep: Sweep
    cells: Sequence[Cell]
    store: Store
    command: Sequence[str]
    replan: Callable[[], Sweep]
    threads: int | None
    jobs: int | None
    deterministic: bool
    keep_weights: bool
    say: Callable[[str], None]
    complain: Callable[[str], None]
    listen: Callable[..., AbstractContextManager[SweepListener]]


@cache
def executors() -> dict[str, Offer]:
    """Return every executor by its name."""
    return offers(__name__)


def executors_told() -> str:
    """Return every executor with what it is for, in a phrase for help."""
    return "; ".join(f"{name}: {offer.facts['HELP']}" for name, offer in executors().items())


class OwnOption(NamedTuple):
    """One option of an executor.

    Attributes:
        executor: its name.
        key: as the executor declares it.
        words: what click takes of it.
    """

    executor: str
    key: str
    words: Mapping[str, Any]

    @property
    def flag(self) -> str:
        """The option as a command takes it."""
        return f"--{self.executor}-{self.key}"

    @property
    def parameter(self) -> str:
        """The name under which click hands it over."""
        return self.flag[2:].replace("-", "_")


@cache
def own_options() -> tuple[OwnOption, ...]:
    """Return the options that executors declare for themselves.

    Raises:
        InputError: a file declares them in another form.
    """
    found = []
    for name, offer in executors().items():
        declared = offer.facts.get("OPTIONS", {})
        if not isinstance(declared, dict) or not all(map(_wellformed, declared.items())):
            raise InputError(f"{offer.facts.file}: OPTIONS is not, by name, what click takes")
        found += [OwnOption(name, key, words) for key, words in declared.items()]
    return tuple(found)


def _wellformed(item: tuple[object, object]) -> bool:
    key, words = item
    known = {"metavar", "help", "default", "show_default", "multiple", "is_flag"}
    return isinstance(key, str) and isinstance(words, dict) and words.keys() <= known


def trains_elsewhere(name: str) -> bool:
    """Whether an executor trains on other machines than the one that plans."""
    return bool(executors()[name].facts.get("ELSEWHERE", False))


def check(name: str, asked: Asked) -> None:
    """Have an executor refuse what it can do nothing with.

    Raises:
        InputError: an option has no such value, or what the executor needs is not there.
    """
    told = getattr(executors()[name].load(), "check", None)
    if told is not None:
        told(asked)


def show(name: str, order: Order) -> None:
    """Have an executor say what it would do with an order, if it has anything to say."""
    told = getattr(executors()[name].load(), "show", None)
    if told is not None:
        told(order)


def run(name: str, order: Order) -> bool:
    """Have an executor train the cells of an order; False where it works on after this process."""
    ended: bool = executors()[name].function("run")(order)
    return ended
