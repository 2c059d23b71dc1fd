"""Every method on a GPU that is not there: one device, and where the host waits for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from standin import COUNTS, FETCHES, READS, SENDS, StandIn, standin
from sweeps import Silent, small_faces, small_sweep
from torch import Tensor
from torch.nn import functional as F

from benchmark.data.augment import evaluation_view
from benchmark.data.dataset import FaceDataset, Part
from benchmark.data.synthetic import synthetic_dataset
from benchmark.engine import trainer as trainer_module
from benchmark.engine.trainer import Trainer
from benchmark.models.build import weights_identity
from benchmark.protocols import load_protocol
from benchmark.store.record import Cell
from benchmark.sweep.plan import Sweep, make_hyper, plan
from methods import registry
from methods.base import Progress

GPU = torch.device("cuda")
SHORT = ("training.epochs=2", "methods.crt.epochs=2")
BUILT = {
    (SENDS, "benchmark/engine/assemble.py place"),
    (SENDS, "benchmark/engine/assemble.py laid_out"),
}
STARTED = {
    "crt": (SENDS, "methods/crt.py CRT.start_from"),
    "tau_norm": (SENDS, "methods/base.py Method.start_from"),
}
LOSS = (READS, "benchmark/engine/trainer.py Trainer._finite")
EVALUATION = (FETCHES, "benchmark/engine/evaluate.py in_batches")
CHECKPOINT = (FETCHES, "benchmark/engine/checkpoint.py _on_host")
SCALE = (READS, "benchmark/engine/trainer.py Trainer._state")
RESTORED = (SENDS, "benchmark/engine/trainer.py Trainer._restore")
DIGEST = (FETCHES, "benchmark/engine/final_weights.py _plain")

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")


class Stopping(Silent):
    """Stops the training in its second epoch."""

    def stepped(self, *_: object) -> None:
        if self.epochs:
            raise KeyboardInterrupt


def trainer_of(sweep: Sweep, cell: Cell, device: torch.device) -> Trainer:
    """Return the trainer of a cell; a second stage starts from an untrained first one."""
    method, first = sweep.methods[cell.method], sweep.first_stage(cell)
    start = None
    if first is not None:
        start = trainer_of(sweep, first, torch.device("cpu")).method.state_dict()
    return Trainer(
        cell, method, make_hyper(method, cell.hyper), sweep.dataset, sweep.splits[cell.factor],
        device, start=start,
    )  # fmt: skip


def train_twice(trainer: Trainer, folder: Path, gpu: StandIn) -> None:
    """Train, stop in the second epoch, go on from the checkpoint; hold all waits to the list."""
    name, epochs = trainer.cell.method, trainer.epochs
    assert set(gpu.waits) == BUILT | {STARTED[name]} if name in STARTED else BUILT
    gpu.forget()
    state = len(trainer.method.state_dict())
    if not epochs:
        trainer.run(folder, Silent(), {})
        assert gpu.waits == {EVALUATION: 2, DIGEST: state}
        return
    steps = len(trainer.batches.order(0))
    readings = -(-steps // trainer_module.LOG_INTERVAL)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(folder, Stopping(), {})
    kept = gpu.waits.pop(CHECKPOINT)
    assert kept >= state
    scaled = {SCALE: 2} if trainer.cell.precision == "fp16" else {}
    assert gpu.waits == {LOSS: readings + 1, EVALUATION: 2, **scaled}
    gpu.forget()
    trainer.run(folder, Silent(), {})
    restored = gpu.waits.pop(RESTORED)
    assert restored >= state
    assert gpu.waits == {LOSS: readings, EVALUATION: 2, DIGEST: state}
    assert len(trainer.outcome.history) == epochs
    assert [session["after_epochs"] for session in trainer.outcome.sessions] == [0, 1]


def attend(trainer: Trainer, gpu: StandIn) -> None:
    """Ask for attention maps as a loaded network does, which waits for nothing."""
    images = torch.from_numpy(trainer.dataset.images[trainer.dataset.indices(Part.TEST)[:3]])
    gpu.forget()
    trainer.method.eval()
    view = evaluation_view(images.to(GPU, non_blocking=True), trainer.protocol.image)
    maps = trainer.method.attention(view)
    assert maps.shape[:2] == (3, 7)
    assert maps.is_cuda
    assert not gpu.waits


@pytest.fixture(scope="module")
def faces() -> FaceDataset:
    return small_faces()


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_a_method_trains_on_one_device_and_waits_only_where_it_must(
    tmp_path: Path, name: str, faces: FaceDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "LOG_INTERVAL", 2)
    size = 32 if name == "baseline" else 128  # once with steps between two readings of the loss
    overrides = (*SHORT, f"training.batch_size={size}")
    sweep = small_sweep([name], overrides=overrides, dataset=faces)
    with standin() as gpu:
        trainer = trainer_of(sweep, sweep.cells[-1], GPU)
        train_twice(trainer, tmp_path, gpu)
        groups = [group for group in trainer.optimizer.param_groups if group["params"]]
        assert all(group["lr"].is_cuda for group in groups), "after going on from a checkpoint, too"
        attend(trainer, gpu)


@pytest.mark.parametrize(("free", "kept"), [(60 << 30, True), (1000, False)])
def test_images_stay_on_a_gpu_that_has_room(
    monkeypatch: pytest.MonkeyPatch, free: int, kept: bool, faces: FaceDataset
) -> None:
    sweep = small_sweep(["bbn"], overrides=(*SHORT, "training.batch_size=64"), dataset=faces)
    with standin() as gpu:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 80 << 30))
        trainer = trainer_of(sweep, sweep.cells[0], GPU)
        positions = trainer.batches.order(0)[0]
        trainer.batches.batch(positions, epoch=0, step=0)
        gpu.forget()
        batch = trainer.batches.batch(positions, epoch=0, step=1)
    assert not gpu.waits
    assert batch.label.is_cuda
    assert (trainer.batches.images.kept is not None) is kept
    # Of two streams: positions and boxes to erase, and labels and pixels where none are there.
    sent = {torch.int64: 4, torch.uint8: 0} if kept else {torch.int64: 6, torch.uint8: 2}
    assert {dtype: gpu.copies[dtype] for dtype in sent} == sent


def test_remix_waits_for_nothing(faces: FaceDataset) -> None:
    overrides = (*SHORT, "training.batch_size=64", "methods.mixup.remix=true")
    sweep = small_sweep(["mixup"], overrides=overrides, dataset=faces)
    with standin() as gpu:
        trainer = trainer_of(sweep, sweep.cells[0], GPU)
        gpu.forget()
        order = trainer.batches.order(0)[0]
        trainer.step(trainer.batches.batch(order, epoch=0, step=0), Progress(0, 2, 0))
    assert not gpu.waits


@pytest.mark.exhaustive
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("protocol", ["compact", "paper"])
@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_a_method_trains_on_its_network_in_mixed_precision(
    tmp_path: Path, name: str, protocol: str, precision: str
) -> None:
    faces = synthetic_dataset(train=10, validation=(1,) * 7, test=(2,) * 7)
    method = registry.get(name)
    values = load_protocol(protocol, [*SHORT, "training.batch_size=32"])
    weights = weights_identity(values.backbone.name)
    sweep = plan(faces, {name: method}, [None], [0], values, weights=weights, precision=precision)
    with standin() as gpu:
        trainer = trainer_of(sweep, sweep.cells[-1], GPU)
        train_twice(trainer, tmp_path, gpu)
        attend(trainer, gpu)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_scale_of_fp16_waits_for_nothing(
    tmp_path: Path, optimizer: str, faces: FaceDataset
) -> None:
    overrides = (f"training.optimizer={optimizer}", "training.batch_size=128")
    values = load_protocol("smoke", [*SHORT, "image.size=32", *overrides])
    baseline = {"baseline": registry.get("baseline")}
    sweep = plan(faces, baseline, [None], [0], values, weights="scratch", precision="fp16")
    with standin() as gpu:
        trainer = trainer_of(sweep, sweep.cells[0], GPU)
        gpu.forget()
        for step in range(2):
            order = trainer.batches.order(0)[0]
            trainer.step(trainer.batches.batch(order, epoch=0, step=step), Progress(0, 2, step))
    assert not gpu.waits


def on_gpu(*values: int) -> Tensor:
    return torch.ones(*values, device=GPU)


HERE = "tests/engine/test_standin.py "


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (lambda: on_gpu(2).sum().item(), READS),
        (lambda: float(on_gpu(1)), READS),
        (lambda: on_gpu(2, 2).tolist(), READS),
        (lambda: "yes" if (on_gpu(2) > 0).all() else "no", READS),
        (lambda: torch.equal(on_gpu(2), on_gpu(2)), READS),
        (lambda: print(on_gpu(2)), READS),
        (lambda: f"{on_gpu(2)}", READS),
        (lambda: on_gpu(2).cpu(), FETCHES),
        (lambda: on_gpu(2).to("cpu", non_blocking=True), FETCHES),
        (lambda: torch.zeros(2).copy_(on_gpu(2)), FETCHES),
        (lambda: torch.tensor([1.0, 2.0], device=GPU), SENDS),
        (lambda: torch.as_tensor(0.1, device=GPU), SENDS),
        (lambda: torch.zeros(2).to(GPU), SENDS),
        (lambda: on_gpu(2).copy_(torch.zeros(2)), SENDS),
        (lambda: on_gpu(2)[torch.tensor([0, 1])], SENDS),
    ],
)  # fmt: skip
def test_a_wait_is_seen(fault: Callable[[], object], kind: str) -> None:
    with standin() as gpu:
        fault()
    assert {seen for seen, _ in gpu.waits} == {kind}
    assert all(place.startswith(HERE) for _, place in gpu.waits)


@pytest.mark.parametrize(
    "fault",
    [
        lambda: on_gpu(2)[on_gpu(2) > 0],
        lambda: on_gpu(2).masked_select(on_gpu(2) > 0),
        lambda: on_gpu(2).nonzero(),
        lambda: on_gpu(2).unique(),
    ],
)
def test_what_waits_for_a_shape_is_refused(fault: Callable[[], object]) -> None:
    with standin(), pytest.raises(RuntimeError, match=COUNTS):
        fault()


@pytest.mark.parametrize(
    "fault",
    [
        lambda: on_gpu(2) + torch.ones(2),
        lambda: F.cross_entropy(on_gpu(2, 3), torch.tensor([0, 1])),
        lambda: torch.ones(3)[on_gpu(2).long()],
        lambda: F.linear(on_gpu(2, 3), torch.ones(4, 3)),
        lambda: on_gpu(2).numpy(),
        lambda: on_gpu(2, 3).gather(1, torch.zeros(2, 1, dtype=torch.int64)),
        lambda: torch.where(torch.ones(2) > 0, on_gpu(2), on_gpu(2)),
        lambda: torch.cat([on_gpu(2), torch.ones(2)]),
    ],
)
def test_what_a_gpu_refuses_is_refused(fault: Callable[[], object]) -> None:
    with standin(), pytest.raises((RuntimeError, TypeError)):
        fault()


def test_what_waits_for_nothing_is_not_taken_for_a_wait() -> None:
    with standin() as gpu:
        labels = torch.zeros(4, dtype=torch.int64).to(GPU, non_blocking=True)
        logits = on_gpu(4, 7).requires_grad_() * torch.tensor(2.0) + 1
        loss = F.cross_entropy(logits, labels, weight=on_gpu(7)) + on_gpu(7)[labels].mean()
        torch.autograd.backward(loss)
        assert (torch.ones(2) + torch.ones(2)).tolist() == [2.0, 2.0], "the host is real"
        assert F.one_hot(labels, 7).shape == (4, 7)
    assert not gpu.waits
    assert sum(gpu.copies.values()) == 1


def test_a_wait_names_its_place() -> None:
    """A method that looks at its loss is found by file, function and line."""
    with standin() as gpu:
        on_gpu(1).item()
    ((_, place),) = gpu.waits
    assert place == f"{HERE}test_a_wait_names_its_place"
    (line,) = gpu.lines[READS, place]
    assert line.startswith("tests/engine/test_standin.py:")
