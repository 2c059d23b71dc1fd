"""Cells on nodes: what is lost is handed out again, and the outcome is that of one process."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import sweeps
from made_cluster import NODES, MadeCluster, Run
from processes import outcome
from sweeps import SHORT, small_sweep

from benchmark.errors import InputError
from benchmark.store.store import Store
from benchmark.sweep.executors.ray import handed
from benchmark.sweep.nodes import handing, line
from benchmark.sweep.nodes.depot import Depot, News
from benchmark.sweep.nodes.job import Ended
from benchmark.sweep.nodes.node import train

LONGER = ("training.epochs=4", "image.size=24")
PLAN = partial(small_sweep, ("baseline", "crt", "cb"), overrides=LONGER)
ONE = partial(small_sweep, ("baseline",), overrides=LONGER)
STORAGES = pytest.mark.parametrize("storage", ["shared", "driver"])


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "_EVERY", 0.005)
    monkeypatch.setattr(handing, "_LOOK", 0.01)
    monkeypatch.setattr(handing, "_LOOK_AGAIN", 0.05)
    monkeypatch.setattr(handing, "_PARTING", 1.0)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("undisturbed")
    sweeps.run(PLAN(), root)
    return root


def _sessions(root: Path) -> dict[str, list[int]]:
    return {
        record.cell.method: [session["after_epochs"] for session in record.sessions]
        for record in Store(root).records()
    }


@STORAGES
def test_nodes_train_what_one_process_trains(
    undisturbed: Path, tmp_path: Path, storage: str
) -> None:
    run = Run(tmp_path / "runs", PLAN, storage)
    cluster = MadeCluster(run.root)
    run.on(cluster)
    assert outcome(run.root) == outcome(undisturbed)
    assert cluster.handed == [(1, 1), (2, 1)], "what starts from a cell is in one job with it"
    assert [slug.partition("-")[0] for slug in run.heard.started] == ["baseline", "crt", "cb"]
    assert run.heard.finished == run.heard.started
    assert not [*(run.root / "running").iterdir()]
    assert not [*run.root.glob(".ray-*")]
    run.on(cluster)
    assert len(cluster.handed) == 2, "nothing was left to do"


@STORAGES
def test_a_lost_attempt_goes_on_from_its_checkpoint(
    undisturbed: Path, tmp_path: Path, storage: str
) -> None:
    run = Run(tmp_path / "runs", PLAN, storage)
    cluster = MadeCluster(run.root, {(1, 1): 3, (2, 1): 2, (2, 2): 3})
    run.on(cluster)
    assert outcome(run.root) == outcome(undisturbed)
    assert sorted(cluster.handed) == [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)]
    assert max(map(len, _sessions(run.root).values())) > 1, "one went on"
    lost = "job 1 on node 10.0.0.1 (aaaaaa): its node is gone; handed out again"
    assert run.said.count(lost) == 1


def test_a_second_stage_goes_on_without_its_first(tmp_path: Path) -> None:
    """The node is lost after the first stage came back, which is then given to the next node."""
    plan = partial(small_sweep, ("baseline", "crt"), overrides=SHORT)
    run = Run(tmp_path / "runs", plan, "driver")
    cluster = MadeCluster(run.root, {(1, 1): 5})
    run.on(cluster)
    assert cluster.handed == [(1, 1), (1, 2)]
    assert [slug.partition("-")[0] for slug in run.heard.started] == ["baseline", "crt", "crt"]
    assert len(Store(run.root).records()) == 2


def test_what_an_older_attempt_sends_changes_nothing(tmp_path: Path) -> None:
    depot = Depot(str(tmp_path))
    folder = tmp_path / "running" / "cell"
    folder.mkdir(parents=True)
    depot.expect(1, 1)
    assert depot.keep(1, 1, "cell", b"first")
    assert depot.keep(1, 1, "finished", b"late")
    assert not (tmp_path / "running" / "finished").exists()
    depot.expect(1, 2)
    assert not depot.keep(1, 1, "cell", b"late")
    assert not depot.tell(1, 1, [("evaluated",)])
    assert depot.tell(1, 2, [])
    assert (folder / "checkpoint.pt").read_bytes() == b"first"
    assert depot.collect() == [(1, 2, [])]
    assert depot.collect() == []
    depot.expect(1, None)
    assert not depot.tell(1, 2, [])
    assert depot.read(["running/cell/checkpoint.pt", "none"]) == {
        "running/cell/checkpoint.pt": b"first"
    }


@STORAGES
def test_a_cell_that_ends_its_process_is_given_up(tmp_path: Path, storage: str) -> None:
    plan = partial(small_sweep, ("cb", "baseline"), overrides=LONGER)
    run = Run(tmp_path / "runs", plan, storage)
    cluster = MadeCluster(run.root, {(1, attempt): 0 for attempt in range(1, 9)})
    run.on(cluster)
    assert [record.cell.method for record in Store(run.root).records()] == ["baseline"]
    assert len([job for job, _ in cluster.handed if job == 1]) == 3
    assert run.heard.failures == ["its process died, 3 times without an epoch between them"]
    assert len(Store(run.root).begun.failures()) == 1


@STORAGES
def test_a_cell_that_fails_is_not_tried_again(tmp_path: Path, storage: str) -> None:
    plan = partial(small_sweep, ("baseline",), overrides=("training.lr=1e30", *SHORT))
    run = Run(tmp_path / "runs", plan, storage)
    cluster = MadeCluster(run.root)
    run.on(cluster)
    assert cluster.handed == [(1, 1)]
    assert "not finite" in run.heard.failures[0]
    cell = plan().cells[0]
    assert Store(run.root).begun.diverged(cell), "its traceback is in the driver's store"


def test_a_node_that_cannot_train_is_left_out(undisturbed: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "runs", PLAN)
    run.on(MadeCluster(run.root, refusing=[NODES[0].id]))
    assert outcome(run.root) == outcome(undisturbed)
    told = [text for text in run.said if "is left out" in text]
    assert told == [
        "node 10.0.0.1 (aaaaaa) is left out: its fer-bench is other code than the driver's; "
        "install the same there"
    ]


def test_where_no_node_can_train_nothing_is_trained(tmp_path: Path) -> None:
    run = Run(tmp_path / "runs", PLAN, "driver")
    with pytest.raises(InputError, match="no node of the cluster can train"):
        run.on(MadeCluster(run.root, refusing=[node.id for node in NODES]))
    assert not Store(run.root).records()
    assert not [*run.root.glob("running/*/lease-*")]


@STORAGES
def test_cells_that_others_hold_are_waited_for(
    tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path / "runs", ONE, storage)
    store = run.order().store
    held = store.begun.take(ONE().cells[0])
    assert held is not None
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 40:
            held.release()

    monkeypatch.setattr(handing.time, "sleep", sleep)
    monkeypatch.setattr(handing, "_LOOK_AGAIN", 0.0)
    cluster = MadeCluster(run.root)
    run.on(cluster)
    assert cluster.handed == [(1, 1)]
    assert run.said == ["1 cell is held by other processes; waiting"]
    assert len(store.records()) == 1


@STORAGES
def test_a_process_that_falls_silent_is_ended(tmp_path: Path, storage: str) -> None:
    run = Run(tmp_path / "runs", ONE, storage)
    cluster = MadeCluster(run.root, hung=[(1, 1)])
    run.on(cluster, silence=0.2)
    assert cluster.killed[0] == 77
    assert cluster.handed == [(1, 1), (1, 2)]
    assert len(Store(run.root).records()) == 1
    assert sum("silent for" in text for text in run.said) == 1


def test_an_interrupted_driver_stops_its_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path / "runs", ONE, "driver")
    cluster = MadeCluster(run.root, hung=[(1, 1)])
    interruptions = [KeyboardInterrupt()]

    def told() -> list[News]:
        if interruptions:
            raise interruptions.pop()
        return []

    monkeypatch.setattr(cluster, "collect", told)
    with pytest.raises(KeyboardInterrupt):
        run.on(cluster)
    assert cluster.interrupted == [(1, 1)]
    assert not [*run.root.glob("running/*/lease-*")]


def test_kept_weights_come_back(tmp_path: Path) -> None:
    run = Run(tmp_path / "runs", ONE, "driver", keep_weights=True)
    run.on(MadeCluster(run.root))
    store = Store(run.root)
    assert [store.has_weights(record) for record in store.records()] == [True]


def test_a_first_stage_without_weights_is_trained_again(tmp_path: Path) -> None:
    plan = partial(small_sweep, ("baseline", "crt"), overrides=SHORT)
    sweeps.run(small_sweep(("baseline",), overrides=SHORT), tmp_path / "runs")
    run = Run(tmp_path / "runs", plan, "driver")
    run.on(MadeCluster(run.root))
    store = Store(run.root)
    found = {record.cell.method: store.has_weights(record) for record in store.records()}
    assert found == {"baseline": True, "crt": False}


@pytest.mark.parametrize("difference", ["data", "folder", "device"])
def test_what_differs_on_a_node_is_refused(tmp_path: Path, difference: str) -> None:
    run = Run(tmp_path / "runs", ONE)
    order = run.order()
    (tmp_path / "runs" / "sign").touch()
    job = handed(order, "cpu", "sign", ExitStack())[0].job
    other = partial(small_sweep, ("baseline",), factors=(9.0,), overrides=LONGER)
    changes = {"data": {"replan": other}, "folder": {"sign": "none"}, "device": {"device": "cuda"}}
    said = {
        "data": "its data or weights are other ones",
        "folder": "it does not see the driver's folder",
        "device": "cuda",
    }
    changed = replace(job, **changes[difference])  # type: ignore[arg-type]
    depot = Depot(str(run.root))
    depot.expect(1, 1)
    ended = train(changed, 1, depot, NODES[0])
    assert isinstance(ended, Ended)
    assert said[difference] in str(ended.refused)
    assert "\n" not in str(ended.refused)
    assert not [*run.root.glob("running/*")]
