"""Ray: the only file that calls it."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import InputError, StorageError, describe
from benchmark.sweep.nodes.address import check_address, check_answers
from benchmark.sweep.nodes.depot import Depot, Event, News
from benchmark.sweep.nodes.job import Ended, Job, Lost, Node

_LOST = {
    "WorkerCrashedError": "its process died",
    "NodeDiedError": "its node is gone",
    "LocalRayletDiedError": "its node is gone",
    "OutOfMemoryError": "its node ran out of memory",
    "TaskCancelledError": "it was given up",
}


@dataclass(frozen=True)
class DepotCalls:
    """The depot as a node reaches it; each call waits for its answer."""

    actor: Any

    def tell(self, job: int, attempt: int, events: Sequence[Event]) -> bool:
        """Leave events; False where the attempt no longer counts."""
        return bool(_get(self.actor.tell.remote(job, attempt, events)))

    def keep(self, job: int, attempt: int, slug: str, content: bytes) -> bool:
        """Leave a cell's checkpoint; False where the attempt no longer counts."""
        return bool(_get(self.actor.keep.remote(job, attempt, slug, content)))

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return those files of the store that are there, by their names below its root."""
        found: dict[str, bytes] = _get(self.actor.read.remote(names))
        return found


@dataclass(frozen=True)
class RayCluster:
    """A Ray cluster that this process drives.

    Attributes:
        cpus: of each job.
        gpus: of each job, also fractions of one.
        depot: the actor that nodes tell things.
    """

    cpus: int
    gpus: float
    depot: Any

    def hand_out(self, job: Job, attempt: int, without: frozenset[str]) -> Any:
        """Have a job trained on some node and return what its end is asked by.

        Args:
            job: to be trained.
            attempt: the only one that counts from now on.
            without: ids of nodes that cannot train it.
        """
        import ray

        _get(self.depot.expect.remote(job.number, attempt))
        labels = {"ray.io/node-id": f"!in({','.join(sorted(without))})"} if without else None
        task = ray.remote(_task()).options(
            name=f"fer-bench-{job.number}",
            num_cpus=self.cpus,
            num_gpus=self.gpus,
            max_retries=0,  # the driver hands out anew, with the attempt's number
            scheduling_strategy="SPREAD",
            label_selector=labels,
        )
        return task.remote(pickle.dumps((job, attempt)), self.depot)

    def over(self, job: Job) -> None:
        """Say that no attempt of a job counts any more."""
        _get(self.depot.expect.remote(job.number, None))

    def wait(self, tasks: Sequence[Any], seconds: float) -> list[Any]:
        """Return those that have ended, after so many seconds at most."""
        import ray

        ended: list[Any] = ray.wait(list(tasks), num_returns=len(tasks), timeout=seconds)[0]
        return ended

    def end(self, task: Any) -> Ended | Lost:
        """Return how a task ended."""
        from ray.exceptions import RayError, RayTaskError

        try:
            ended = _get(task)
            if isinstance(ended, Ended):
                return ended
            node, address, reason = ended
            told = f"it has no fer-bench such as this; install the same there ({reason})"
            return Ended(refused=told, node=Node(node, address))
        except RayTaskError as error:
            cause = getattr(error, "cause", None) or error
            text = str(cause).strip().rpartition("\n")[2]
            return Lost(f"{type(cause).__name__}: {text}"[:300])
        except RayError as error:
            return Lost(_LOST.get(type(error).__name__) or describe(error).partition("\n")[0])

    def collect(self) -> list[News]:
        """Return what nodes told since the last call."""
        news: list[News] = _get(self.depot.collect.remote())
        return news

    def interrupt(self, task: Any) -> None:
        """Have a task stop as Ctrl-C would."""
        import ray

        ray.cancel(task, force=False)

    def kill(self, node: Node, process: int) -> None:
        """End a process that does not answer, which its task then ends with."""
        import ray

        pinned = _on(node.id)
        ray.remote(_kill).options(num_cpus=0, max_retries=0, scheduling_strategy=pinned).remote(
            process
        )

    def nodes(self) -> list[Node]:
        """Return the living nodes that have room for a job when nothing else runs."""
        import ray

        return [
            Node(node["NodeID"], node["NodeManagerAddress"])
            for node in ray.nodes()
            if node["Alive"]
            and node["Resources"].get("CPU", 0) >= self.cpus
            and node["Resources"].get("GPU", 0) >= self.gpus
        ]


@contextlib.contextmanager
def connected(
    address: str | None, cpus: int, gpus: Callable[[float], float], root: Path
) -> Iterator[RayCluster]:
    """Give a Ray cluster: the one at an address, or one of this machine that ends with the block.

    Args:
        address: of the cluster, ``host:port`` or ``auto``; None for one of this machine.
        cpus: of each job.
        gpus: of each job, by the number that the cluster has.
        root: of the driver's store.

    Raises:
        InputError: Ray cannot be loaded, or no cluster answers at the address, or not to this
            machine.
        StorageError: the cluster is gone, as when its head is.
    """
    try:
        import ray
        from ray.exceptions import RayError
    except ImportError as error:
        raise InputError(f"--executor ray: Ray cannot be loaded ({describe(error)})") from error
    check_address(address)
    # Workers look for packages in the folder that they are started from: an empty one.
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as empty:
        try:
            with contextlib.chdir(empty), _own_handlers():
                _init(address)
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = f"--ray-address {address}" if address else "--executor ray"
            raise InputError(f"{where}: no Ray cluster is reached ({describe(error)})") from error
        try:
            here = _on(ray.get_runtime_context().get_node_id())
            depot = ray.remote(Depot).options(num_cpus=0, scheduling_strategy=here)
            share = gpus(ray.cluster_resources().get("GPU", 0))
            yield RayCluster(cpus, share, depot.remote(str(root.absolute())))
        except RayError as error:
            raise StorageError(
                f"the Ray cluster is gone ({describe(error).partition(chr(10))[0]}); what is "
                "finished is kept, give the same command again to go on"
            ) from error
        finally:
            ray.shutdown()


def _init(address: str | None) -> None:
    import ray
    import ray._private.worker

    if address == "auto":
        check_answers(address, _remembered())
    # Of a lost process Ray prints a page, for which it has no option; the driver says it in a line.
    ray._private.worker.print_to_stdstream = lambda *_, **__: None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    local = {} if address else {"include_dashboard": False}
    ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **local)


def _remembered() -> str:
    """Return the address of the cluster that this machine is a node of.

    Raises:
        InputError: of none that Ray knows.
    """
    from ray._private import services

    try:
        return str(services.canonicalize_bootstrap_address("auto"))
    except ConnectionError as error:
        raise InputError(
            "--ray-address auto: this machine is no node of a Ray cluster; start one with "
            "'ray start --head', or leave the option out for one of this machine"
        ) from error


@contextlib.contextmanager
def _own_handlers() -> Iterator[None]:
    """Keep this process's own answer to signals, which Ray replaces."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


def _task() -> Callable[[bytes, Any], Any]:
    """Return what runs on a node.

    A function within one travels by value, and the job in bytes: a node without this package can
    still say that it is such a node.
    """

    def train(content: bytes, depot: Any) -> Any:
        import ray

        node = ray.get_runtime_context().get_node_id(), ray.util.get_node_ip_address()
        try:
            from benchmark.sweep.nodes.cluster import train_here

            job, attempt = pickle.loads(content)
        except Exception as error:
            return *node, f"{type(error).__name__}: {error}"
        return train_here(job, attempt, depot, node)

    return train


def train_here(job: Job, attempt: int, depot: Any, node: tuple[str, str]) -> Ended:
    """Train a job in this process, which is one of Ray's."""
    from benchmark.sweep.nodes.node import train

    return train(job, attempt, DepotCalls(depot), Node(*node))


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _get(reference: Any) -> Any:
    import ray

    return ray.get(reference)


def _on(node: str) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node_id=node, soft=False)
