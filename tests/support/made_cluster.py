"""A cluster that is none: jobs are trained in this process, and ends as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from sweeps import Silent

from benchmark.store.store import Store
from benchmark.sweep.executors import Order
from benchmark.sweep.executors.ray import handed, sign
from benchmark.sweep.nodes.depot import Depot, News
from benchmark.sweep.nodes.handing import Handing
from benchmark.sweep.nodes.job import Ended, Job, Lost, Node
from benchmark.sweep.nodes.node import train
from benchmark.sweep.plan import Sweep
from benchmark.sweep.stages import work

NODES = [Node("aaaaaaaa", "10.0.0.1"), Node("bbbbbbbb", "10.0.0.2")]


class Shut(Depot):
    """The depot of a node that is cut off at an epoch, which is told no more."""

    def __init__(self, depot: Depot, epoch: int | None) -> None:
        self._depot = depot
        self._epoch = epoch

    def tell(self, job: int, attempt: int, events: Sequence[tuple[Any, ...]]) -> bool:
        for name, *what in events:
            if name == "evaluated" and what[0].epoch == self._epoch:
                raise ConnectionError("cut off")
        return self._depot.tell(job, attempt, events)

    def keep(self, job: int, attempt: int, slug: str, content: bytes) -> bool:
        return self._depot.keep(job, attempt, slug, content)

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        return self._depot.read(names)


class MadeCluster:
    """Trains each job where it is handed out.

    Args:
        root: of the driver's store.
        cuts: the epoch that ends an attempt, by job and attempt; 0 for one that never begins.
        hung: job and attempt of those that begin and never tell more.
        refusing: ids of nodes whose code is other than the driver's.
    """

    def __init__(
        self,
        root: Path,
        cuts: dict[tuple[int, int], int] | None = None,
        hung: Sequence[tuple[int, int]] = (),
        refusing: Sequence[str] = (),
    ) -> None:
        self.depot = Depot(str(root))
        self.cuts = cuts or {}
        self.hung = hung
        self.refusing = refusing
        self.handed: list[tuple[int, int]] = []
        self.killed: list[int] = []
        self.interrupted: list[object] = []
        self._ends: dict[tuple[int, int], Ended | Lost] = {}

    def hand_out(self, job: Job, attempt: int, without: frozenset[str]) -> Any:
        self.depot.expect(job.number, attempt)
        task = job.number, attempt
        self.handed.append(task)
        node = next(node for node in NODES if node.id not in without)
        if task in self.hung:
            self.depot.tell(job.number, attempt, [("begun", node, 77)])
            return task
        if node.id in self.refusing:
            job = replace(job, code="another")
        self._ends[task] = self._train(job, attempt, node, self.cuts.get(task))
        return task

    def _train(self, job: Job, attempt: int, node: Node, cut: int | None) -> Ended | Lost:
        if cut == 0:
            return Lost("its process died")
        threads = torch.get_num_threads()
        try:
            return train(job, attempt, Shut(self.depot, cut), node)
        except (KeyboardInterrupt, ConnectionError):
            return Lost("its node is gone")
        finally:
            torch.set_num_threads(threads)

    def over(self, job: Job) -> None:
        self.depot.expect(job.number, None)

    def wait(self, tasks: Sequence[Any], seconds: float) -> list[Any]:
        return [task for task in tasks if task in self._ends]

    def end(self, task: Any) -> Ended | Lost:
        return self._ends[task]

    def collect(self) -> list[News]:
        return self.depot.collect()

    def interrupt(self, task: Any) -> None:
        self.interrupted.append(task)
        self._ends[task] = Lost("it was given up")

    def kill(self, node: Node, process: int) -> None:
        self.killed.append(process)
        for task in self.hung:
            self._ends.setdefault(task, Lost("its process died"))

    def nodes(self) -> list[Node]:
        return NODES


class Heard(Silent):
    """What listens on the driver's side."""

    def __init__(self) -> None:
        super().__init__()
        self.finished: list[str] = []

    def cell_finished(self, record: Any) -> None:
        self.finished.append(record.cell.slug)


@contextmanager
def _listen(heard: Heard, alone: bool, label: str = "") -> Iterator[Heard]:
    yield heard


@dataclass
class Run:
    """One run of an order on a made cluster."""

    root: Path
    replan: Callable[[], Sweep]
    storage: str = "shared"
    heard: Heard = field(default_factory=Heard)
    said: list[str] = field(default_factory=list)
    keep_weights: bool = False

    def order(self) -> Order:
        sweep, store = self.replan(), Store(self.root)
        store.prepare()
        return Order(
            sweep=sweep, cells=work(sweep.cells, sweep, store).missing, store=store,
            command=["run"], replan=self.replan,
            options={"address": None, "storage": self.storage}, device="cpu", threads=1,
            jobs=None, jobs_per_gpu=1, deterministic=False, keep_weights=self.keep_weights,
            say=self.said.append, complain=self.said.append, listen=partial(_listen, self.heard),
        )  # fmt: skip

    def on(self, cluster: MadeCluster, silence: float = 60.0) -> None:
        order = self.order()
        with sign(order) as signed, ExitStack() as held:
            Handing(order, cluster, handed(order, "cpu", signed, held), silence).run()
