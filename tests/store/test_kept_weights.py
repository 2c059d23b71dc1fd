"""Final weights beside their records: only when asked for, right to the byte, never in the way."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from made_records import made_record
from processes import QUICK, fer_bench
from sweeps import CPU, kept, run, small_sweep

import methods
from benchmark.data.dataset import Part
from benchmark.engine.final_weights import digest, pack, unpack
from benchmark.errors import InputError
from benchmark.networks.load import load_network
from benchmark.store.bundle import export_cells, import_cells
from benchmark.store.cell_folder import CARD, WEIGHTS
from benchmark.store.model_card import model_card
from benchmark.store.store import Store

SWEEP = (
    "run", "--methods", "baseline,soft", "--factors", "50", *QUICK, "--set", "training.epochs=1",
    "--jobs", "1",
)  # fmt: skip


@pytest.mark.parametrize("name", methods.names())
def test_kept_weights_give_the_logits_of_the_record(name: str, tmp_path: Path) -> None:
    sweep = small_sweep([name], overrides=["training.epochs=1"])
    store = kept(tmp_path, sweep)
    record = store.find(sweep.cells[-1])  # a first stage stands before it
    assert record is not None
    state = unpack(store.weights(record))
    assert digest(state) == record.state_sha256
    network = load_network(store.cells / record.cell.slug, CPU)
    again = network.logits(sweep.dataset.images[sweep.dataset.indices(Part.TEST)])
    # Halves are stored; another layout in memory sums in another order.
    np.testing.assert_allclose(again, store.logits(record)["last"], atol=2e-3, rtol=2e-3)


def test_weights_change_nothing_else_and_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    sweep = small_sweep(["soft"], overrides=["training.epochs=1"])
    run(sweep, tmp_path / "without")
    one, two = kept(tmp_path / "one", sweep), kept(tmp_path / "two", sweep)
    (plain,), (record,), (other,) = (s.records() for s in (Store(tmp_path / "without"), one, two))
    assert plain.weights_sha256 is None
    assert not Store(tmp_path / "without").has_weights(plain)
    assert record.state_sha256 == plain.state_sha256
    assert record.logits_sha256 == plain.logits_sha256
    assert record.weights_sha256 == other.weights_sha256
    assert one.weights(record) == two.weights(other)


def test_the_file_and_its_card_say_what_they_are(tmp_path: Path) -> None:
    from safetensors import safe_open

    store = kept(tmp_path, small_sweep(["mek"], overrides=["training.epochs=1"]))
    (record,) = store.records()
    folder = store.cells / record.cell.slug
    with safe_open(folder / WEIGHTS, "pt") as file:
        about = json.loads(file.metadata()["fer_bench"])
    assert about["cell"] == record.id
    assert about["classes"] == list(record.classes)
    assert about["image"]["size"] == 32
    card = (folder / CARD).read_text()
    assert card == model_card(record)
    for told in ("surprise", "32 x 32 pixels", "smoke", "smoothing 0.1", record.weights_sha256):
        assert str(told) in card
    assert f"{about['test_mean_accuracy']:.2f} %" in card


def test_names_of_others_begin_no_line_of_a_card() -> None:
    record, _ = made_record(test_counts=[9] * 7)
    names = ("a\n# b", *record.classes[1:])
    card = model_card(record.model_copy(update={"classes": names, "method_title": "x\ny"}))
    assert all(line.startswith(("# x y", "- ")) for line in card.splitlines() if line)


class Shared(methods.get("baseline")):  # type: ignore[misc]
    """Two names for one tensor, and one that is not laid out in order."""

    def __init__(self, backbone, task, hyper):  # type: ignore[no-untyped-def]
        super().__init__(backbone, task, hyper)
        self.again = self.head
        self.register_buffer("turned", torch.arange(6.0).reshape(2, 3).t())


def test_shared_and_turned_tensors_can_be_kept() -> None:
    from methods.contract import toy_method

    method = toy_method(Shared)
    state = unpack(pack(method, {}))
    assert digest(state) == digest(method.state_dict())
    assert torch.equal(state["again.weight"], state["head.weight"])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A made record with weights and one without."""
    store = Store(tmp_path / "store")
    record, logits = made_record("mek", test_counts=[9] * 7)
    store.add(record, logits, b"weights of mek")
    store.add(*made_record("cb", test_counts=[9] * 7))
    return store


def test_weights_that_are_not_the_records_are_refused(store: Store, tmp_path: Path) -> None:
    cb, mek = store.records()
    assert (store.has_weights(cb), store.has_weights(mek)) == (False, True)
    with pytest.raises(InputError, match="were not kept"):
        store.weights(cb)
    path = store.cells / mek.cell.slug / WEIGHTS
    path.write_bytes(b"other weights")
    for use in (
        lambda: store.weights(mek),
        lambda: export_cells(store, [mek], tmp_path / "cells.zip", weights=True),
    ):
        with pytest.raises(InputError, match=r"weights\.safetensors: not the file of its record"):
            use()
    assert not (tmp_path / "cells.zip").exists()
    assert store.records() == [cb, mek], "what the record says stands by itself"
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match=f"damaged weights {path}"):
        store.weights(mek)


