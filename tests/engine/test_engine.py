"""Training: exact to the bit, exact after an interruption, clear when it goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sweeps import CPU, Silent, run, small_faces, small_sweep

import methods
from benchmark.data.dataset import FaceDataset, Part
from benchmark.data.marks import marks_of
from benchmark.engine import checkpoint
from benchmark.engine.device import private_generators, resolve_device, resolve_precision
from benchmark.engine.memory import is_out_of_memory
from benchmark.errors import InputError
from benchmark.models.build import build_backbone, weights_identity
from benchmark.selection import rules
from benchmark.stats.accuracy import confusion_matrix
from benchmark.store.logits_file import read_arrays
from benchmark.store.record import Record
from benchmark.store.store import Store
from benchmark.sweep.buildable import check_buildable


def only(store: Path) -> tuple[Record, dict[str, np.ndarray]]:
    (record,) = Store(store).records()
    return record, Store(store).logits(record)


# How second stages go on is of tests/sweep/test_stages.py.
ANEW = [n for n in methods.names() if methods.get(n).second_stage(methods.get(n).Hyper()) is None]


def same(one: Path, two: Path) -> None:
    (record, logits), (other, others) = only(one), only(two)
    strip = {"seconds"}
    assert [e.model_dump(exclude=strip) for e in record.history] == [
        e.model_dump(exclude=strip) for e in other.history
    ]
    assert logits.keys() == others.keys()
    assert all(np.array_equal(logits[name], others[name]) for name in logits)
    assert Store(one).packed_validation(record) == Store(two).packed_validation(other)


@pytest.mark.parametrize("name", ANEW)
def test_an_interrupted_run_ends_as_if_it_never_was(name: str, tmp_path: Path) -> None:
    sweep = small_sweep([name], overrides=["training.epochs=3"])
    run(sweep, tmp_path / "whole")
    for _ in range(2):  # in the second epoch, then in the third
        with pytest.raises(KeyboardInterrupt):
            run(sweep, tmp_path / "stopped", Silent(interrupt_after=1))
        assert Store(tmp_path / "stopped").records() == []
    goes_on = Silent()
    run(sweep, tmp_path / "stopped", goes_on)
    assert goes_on.epochs == 1, "two epochs were kept"
    same(tmp_path / "whole", tmp_path / "stopped")
    assert not any((tmp_path / "stopped" / "running").iterdir())


def test_sampled_epochs_go_on_as_if_never_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = small_sweep(overrides=["training.epochs=2"])
    run(sweep, tmp_path / "each once")

    def shares(counts: tuple[int, ...], epoch: int, epochs: int) -> torch.Tensor:
        natural = torch.tensor(counts) / sum(counts)
        return natural if epoch + 1 < epochs else torch.ones(len(counts)) / len(counts)

    monkeypatch.setattr(methods.get("baseline"), "sampling", classmethod(lambda *_: shares))
    run(sweep, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(sweep, tmp_path / "stopped", Silent(interrupt_after=1))
    run(sweep, tmp_path / "stopped")
    same(tmp_path / "whole", tmp_path / "stopped")
    (record, _), (plain, _) = only(tmp_path / "whole"), only(tmp_path / "each once")
    assert record.history[0].loss != plain.history[0].loss
    assert record.history[0].images == plain.history[0].images


def test_a_damaged_checkpoint_is_moved_aside(tmp_path: Path) -> None:
    sweep = small_sweep(overrides=["training.epochs=2"])
    run(sweep, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(sweep, tmp_path / "stopped", Silent(interrupt_after=1))
    folder = Store(tmp_path / "stopped").begun.folder(sweep.cells[0])
    path = folder / "checkpoint.pt"
    for damage in (b"", b"junk", path.read_bytes()[:1000]):
        path.write_bytes(damage)
        assert checkpoint.load(folder, sweep.cells[0].id) is None
        assert (folder / "checkpoint.damaged").read_bytes() == damage
    run(sweep, tmp_path / "stopped")
    same(tmp_path / "whole", tmp_path / "stopped")


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_a_checkpoint_for_which_there_is_no_memory_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    checkpoint.save(tmp_path, {"cell": "a"})

    def fails(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(torch, "load", fails)
        with pytest.raises(type(error)):
            checkpoint.load(tmp_path, "a")
    assert checkpoint.load(tmp_path, "a") == {"cell": "a"}


def test_a_record_names_every_session(tmp_path: Path) -> None:
    sweep = small_sweep(overrides=["training.epochs=2"])
    with pytest.raises(KeyboardInterrupt):
        run(sweep, tmp_path, Silent(interrupt_after=1))
    run(sweep, tmp_path)
    sessions = only(tmp_path)[0].sessions
    assert [session["after_epochs"] for session in sessions] == [0, 1]
    assert all(session["started"] and session["threads"] for session in sessions)


def test_the_same_cell_gives_the_same_bits_whatever_ran_before(tmp_path: Path) -> None:
    run(small_sweep(), tmp_path / "one")
    torch.manual_seed(99)
    np.random.seed(99)
    run(small_sweep(), tmp_path / "two")
    same(tmp_path / "one", tmp_path / "two")


def test_training_leaves_the_callers_generator_alone(tmp_path: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    run(small_sweep(), tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_records_hold_what_a_reader_needs(tmp_path: Path) -> None:
    dataset = small_faces()
    sweep = small_sweep(dataset=dataset)
    run(sweep, tmp_path)
    record, logits = only(tmp_path)
    assert record.cell.id == sweep.cells[0].id
    assert [entry.epoch for entry in record.history] == [1, 2]
    labels = dataset.labels[dataset.indices(Part.TEST)]
    assert np.array_equal(logits["label"], labels)
    for rule, epoch in record.logits.items():
        matrix = confusion_matrix(labels, logits[rule].argmax(axis=1), 7)
        assert matrix.tolist() == record.history[epoch].test
    assert record.logits["last"] == 1
    assert len(set(record.logits.values())) == len(record.logits), "each epoch once"
    for rule in rules().values():
        index = rule.choose(record.history)
        assert index is not None
        assert record.logits_name(index) is not None
    assert np.sum(record.history[0].validation) == 28
    check_validation(dataset, record, Store(tmp_path))
    assert set(record.seconds) == {"build", "train", "evaluate"}
    for key in (
        "packages",
        "cpu",
        "command",
        "device",
        "threads",
        "process_peak_memory_bytes",
    ):
        assert record.provenance[key]


def check_validation(dataset: FaceDataset, record: Record, store: Store) -> None:
    """Validation logits give the matrices, those of clean images by marks that were looked for."""
    found = marks_of(dataset)
    assert record.marks_sha256 == found.digest
    labels = dataset.labels[dataset.indices(Part.VALIDATION)]
    arrays = read_arrays(store.packed_validation(record) or b"")
    assert np.array_equal(arrays["label"], labels)
    assert record.validation == record.logits
    clean = found.validation.kept("clean")
    for name, epoch in record.validation.items():
        said = arrays[name].argmax(axis=1)
        entry = record.history[epoch]
        assert confusion_matrix(labels, said, 7).tolist() == entry.validation
        assert confusion_matrix(labels[clean], said[clean], 7).tolist() == entry.clean_validation


def test_a_loss_that_is_not_finite_fails_the_cell_and_the_others_go_on(tmp_path: Path) -> None:
    wild = ["training.lr=1e18", "training.head_lr=1e18", "training.clip_norm=0"]
    listener = Silent()
    tally = run(small_sweep(overrides=[*wild, "training.optimizer=sgd"]), tmp_path, listener)
    assert len(tally.failed) == 1
    assert "not finite at step" in listener.failures[0]
    assert "baseline" in listener.failures[0]
    assert Store(tmp_path).records() == []
    assert "DivergedError" in Store(tmp_path).begun.failures()[0].read_text()
    tally = run(small_sweep(["cb", "baseline"]), tmp_path)
    assert len(tally.trained) == 2


def test_finished_cells_are_not_trained_again(tmp_path: Path) -> None:
    run(small_sweep(["baseline"]), tmp_path)
    listener = Silent()
    tally = run(small_sweep(["baseline", "cb"]), tmp_path, listener)
    assert [slug.split("-")[0] for slug in listener.started] == ["cb"]
    assert len(tally.trained) == 1
    listener = Silent()
    run(small_sweep(["baseline", "cb"]), tmp_path, listener)
    assert listener.started == []


def test_whole_seeds_come_first() -> None:
    sweep = small_sweep(["baseline", "cb"], factors=(10.0, None), seeds=(1, 0))
    order = [(c.seed, c.factor, c.method) for c in sweep.cells]
    assert order == [
        (seed, factor, method)
        for seed in (1, 0)
        for factor in (10.0, None)
        for method in ("baseline", "cb")
    ]


def test_identity_depends_on_what_the_result_depends_on() -> None:
    def cell_id(**changes: object) -> str:
        return small_sweep(**changes).cells[0].id  # type: ignore[arg-type]

    plain = cell_id()
    assert cell_id() == plain
    others = [
        cell_id(seeds=(1,)),
        cell_id(factors=(12.0,)),
        cell_id(factors=(None,)),
        cell_id(names=("cb",)),
        cell_id(overrides=["training.lr=0.1"]),
        cell_id(names=("cb",), overrides=["methods.cb.beta=0.9"]),
    ]
    assert len({plain, *others}) == len(others) + 1
    assert cell_id(overrides=["methods.cb.beta=0.9"]) == plain, "another method's value"


@pytest.mark.parametrize("name", ["resnet18", "test_vit", "test_convnext"])
def test_timm_backbones_give_maps(name: str) -> None:
    size = {"test_vit": 32}.get(name, 64)
    backbone = build_backbone(name, size).eval()
    maps = backbone.maps(torch.rand(2, 1, size, size))
    assert maps.ndim == 4
    assert maps.shape[:2] == (2, backbone.channels)
    assert maps.dtype == torch.float32
    backbone.compute_dtype = torch.bfloat16
    assert backbone.maps(torch.rand(2, 3, size, size)).dtype == torch.float32


@pytest.mark.slow
def test_swin_gives_maps() -> None:
    backbone = build_backbone("swin_tiny_patch4_window7_224", 112).eval()
    assert backbone.maps(torch.rand(1, 3, 112, 112)).shape == (1, 768, 4, 4)


def test_unknown_backbones_are_explained() -> None:
    with pytest.raises(InputError, match="did you mean 'resnet18'"):
        build_backbone("resnet-18", 48)


def test_a_method_that_cannot_use_the_backbone_says_so_before_training() -> None:
    sweep = small_sweep(["baseline", "bbn"], overrides=["backbone.name=test_convnext"])
    with pytest.raises(InputError, match="bbn: test_convnext has no last residual block"):
        check_buildable(sweep.cells, sweep)


def test_devices_and_precisions() -> None:
    assert resolve_device("cpu") == CPU
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    for bad in ("gpu", "cuda:99", "xla", ""):
        with pytest.raises(InputError, match="--device"):
            resolve_device(bad)
    assert resolve_precision("fp32", CPU) == "fp32"
    assert resolve_precision("auto", CPU) in ("bf16", "fp32")
    with pytest.raises(InputError, match="fp16 is for GPUs"):
        resolve_precision("fp16", CPU)
    assert weights_identity("resnet18") == "scratch"
    assert len(weights_identity("dlib-face")) == 64


EXHAUSTIVE = pytest.mark.exhaustive


@pytest.mark.parametrize(
    "name", ["mek", *(pytest.param(n, marks=EXHAUSTIVE) for n in ("baseline", "bbn", "soft"))]
)
def test_compact_trains_in_bf16_on_the_face_network(name: str, tmp_path: Path) -> None:
    from benchmark.protocols import load_protocol
    from benchmark.sweep.plan import plan

    dataset = small_faces()
    protocol = load_protocol("compact", ["training.epochs=1", "image.size=64"])
    sweep = plan(
        dataset, {name: methods.get(name)}, [20.0], [0], protocol,
        weights=weights_identity("dlib-face"), precision="bf16",
    )  # fmt: skip
    tally = run(sweep, tmp_path)
    assert len(tally.trained) == 1
    record, logits = only(tmp_path)
    found = confusion_matrix(logits["label"], logits["last"].argmax(axis=1), 7)
    assert found.tolist() == record.history[-1].test, "as counted before it was stored"
    assert np.isfinite(logits["last"]).all()
    assert record.cell.precision == "bf16"


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (
            RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes"),
            True,
        ),
        (RuntimeError("could not create a memory object"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("not enough memory"), False),
    ],
)
def test_lack_of_memory_is_known_by_what_is_raised(error: Exception, memory: bool) -> None:
    assert is_out_of_memory(error) is memory


def test_where_not_even_one_image_fits_the_cause_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("could not create a primitive\nand more")

    monkeypatch.setattr(methods.get("baseline"), "loss", fails)
    listener = Silent()
    run(small_sweep(), tmp_path, listener)
    (reason,) = listener.failures
    assert "not even one image fits" in reason
    assert reason.endswith("(could not create a primitive)")


@pytest.mark.exhaustive
def test_evaluation_takes_as_many_images_as_memory_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit is halved; training goes on, and its batch size is not to blame."""
    run(small_sweep(), tmp_path / "roomy")
    predict, sizes = methods.get("baseline").predict, []

    def cramped(method: Any, images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        if not method.training and len(images) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return predict(method, images)

    monkeypatch.setattr(methods.get("baseline"), "predict", cramped)
    listener = Silent()
    run(small_sweep(), tmp_path / "cramped", listener)
    assert listener.failures == []
    assert max(sizes) > 5
    roomy, cramped_ = only(tmp_path / "roomy")[1], only(tmp_path / "cramped")[1]
    assert np.array_equal(roomy["label"], cramped_["label"])
    np.testing.assert_allclose(roomy["last"], cramped_["last"], rtol=1e-2, atol=1e-2)


def test_logits_that_are_not_finite_are_no_result(tmp_path: Path) -> None:
    """The loss of the last step is of before it: what the step did shows in the logits alone."""
    listener = Silent()
    once = ["training.epochs=1", "training.optimizer=sgd", "training.batch_size=4096"]
    run(
        small_sweep(overrides=[*once, "training.lr=1e37", "training.schedule=constant"]),
        tmp_path,
        listener,
    )
    assert Store(tmp_path).records() == []
    (reason,) = listener.failures
    assert "after epoch 1" in reason
    assert "test images are not finite" in reason


def test_a_gpu_is_started_before_its_memory_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA refuses to count on a device by its number as long as nothing has started it."""
    calls: list[str] = []
    for name in ("get_rng_state", "reset_peak_memory_stats", "set_rng_state"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, name=name: calls.append(name))
    with private_generators(torch.device("cuda:0")):
        calls.append("training")
    assert calls == ["get_rng_state", "reset_peak_memory_stats", "training", "set_rng_state"]
