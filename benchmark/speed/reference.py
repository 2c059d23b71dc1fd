"""EAC at the paper's size against the usual loop of this literature, image for image."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmark import environment
from benchmark.data import synthetic
from benchmark.data.dataset import EMOTIONS, FaceDataset, Part, make_dataset
from benchmark.protocols.protocol import Protocol
from benchmark.speed.findings import Findings, finding
from benchmark.speed.operations import step_operations
from benchmark.speed.plain_loop import PlainLoop
from benchmark.speed.setting import Setting
from benchmark.speed.steps import Steps
from benchmark.speed.timing import interleaved
from benchmark.speed.worker import Tasks, Worker

GOAL = 3.0
SOURCE_SIZE = 100  # pixels of RAF-DB's aligned faces

_IMAGES = 256
_STEPS = 2  # in a piece


def measure(setting: Setting) -> Findings:
    """Train both in turns, each in a process of its own with all threads."""
    dataset, protocol = some_images(setting), setting.protocol("paper")
    cores = environment.usable_cores()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_files(dataset, Path(folder))
        with (
            Worker(build_plain, paths, dataset, protocol, cores) as plain,
            Worker(build_ours, dataset, protocol) as ours,
        ):
            plain.ready()
            ours.ready()
            laps = interleaved(
                lambda: plain.once("piece", cores),
                {"ours": lambda: ours.once("piece", cores)},
                setting.seconds,
            )
    images = _STEPS * protocol.training.batch_size
    size = protocol.image.size
    gflop = 2 * step_operations(protocol) / 1e9  # two views of an image
    speed = {"usual loop": laps.base, "ours": laps.own["ours"]}
    return Findings(
        [
            *(
                finding(f"{name}: {what}", unit, [amount * images / s for s in seconds])
                for what, unit, amount in (
                    ("images", "images/s", 1.0),
                    ("operations", "GFLOP/s", gflop),
                )
                for name, seconds in speed.items()
            ),
            finding("ours against the usual loop", "x", [1 / r for r in laps.ratios("ours")], GOAL),
        ],
        [f"EAC on {protocol.backbone.name}, {size} px, batch {protocol.training.batch_size}"],
    )


def build_plain(
    paths: Sequence[Path], dataset: FaceDataset, protocol: Protocol, workers: int
) -> Tasks:
    """Return a piece of the usual loop."""
    loop = PlainLoop(
        paths,
        dataset.labels.tolist(),
        classes=len(dataset.classes),
        size=protocol.image.size,
        batch_size=protocol.training.batch_size,
        workers=workers,
        batches=_STEPS,
    )
    return {"piece": loop.piece}


def build_ours(dataset: FaceDataset, protocol: Protocol) -> Tasks:
    """Return as many steps of our own."""
    steps = Steps("eac", dataset, protocol)
    return {"piece": lambda: sum(steps.step() for _ in range(_STEPS))}


def some_images(setting: Setting) -> FaceDataset:
    """Return some training images: the dataset's own, or faces drawn at the size of real ones."""
    if setting.dataset == synthetic.NAME:
        labels = np.arange(_IMAGES) % len(EMOTIONS)
        images = synthetic.synthetic_faces(labels, seed=0, size=SOURCE_SIZE)
        classes: tuple[str, ...] = EMOTIONS
    else:
        dataset = setting.load()
        train = np.random.default_rng(0).permutation(dataset.indices(Part.TRAIN))[:_IMAGES]
        # Every class, as a method needs each to have an image.
        first = [int(np.argmax(dataset.labels == k)) for k in range(len(dataset.classes))]
        chosen = np.unique(np.concatenate([train, first]))
        images, labels, classes = dataset.images[chosen], dataset.labels[chosen], dataset.classes
    # One of each class stands at the end again, as a test set, without which nothing is planned.
    again = [int(np.argmax(labels == k)) for k in range(len(classes))]
    order = np.concatenate([np.arange(len(labels)), again])
    parts = np.where(np.arange(len(order)) < len(labels), Part.TRAIN, Part.TEST).astype(np.int8)
    return make_dataset(setting.dataset, np.asarray(images)[order], labels[order], parts, classes)


def write_files(dataset: FaceDataset, folder: Path) -> list[Path]:
    """Write a PNG an image and return their paths in the order of the images."""
    paths = []
    for number, image in enumerate(dataset.images):
        paths.append(folder / f"{number}.png")
        Image.fromarray(image).save(paths[-1])
    return paths