def test_damaged_weights_are_named_and_moved_without_their_record(
    store: Store, tmp_path: Path
) -> None:
    _, mek = store.records()
    (store.cells / mek.cell.slug / WEIGHTS).write_bytes(b"other weights")
    check = ("results", "check", "--results", str(store.root))
    code, text = fer_bench(tmp_path, *check)
    assert code == 1
    assert "weights.safetensors: not the file of its record" in text
    assert "2 cells are whole, 0 damaged, damaged weights of 1" in text
    code, text = fer_bench(tmp_path, *check, "--move-aside")
    assert code == 0, text
    assert len(store.records()) == 2
    assert [p.read_bytes() for p in store.root.glob(f"damaged/*/{WEIGHTS}")] == [b"other weights"]
    code, text = fer_bench(tmp_path, *check)
    assert code == 0
    assert "weights of 1 cell were kept but are not here" in text


def test_weights_travel_only_when_asked(store: Store, tmp_path: Path) -> None:
    here = str(store.root)
    code, text = fer_bench(tmp_path, "results", "export", "plain.zip", "--results", here)
    assert code == 0, text
    assert "weights of 1 cell left out; --weights takes them along" in text
    export = ("results", "export", "full.zip", "--weights", "--results", here)
    code, text = fer_bench(tmp_path, *export)
    assert "2 cells written to full.zip, with the weights of 1" in text
    assert "no weights were kept of cb-ferplus-150-s0" in text
    assert not any(WEIGHTS in n for n in zipfile.ZipFile(tmp_path / "plain.zip").namelist())

    there = Store(tmp_path / "there")
    code, text = fer_bench(tmp_path, "results", "import", "plain.zip", "--results", "there")
    assert "2 cells added to there, 0 were there already\n" in text
    assert there.records() == store.records()
    assert not any(map(there.has_weights, there.records()))
    for words in ("2 were there already, with the weights of 1", "2 were there already\n"):
        code, text = fer_bench(tmp_path, "results", "import", "full.zip", "--results", "there")
        assert (code, words in text) == (0, True), text
    _, mek = there.records()
    assert there.weights(mek) == b"weights of mek"
    assert (there.cells / mek.cell.slug / CARD).read_text() == model_card(mek)


def test_weights_of_another_training_are_not_laid_beside_a_record(
    store: Store, tmp_path: Path
) -> None:
    export_cells(store, store.records(), tmp_path / "cells.zip", weights=True)
    there = Store(tmp_path / "there")
    there.add(*made_record("mek", test_counts=[9] * 7))
    arrival = import_cells(there, tmp_path / "cells.zip")
    assert (len(arrival.added), len(arrival.kept), arrival.weights) == (1, 1, [])


def test_any_change_of_travelling_weights_is_named(store: Store, tmp_path: Path) -> None:
    export_cells(store, store.records(), tmp_path / "cells.zip", weights=True)
    with zipfile.ZipFile(tmp_path / "cells.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "changed.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content + b"!" if name.endswith(WEIGHTS) else content)
    there = Store(tmp_path / "there")
    with pytest.raises(InputError, match=r"weights\.safetensors: not the file of its record"):
        import_cells(there, tmp_path / "changed.zip")
    assert not there.cells.exists()


@pytest.mark.exhaustive
def test_the_command_keeps_them_and_trains_no_finished_cell_again(tmp_path: Path) -> None:
    code, text = fer_bench(tmp_path, *SWEEP, "--only", "base*", "--results", "runs")
    assert code == 0, text
    store = Store(tmp_path / "runs")
    (plain,) = store.records()
    for more in (("--dry-run",), ()):
        code, text = fer_bench(tmp_path, *SWEEP, "--keep-weights", *more, "--results", "runs")
        assert code == 0, text
        assert f"Finished without weights, and left as they are: {plain.cell.slug}." in text
    baseline, soft = store.records()
    assert baseline == plain
    assert not store.has_weights(baseline)
    assert digest(unpack(store.weights(soft))) == soft.state_sha256
    (store.cells / soft.cell.slug / WEIGHTS).write_bytes(b"")
    code, text = fer_bench(tmp_path, *SWEEP, "--keep-weights", "--results", "runs")
    assert code == 2
    assert "not the file of its record" in text


@pytest.mark.exhaustive
def test_jobs_side_by_side_keep_them_too(tmp_path: Path) -> None:
    sweep = (*SWEEP[:-1], "2", "--device", "cpu", "--keep-weights", "--results", "runs")
    code, text = fer_bench(tmp_path, *sweep)
    assert code == 0, text
    store = Store(tmp_path / "runs")
    assert [len(store.weights(record)) > 1000 for record in store.records()] == [True, True]
