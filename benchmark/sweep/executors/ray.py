"""A Ray cluster: cells as tasks on its nodes, which this process hands out and waits for."""

from __future__ import annotations

import importlib.util
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from benchmark.errors import InputError
from benchmark.store.faults import writing
from benchmark.sweep.executors import Asked, Order
from benchmark.sweep.nodes.arrival import Arrival
from benchmark.sweep.nodes.cluster import RayCluster, connected
from benchmark.sweep.nodes.code import code_digest
from benchmark.sweep.nodes.handing import Handed, Handing
from benchmark.sweep.nodes.job import Job
from benchmark.sweep.stages import needed_first_stages, shares
from benchmark.words import count

HELP = "nodes of a Ray cluster"
ELSEWHERE = True
OPTIONS = {
    "address": {
        "metavar": "HOST:PORT",
        "help": "With --executor ray: the cluster, or auto for the one that this machine is a "
        "node of; without it, one of this machine alone is started.",
    },
    "storage": {
        "metavar": "shared|driver",
        "default": "shared",
        "show_default": True,
        "help": "With --executor ray: shared where every node sees the folder of --results; "
        "driver where checkpoints and finished cells are sent to this machine.",
    },
}


def run(order: Order) -> bool:
    """Train the cells on the cluster's nodes and wait for them.

    Raises:
        InputError: an option has no such value, Ray is not there, or no node can train the cells.
        StorageError: the store cannot be written to any more.
        KeyboardInterrupt: it was asked to stop; the nodes have stopped.
    """
    address = order.options["address"]
    gpus = partial(_gpus, order)
    root = order.store.root
    with (
        sign(order) as signed,
        connected(address, _threads(order), gpus, root) as cluster,
        ExitStack() as held,
    ):
        _check_room(order, cluster)
        jobs = handed(order, "cuda" if cluster.gpus else "cpu", signed, held)
        order.say(f"{count(len(jobs), 'job')} for {count(len(cluster.nodes()), 'node')} of Ray")
        Handing(order, cluster, jobs).run()
    return True


def show(order: Order) -> None:
    """Say what would be handed out."""
    jobs = len(shares(order.cells, order.sweep, 1))
    where = order.options["address"] or "started on this machine"
    gpu = "" if order.device == "cpu" else f", 1/{order.jobs_per_gpu} of a GPU where there is one"
    order.say(
        f"{count(jobs, 'job')} for the Ray cluster {where}, each "
        f"{count(_threads(order), 'CPU core')}{gpu}"
    )
    order.say(
        f"Every node must see {order.store.root.absolute()}"
        if order.options["storage"] == "shared"
        else "Checkpoints and finished cells are sent to this machine"
    )


def check(asked: Asked) -> None:
    """Refuse what nodes cannot be given.

    Raises:
        InputError: an option has no such value, or Ray is not installed.
    """
    storage = asked.options["storage"]
    if storage not in ("shared", "driver"):
        raise InputError(f"--ray-storage {storage}: neither shared nor driver")
    if asked.jobs_per_gpu is None:
        raise InputError(
            "--jobs-per-gpu auto: memory of a cluster's GPUs is not known here; give a number"
        )
    if asked.device not in ("auto", "cpu", "cuda"):
        raise InputError(
            f"--device {asked.device}: Ray chooses the device of a node; give auto, cpu or cuda"
        )
    if importlib.util.find_spec("ray") is None:
        raise InputError("--executor ray: Ray is not installed; pip install 'fer-bench[ray]'")


def _threads(order: Order) -> int:
    return order.threads or 1


def _gpus(order: Order, there: float) -> float:
    """Return the share of a GPU that a job asks for, by the number of GPUs of the cluster."""
    wanted = order.device == "cuda" or (order.device == "auto" and there > 0)
    assert order.jobs_per_gpu is not None  # refused before
    return 1 / order.jobs_per_gpu if wanted else 0.0


def _check_room(order: Order, cluster: RayCluster) -> None:
    if not cluster.nodes():
        gpu = f" and {cluster.gpus:g} of a GPU" if cluster.gpus else ""
        raise InputError(
            f"no node of the cluster has {count(cluster.cpus, 'CPU core')}{gpu} for a job; see "
            "--threads, --device and --jobs-per-gpu, or start such a node first"
        )


@contextmanager
def sign(order: Order) -> Iterator[str | None]:
    """Lay a file into the store's folder that nodes know it by, where they shall see it."""
    if order.options["storage"] == "driver":
        yield None
        return
    path = order.store.root / f".ray-{uuid.uuid4().hex}"
    with writing(order.store.root):
        path.touch()
    try:
        yield path.name
    finally:
        path.unlink(missing_ok=True)


def handed(order: Order, device: str, signed: str | None, held: ExitStack) -> list[Handed]:
    """Return the jobs that an order comes to, each with what listens to it here.

    Args:
        order: whose cells they are.
        device: where nodes train.
        signed: what :func:`sign` gave.
        held: closes what listens.
    """
    needed = frozenset(needed_first_stages(order.cells, order.sweep, order.store))
    found = []
    divided = shares(order.cells, order.sweep, 1)
    for number, cells in enumerate(divided, start=1):
        job = Job(
            number=number,
            slugs=tuple(cell.slug for cell in cells),
            replan=order.replan,
            code=code_digest(),
            path=tuple(sys.path),
            command=tuple(sys.argv[1:]),
            root=str(order.store.root.absolute()),
            sign=signed,
            seeds=(),
            device=device,
            threads=_threads(order),
            deterministic=order.deterministic,
            keep_weights=order.keep_weights,
        )
        listener = held.enter_context(order.listen(False, f"[{number}/{len(divided)}] "))
        found.append(Handed(job, list(cells), Arrival(order.store, listener, needed)))
    return found
