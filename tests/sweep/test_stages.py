"""Second stages: from another cell's final weights, which is trained once, and frozen for good."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from gate_stores import ANY, USUAL, WORSE, check
from made_records import made_record
from numpy.typing import NDArray
from sweeps import CPU, Silent, run, small_faces, small_sweep

from benchmark.analysis.frame import tidy
from benchmark.analysis.groups import group_records
from benchmark.cli import cli
from benchmark.data.dataset import Part
from benchmark.engine.final_weights import unpack
from benchmark.engine.schedule import rate_factor
from benchmark.engine.stage import stage_protocol
from benchmark.errors import InputError
from benchmark.protocols import load_protocol
from benchmark.report.notes import provenance_notes
from benchmark.store.record import Cell, Record, Stage
from benchmark.store.store import Store
from benchmark.sweep.plan import Sweep, plan
from benchmark.sweep.stages import work
from benchmark.sweep.work import run_sweep
from methods.base import SecondStage
from methods.baseline import Baseline
from methods.contract import check_second_stage, failure
from methods.crt import CRT
from methods.functional import tau_normalized
from methods.tau_norm import TauNorm

QUICK = ("training.epochs=1", "methods.crt.epochs=2")
TWO = ("crt", "tau_norm")


def two_stages(names: Sequence[str] = TWO, **options: object) -> Sweep:
    return small_sweep(names, overrides=QUICK, **options)  # type: ignore[arg-type]


def by_method(store: Store) -> dict[str, Record]:
    return {record.cell.method: record for record in store.records()}


def train(sweep: Sweep, store: Store, listener: Silent | None = None) -> Silent:
    listener = listener or Silent()
    run_sweep(sweep, work(sweep.cells, sweep, store).missing, store, CPU, listener)
    return listener


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, Store, Silent]:
    sweep, store = two_stages(), Store(tmp_path_factory.mktemp("stages"))
    return sweep, store, train(sweep, store)


def test_a_first_stage_is_an_ordinary_cell_that_stands_before_what_starts_from_it() -> None:
    plain = small_sweep(["baseline"], overrides=QUICK)
    sweep = two_stages(seeds=(0, 1))
    assert [cell.method for cell in sweep.cells] == ["baseline", *TWO] * 2
    assert sweep.cells[0] == plain.cells[0], "the same cell as without a second stage"
    for cell in sweep.cells[1:3]:
        assert cell.stage is not None
        assert cell.stage.first == plain.cells[0].id
        assert sweep.first_stage(cell) == plain.cells[0]
    both = two_stages(["crt", "soft", "baseline"])
    assert [cell.method for cell in both.cells] == ["baseline", "crt", "soft"]


def test_the_first_stage_is_part_of_the_identity() -> None:
    (_, crt, _), (_, other, _) = two_stages().cells, two_stages(seeds=(1,)).cells
    assert crt.stage is not None
    assert other.stage is not None
    moved = Cell.model_validate({**crt.model_dump(), "stage": other.stage})
    assert len({crt.id, other.id, moved.id}) == 3


def test_several_second_stages_cost_one_training(trained: tuple[Sweep, Store, Silent]) -> None:
    sweep, store, listener = trained
    assert listener.started == [cell.slug for cell in sweep.cells]
    records = by_method(store)
    assert [len(records[name].history) for name in ("baseline", *TWO)] == [1, 2, 1]
    last = records["tau_norm"].history[0]
    assert (last.images, last.loss, last.seconds) == (0, {}, 0.0)
    first = records["baseline"].state_sha256
    assert [records[n].sessions[0]["first_stage_state_sha256"] for n in TWO] == [first] * 2
    assert run(sweep, store.root).trained == []


def test_what_is_frozen_stays_to_the_bit(tmp_path: Path) -> None:
    sweep = two_stages(["crt"])
    store = Store(tmp_path)
    run_sweep(sweep, sweep.cells, store, CPU, Silent(), keep_weights=[c.id for c in sweep.cells])
    records = by_method(store)
    before, after = (unpack(store.weights(records[name])) for name in ("baseline", "crt"))
    assert before.keys() == after.keys()
    moved = {name for name in before if not before[name].equal(after[name])}
    assert moved == {"head.weight", "head.bias"}
    assert any(name.endswith("running_mean") for name in before)


def test_tau_norm_is_the_baselines_network_with_normalised_rows(
    trained: tuple[Sweep, Store, Silent],
) -> None:
    sweep, store, _ = trained
    records = by_method(store)
    state = unpack(store.weights(records["baseline"]))
    weight, bias = state["head.weight"].double(), state["head.bias"].double()
    plain = torch.tensor(store.logits(records["baseline"])["last"]).double()
    expected = (plain - bias) / torch.linalg.vector_norm(weight, dim=1)
    found = store.logits(records["tau_norm"])["last"]
    np.testing.assert_allclose(found, expected.numpy(), atol=5e-3, rtol=5e-3)
    assert len(found) == len(sweep.dataset.indices(Part.TEST))


def test_a_second_stage_goes_on_bit_for_bit(
    trained: tuple[Sweep, Store, Silent], tmp_path: Path
) -> None:
    sweep, whole, _ = trained
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(sweep, store, Silent(interrupt_after=2))  # within cRT's second epoch
    assert list(by_method(store)) == ["baseline"]
    train(sweep, store)
    for name, record in by_method(whole).items():
        again = by_method(store)[name]
        assert again.state_sha256 == record.state_sha256
        assert [e.loss for e in again.history] == [e.loss for e in record.history]
    assert len(by_method(store)["crt"].sessions) == 2


def test_a_first_stage_without_weights_is_trained_again_and_replaced(tmp_path: Path) -> None:
    run(small_sweep(["baseline", "soft"], overrides=QUICK), tmp_path)
    store, sweep = Store(tmp_path), two_stages(["soft", "tau_norm"])
    before = by_method(store)
    assert not store.has_weights(before["baseline"])
    left = work(sweep.cells, sweep, store)
    assert [cell.method for cell in left.missing] == ["baseline", "tau_norm"]
    assert [cell.method for cell in left.again] == ["baseline"]
    listener = train(sweep, store)
    assert [slug.partition("-")[0] for slug in listener.started] == ["baseline", "tau_norm"]
    after = by_method(store)
    assert after["soft"] == before["soft"]
    assert after["baseline"].state_sha256 == before["baseline"].state_sha256
    assert after["baseline"].provenance["finished"] >= before["baseline"].provenance["finished"]
    assert len(store.weights(after["baseline"])) > 1000
    assert not list((store.root / "running").glob("*"))


def test_a_cut_between_the_stages_leaves_the_weights_that_come_next_need(tmp_path: Path) -> None:
    sweep, store = two_stages(["crt"]), Store(tmp_path)
    first = work(sweep.cells, sweep, store).missing[:1]
    assert [cell.method for cell in first] == ["baseline"]
    run_sweep(sweep, first, store, CPU, Silent())
    (baseline,) = store.records()
    assert store.has_weights(baseline)
    assert train(sweep, store).started == [sweep.cells[1].slug]


def test_a_cut_after_a_first_stage_that_is_trained_again_trains_it(tmp_path: Path) -> None:
    run(small_sweep(["baseline"], overrides=QUICK), tmp_path)
    sweep, store = two_stages(["crt"]), Store(tmp_path)
    run_sweep(sweep, work(sweep.cells, sweep, store).missing[:1], store, CPU, Silent())
    assert store.has_weights(by_method(store)["baseline"])
    assert [cell.method for cell in work(sweep.cells, sweep, store).missing] == ["crt"]


def test_what_is_done_of_training_again_is_kept(tmp_path: Path) -> None:
    three = ("training.epochs=3",)
    run(small_sweep(["baseline"], overrides=three), tmp_path)
    store, sweep = Store(tmp_path), small_sweep(["tau_norm"], overrides=three)
    (before,) = store.records()
    with pytest.raises(KeyboardInterrupt):
        train(sweep, store, Silent(interrupt_after=2))
    store.begun.settle([before.cell])  # as other commands do
    assert store.records() == [before]
    goes_on = train(sweep, store)
    assert goes_on.epochs == 2, "two of three epochs were kept; tau-norm has an entry of its own"
    after = by_method(store)["baseline"]
    assert (after.state_sha256, len(after.sessions)) == (before.state_sha256, 2)
    store.begun.folder(after.cell).mkdir(parents=True)
    (store.begun.folder(after.cell) / "again").touch()  # as a kill before the clean-up leaves it
    store.begun.settle([after.cell])
    assert not store.begun.folder(after.cell).exists()


def test_a_cell_whose_replacement_was_killed_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    record, logits = made_record(test_counts=[9] * 7)
    store.add(record, logits)
    (old,) = store.records()
    rename = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if path.name.startswith(".draft") and not Path(target).exists():
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", fails)
        with pytest.raises(KeyboardInterrupt):
            store.add(record, logits, b"weights", replace=True)
    assert store.records() == [old], "put back at once"
    aside = store.begun.folder(record.cell) / ".replaced"
    aside.parent.mkdir(parents=True, exist_ok=True)
    (store.cells / record.cell.slug).rename(aside)  # as a kill leaves it
    lease = store.begun.take(record.cell)
    assert lease is not None
    with lease:
        assert store.records() == [old]
        store.add(record, logits, b"weights", replace=True)
    (new,) = store.records()
    assert store.weights(new) == b"weights"
    store.add(record, logits, b"others")
    assert store.records() == [new], "only who says so replaces"


def test_a_first_stage_that_another_process_trains_is_left_for_later(tmp_path: Path) -> None:
    sweep, store = two_stages(["crt", "soft"]), Store(tmp_path)
    store.prepare()
    held = store.begun.take(sweep.cells[0])
    assert held is not None

    class Impatient(Silent):
        def waiting(self, cells: int) -> None:
            assert cells == 2
            held.release()

    with held:
        listener = train(sweep, store, Impatient())
    assert [slug.partition("-")[0] for slug in listener.started] == ["soft", "baseline", "crt"]


class Failing(Baseline):
    """A first stage that fails at first."""

    fails = True

    def loss(self, batch, progress):  # type: ignore[no-untyped-def]
        if self.fails:
            raise RuntimeError("no luck")
        return super().loss(batch, progress)


class OnFailing(CRT):
    """A second stage of it."""

    @classmethod
    def second_stage(cls, hyper):  # type: ignore[no-untyped-def]
        return SecondStage("failing", epochs=1)


def test_where_the_first_stage_fails_the_second_says_so_and_both_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = plan(
        small_faces(),
        {"second": OnFailing, "failing": Failing},
        [10.0],
        [0],
        load_protocol("smoke", ["training.epochs=1", "image.size=32"]),
        weights="scratch",
        precision="fp32",
    )
    store = Store(tmp_path)
    listener = train(sweep, store)
    first, second = sweep.cells
    assert listener.failures[0] == "RuntimeError: no luck"
    assert listener.failures[1].startswith(f"its first stage failed: {first.slug}")
    assert {path.parent.name for path in store.begun.failures()} == {first.slug, second.slug}
    monkeypatch.setattr(Failing, "fails", False)
    assert train(sweep, store).failures == []
    assert len(store.records()) == 2
    assert store.begun.failures() == []


def test_damaged_weights_of_a_first_stage_start_nothing(tmp_path: Path) -> None:
    sweep, store = two_stages(["tau_norm"]), Store(tmp_path)
    first = sweep.cells[0]
    run_sweep(sweep, [first], store, CPU, Silent(), keep_weights=[first.id])
    path = store.cells / first.slug / "weights.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"!")
    listener = train(sweep, store)
    (reason,) = listener.failures
    assert "weights.safetensors: not the file of its record" in reason
    assert len(store.records()) == 1


class ThirdStage(CRT):
    """A method on one that has a first stage itself."""

    @classmethod
    def second_stage(cls, hyper):  # type: ignore[no-untyped-def]
        return SecondStage("crt", epochs=1)


def test_three_stages_are_refused() -> None:
    with pytest.raises(InputError, match="two stages at most"):
        plan(
            small_faces(), {"third": ThirdStage}, [10.0], [0], load_protocol("smoke"),
            weights="scratch", precision="fp32",
        )  # fmt: skip


class Drifting(CRT):
    """Frozen parameters, but norms that follow the batches."""

    def train(self, mode=True):  # type: ignore[no-untyped-def]
        return torch.nn.Module.train(self, mode)


class Thawed(CRT):
    """Gradients for what is said to be frozen."""

    def train(self, mode=True):  # type: ignore[no-untyped-def]
        self.backbone.requires_grad_(True)
        return super().train(mode)


class Idle(TauNorm):
    """Epochs, and nothing to train."""

    @classmethod
    def second_stage(cls, hyper):  # type: ignore[no-untyped-def]
        return SecondStage("baseline", epochs=3)


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        (Drifting, "frozen, but moved: .*running_mean"),
        (Thawed, "frozen, but moved: .*weight"),
        (Idle, "nothing is trained, but epochs are asked for"),
    ],
)
def test_the_contract_finds_what_is_not_frozen(method: type[CRT], reason: str) -> None:
    assert failure(check_second_stage, CRT) is None
    found = failure(check_second_stage, method)
    assert found is not None
    assert re.search(reason, found)


def test_the_rate_falls_from_its_own_largest() -> None:
    protocol = load_protocol("compact")
    _, crt = small_sweep(["crt"], overrides=QUICK).cells
    cell = crt.model_copy(update={"protocol": protocol})
    spec = stage_protocol(cell, SecondStage("baseline", epochs=10, rate=0.5)).training
    assert (spec.epochs, spec.head_lr) == (10, 0.5 * protocol.training.head_lr)
    factors = [rate_factor(spec, step, 7) for step in range(70)]
    assert factors[0] == pytest.approx(1.0)
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] < 0.02
    assert stage_protocol(cell, None) is cell.protocol


def staged(
    seed: int, version: int = 1, skill: Sequence[float] = USUAL
) -> tuple[Record, dict[str, NDArray[np.generic]]]:
    """A made record of a second stage on a made record of the same seed, and its logits."""
    first, _ = made_record("baseline", seed=seed)
    record, logits = made_record("crt", seed=seed, hyper={"rate": 1.0}, skill=skill)
    stage = Stage(method="baseline", version=version, hyper={}, first=first.id, epochs=2)
    cell = Cell.model_validate({**record.cell.model_dump(), "stage": stage})
    update = {"cell": cell, "id": cell.id, "method_title": "cRT"}
    return record.model_copy(update=update), logits


def test_seeds_of_a_second_stage_are_one_row_and_the_note_names_the_first() -> None:
    records = [staged(0)[0], staged(1)[0], made_record("baseline", seed=0)[0]]
    (group,) = group_records(records)
    assert [(e.method, len(e.runs)) for e in group.entries] == [("baseline", 1), ("crt", 2)]
    notes = provenance_notes([group], tidy(records, ["last"]), "last")
    expected = "Second stages, of the final weights of Baseline at the same factor and seed: cRT."
    assert expected in notes
    (group,) = group_records([staged(0)[0], staged(1, version=2)[0]])
    assert [len(entry.runs) for entry in group.entries] == [1, 1], "on other first stages"


@pytest.mark.parametrize(("skill", "code"), [(USUAL, 0), (WORSE, 1)])
def test_the_gate_compares_second_stages_of_other_seeds(
    tmp_path: Path, skill: Sequence[float], code: int
) -> None:
    stored, new = Store(tmp_path / "stored"), Store(tmp_path / "new")
    for seed in range(4):
        stored.add(*staged(seed))
    new.add(*staged(7, skill=skill))
    done = check(new.root, stored.root, *ANY)
    assert done.exit_code == code, done.output
    assert "the spread of the stored seeds" in " ".join(done.output.split())


@pytest.mark.slow
def test_commands_name_the_first_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = ["--factors", "50", "--set", "training.epochs=1", "--set", "image.size=24"]

    def command(*words: str) -> str:
        result = CliRunner().invoke(cli, [*words, *sweep])
        assert result.exit_code == 0, result.output
        return result.output

    first = "baseline-synthetic-50-s0-"
    text = command("run", "--jobs", "1", "--methods", "tau-norm", "--only", "tau*", "--dry-run")
    assert "2 cells on synthetic (protocol smoke): 0 finished, 2 to train" in text
    assert f"For what starts from them, too: {first}" in text
    assert f"to train, from the final weights of {first}" in text
    command("run", "--jobs", "1", "--methods", "baseline")
    text = command("run", "--jobs", "1", "--methods", "tau-norm", "--dry-run")
    assert f"and trained again with them: {first}" in text
    assert ": to train again" in text
    text = command("status", "--methods", "tau-norm")
    assert "trained again as they were not kept" in text
    text = command("run", "--jobs", "1", "--methods", "tau-norm")
    assert "nothing to train: test" in text
    assert "2 trained, 0 failed." in text
    assert "2 done" in command("status", "--methods", "tau-norm")


def test_rows_are_normalised_whatever_their_norms() -> None:
    weight = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert tau_normalized(weight, 1.0).tolist() == [
        [pytest.approx(0.6), pytest.approx(0.8)],
        [0, 0],
    ]
