"""The driver: hands jobs out, hears what nodes tell, and hands out anew what is lost."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from benchmark.errors import InputError, StorageError
from benchmark.store import lease
from benchmark.store.record import Cell
from benchmark.sweep.executors import Order
from benchmark.sweep.nodes.arrival import Arrival, seeds
from benchmark.sweep.nodes.job import Cluster, Job, Lost, Node
from benchmark.sweep.stages import has_weights
from benchmark.words import count

_LOOK = 0.5
"""Seconds between two looks at what nodes told."""

_LOOK_AGAIN = 5.0
"""Seconds between two looks at cells that other processes hold."""

_LOSSES = 3
"""Attempts that may be lost without an epoch between them: then it is the cell that ends them."""

_PARTING = 60.0
"""Seconds that nodes have to stop when the driver is interrupted."""


@dataclass
class Handed:
    """Where a job stands.

    Attributes:
        job: with the cells that are left of it.
        cells: the same, as planned here.
        arrival: takes what is told of it.
        attempt: the last one, from 1.
        task: by which its end is asked, None while it is not handed out.
        place: node and process once they are known.
        heard: when it last told something.
        losses: attempts that were lost since the last epoch.
        look: when its cells may be free that others hold.
        leases: of its cells, where the driver holds them for nodes that do not see the store.
        held: lets go of them.
    """

    job: Job
    cells: list[Cell]
    arrival: Arrival
    attempt: int = 0
    task: Any = None
    place: tuple[Node, int] | None = None
    heard: float = 0.0
    losses: int = 0
    look: float = 0.0
    leases: list[lease.Lease] = field(default_factory=list)
    held: ExitStack = field(default_factory=ExitStack)


@dataclass
class Handing:
    """Works through jobs on a cluster.

    Attributes:
        order: whose cells they are.
        cluster: what they are handed out to.
        left: jobs that have not ended.
        silence: seconds after which a node that tells nothing is given up.
    """

    order: Order
    cluster: Cluster
    left: list[Handed]
    silence: float = lease.PATIENCE
    _without: set[str] = field(default_factory=set)
    _waiting: bool = False

    def run(self) -> None:
        """Return when all jobs have ended.

        Raises:
            InputError: no node can train them.
            StorageError: the store cannot be written to any more.
            KeyboardInterrupt: this process was told to stop; nodes have stopped, too.
        """
        try:
            while self.left:
                self._hand_out()
                self._look()
        except BaseException:
            self._part()
            raise

    def _look(self) -> None:
        """Hear what nodes told, and see which have ended."""
        out = {handed.task: handed for handed in self.left if handed.task is not None}
        if not out:
            time.sleep(_LOOK)
        ended = self.cluster.wait(list(out), _LOOK) if out else []
        self._hear()
        for task in ended:
            self._settle(out[task])
        self._give_up_silent()

    def _hear(self) -> None:
        jobs = {handed.job.number: handed for handed in self.left}
        for number, attempt, events in self.cluster.collect():
            handed = jobs.get(number)
            if handed is None or handed.attempt != attempt:
                continue
            self._sign_of_life(handed)
            for name, *what in events:
                if name == "begun":
                    handed.place = what[0], what[1]
                else:
                    handed.losses = 0 if name == "evaluated" else handed.losses
                    handed.arrival.take(name, what)

    def _sign_of_life(self, handed: Handed) -> None:
        handed.heard = time.monotonic()
        for each in handed.leases:
            each.advance()

    def _hand_out(self) -> None:
        """Hand out what is free, as many at once as were asked for."""
        now = time.monotonic()
        room = (self.order.jobs or len(self.left)) - sum(h.task is not None for h in self.left)
        for handed in list(self.left):
            if handed.task is not None or handed.look > now or room <= 0:
                continue
            handed.cells = [cell for cell in handed.cells if not self._done(handed, cell)]
            if not handed.cells:
                self._end(handed)
            elif self._take(handed):
                self._begin(handed)
                room -= 1
            else:
                handed.look = now + _LOOK_AGAIN
        self._tell_waiting()

    def _begin(self, handed: Handed) -> None:
        """Hand out what is left of a job, with what nodes need that see no store but their own."""
        cells, job = handed.cells, handed.job
        given = () if job.sign is not None else seeds(cells, self.order.sweep, self.order.store)
        slugs = tuple(cell.slug for cell in cells)
        handed.job, handed.place = replace(job, slugs=slugs, seeds=tuple(given)), None
        handed.attempt += 1
        without = frozenset(self._without)
        handed.task = self.cluster.hand_out(handed.job, handed.attempt, without)

    def _done(self, handed: Handed, cell: Cell) -> bool:
        store = self.order.store
        return store.has(cell) and (
            cell.id not in handed.arrival.needed or has_weights(cell, store)
        )

    def _take(self, handed: Handed) -> bool:
        """See that nobody else trains the cells, and hold them where nodes do not see the store."""
        begun = self.order.store.begun
        if handed.job.sign is not None:
            return not any(lease.holder(begun.folder(cell)) for cell in handed.cells)
        if handed.leases:
            return True
        for cell in handed.cells:
            taken = begun.take(cell)
            if taken is None:
                handed.held.close()
                handed.leases.clear()
                return False
            handed.leases.append(handed.held.enter_context(taken))
            if self.order.store.has(cell):
                begun.again(cell)
        return True

    def _tell_waiting(self) -> None:
        """Say once where only what others hold is left."""
        idle = all(handed.task is None for handed in self.left)
        if idle and self.left and not self._waiting:
            cells = sum(len(handed.cells) for handed in self.left)
            are = count(cells, "cell is", "cells are")
            self.order.say(f"{are} held by other processes; waiting")
        self._waiting = idle

    def _settle(self, handed: Handed) -> None:
        """See how an attempt ended."""
        ended, handed.task = self.cluster.end(handed.task), None
        if isinstance(ended, Lost):
            self._lose(handed, ended.reason)
        elif ended.refused is not None and ended.node is not None:
            self._leave_out(ended.node, ended.refused)
        elif ended.fault is not None:
            raise StorageError(ended.fault)
        elif ended.held:
            handed.cells = [cell for cell in handed.cells if cell.slug in ended.held]
            handed.look = time.monotonic() + _LOOK_AGAIN
        else:
            self._end(handed)

    def _lose(self, handed: Handed, reason: str) -> None:
        """Hand a job out anew whose process or node is gone, or give its cells up."""
        handed.losses += 1
        where = "" if handed.place is None else f" on {handed.place[0]}"
        name = f"job {handed.job.number}{where}: {reason}"
        if handed.losses < _LOSSES:
            self.order.complain(f"{name}; handed out again")
            if not self._able():
                self.order.complain("no node is left that has room for a job; waiting for one")
            return
        told = f"{reason}, {handed.losses} times without an epoch between them"
        for cell in handed.cells:
            if not self._done(handed, cell):
                handed.arrival.fail(cell, told, told)
        self._end(handed)

    def _leave_out(self, node: Node, reason: str) -> None:
        """Hand nothing more to a node that cannot train.

        Raises:
            InputError: no node is left.
        """
        if node.id not in self._without:
            self._without.add(node.id)
            self.order.complain(f"{node} is left out: {reason}")
        if not self._able():
            raise InputError("no node of the cluster can train these cells")

    def _able(self) -> list[Node]:
        return [node for node in self.cluster.nodes() if node.id not in self._without]

    def _end(self, handed: Handed) -> None:
        if handed.attempt:
            self.cluster.over(handed.job)
        self.left.remove(handed)
        handed.held.close()

    def _give_up_silent(self) -> None:
        """End processes that tell nothing more: their devices hang, or nothing reaches us."""
        now = time.monotonic()
        for handed in self.left:
            if handed.task is not None and handed.place is None:
                self._sign_of_life(handed)  # it waits for a node
            elif handed.task is not None and now - handed.heard > self.silence:
                assert handed.place is not None
                node, process = handed.place
                self.order.complain(
                    f"job {handed.job.number} on {node}: silent for {self.silence:.0f} s; ended"
                )
                self.cluster.kill(node, process)
                handed.heard = now

    def _part(self) -> None:
        """Have all nodes stop, and take what they still deliver."""
        out = [handed.task for handed in self.left if handed.task is not None]
        try:
            for task in out:
                self.cluster.interrupt(task)
            until = time.monotonic() + _PARTING
            while out and time.monotonic() < until:
                ended = self.cluster.wait(out, _LOOK)
                self._hear()
                out = [task for task in out if task not in ended]
        finally:
            for handed in self.left:
                handed.held.close()
