"""Records and logits that fit each other, made without training and without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.paper.published import counts
from benchmark.protocols import load_protocol
from benchmark.stats.accuracy import confusion_matrix
from benchmark.store.record import Cell, Epoch, Record
from benchmark.store.record_file import sealed
from benchmark.store.store import Store

FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "fear", "disgust")
RAFDB = ("happiness", "neutral", "sadness", "surprise", "disgust", "anger", "fear")
TEST_COUNTS = {
    "ferplus": (1090, 893, 396, 384, 273, 83, 18),
    "raf-db": (1185, 680, 478, 329, 160, 162, 74),
    "ferplus-8": (1090, 893, 396, 384, 273, 83, 18, 16),
    "raf-db-holdout0.1": (1185, 680, 478, 329, 160, 162, 74),
}
CLASSES = {
    "ferplus": FERPLUS,
    "raf-db": RAFDB,
    "ferplus-8": (*FERPLUS, "contempt"),
    "raf-db-holdout0.1": RAFDB,
}
TITLES = {"baseline": "Baseline", "cb": "CB", "mek": "MEK", "bbn": "BBN", "eac": "EAC"}
VENUES = {"cb": "CVPR'19", "scn": "CVPR'20", "bbn": "CVPR'20", "mek": "NeurIPS'23"}


def made_cell(
    method: str = "baseline",
    factor: float | None = 150.0,
    seed: int = 0,
    *,
    dataset: str = "ferplus",
    protocol: str = "compact",
    overrides: Sequence[str] = (),
    hyper: Mapping[str, float] | None = None,
    epochs: int = 2,
) -> Cell:
    """A cell of a protocol that is cut to a few epochs, unless ``overrides`` say how many."""
    table = counts(4 if CLASSES[dataset] == RAFDB else 5)
    row = table[table["factor"].isna() if factor is None else table["factor"] == factor]
    train = [int(v) for v in row.drop(columns=["factor", "total"]).iloc[0]] if len(row) else [9] * 7
    train += [119] * (len(CLASSES[dataset]) - len(train))
    values = load_protocol(protocol, overrides).identity
    if not any(text.startswith("training.epochs=") for text in overrides):
        values["training"]["epochs"] = epochs
    return Cell(
        dataset=dataset,
        fingerprint=hashlib.sha256(dataset.encode()).hexdigest(),
        factor=factor,
        split_seed=0,
        split_hash=hashlib.sha256(f"{dataset} {factor}".encode()).hexdigest(),
        class_counts=tuple(train),
        protocol=values,
        weights="a" * 64,
        method=method,
        hyper=dict(hyper or {}),
        seed=seed,
        precision="bf16",
    )


def made_record(
    method: str = "baseline",
    factor: float | None = 150.0,
    seed: int = 0,
    *,
    skill: Sequence[float] = (0.9, 0.93, 0.88, 0.6, 0.75, 0.35, 0.2),
    epochs: int = 2,
    dataset: str = "ferplus",
    protocol: str = "compact",
    overrides: Sequence[str] = (),
    test_counts: Sequence[int] | None = None,
    validation: bool | Sequence[Sequence[Sequence[int]]] = True,
    hyper: Mapping[str, float] | None = None,
) -> tuple[Record, dict[str, NDArray[np.generic]]]:
    """A record whose recalls are near ``skill``, and the arrays of its ``logits.npz``.

    The history rises towards the skill; ``last`` is the last epoch, ``oracle`` and ``val`` follow
    from the history as the trainer keeps them. ``validation`` says whether there is such a split,
    or gives its confusion matrix after each epoch, the last one from there on.
    """
    cell = made_cell(
        method,
        factor,
        seed,
        dataset=dataset,
        protocol=protocol,
        overrides=overrides,
        hyper=hyper,
        epochs=epochs,
    )
    epochs = cell.protocol.training.epochs
    rng = np.random.default_rng([seed, *method.encode(), int(factor or 0)])
    sizes = np.asarray(TEST_COUNTS[dataset] if test_counts is None else test_counts)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    history, arrays = [], {}
    best = {"oracle": -1.0, "val": -1.0}
    kept: dict[str, int] = {}
    for number in range(epochs):
        strength = np.asarray(skill) * (0.8 + 0.2 * (number + 1) / epochs)
        logits = _logits(labels, strength, rng)
        test = confusion_matrix(labels, logits.argmax(1), len(sizes))
        val = confusion_matrix(labels, _logits(labels, strength, rng).argmax(1), len(sizes))
        if not isinstance(validation, bool):
            val = np.asarray(validation[min(number, len(validation) - 1)])
        history.append(
            Epoch(
                epoch=number + 1,
                loss={"cross_entropy": 1.5 - 0.5 * (number + 1) / epochs},
                lr=3e-4,
                seconds=90.0,
                images=sum(cell.class_counts),
                test=test.tolist(),
                validation=val.tolist() if validation else None,
            )
        )
        rules = ["last"]
        for rule, matrix in (("oracle", test), ("val", val)):
            score = float(np.trace(matrix)) / float(matrix.sum())
            if score > best[rule] and (rule == "oracle" or validation):
                best[rule] = score
                rules.append(rule)
        for rule in rules:
            arrays[rule], kept[rule] = logits, number
    record = Record(
        id=cell.id,
        cell=cell,
        method_title=TITLES.get(method, method.upper()),
        method_venue=VENUES.get(method, "-"),
        classes=CLASSES[dataset],
        notes=(),
        history=history,
        logits=kept,
        seconds={"train": 90.0 * epochs},
        provenance={"device": "cpu", "fer_bench": "0.1.0", "packages": {"torch": "2.14.1"}},
    )
    return record, {"label": labels, **arrays}


def forged(body: dict[str, Any]) -> str:
    """The text of a record whose values were changed, its id and its hash made to fit again."""
    if isinstance(body.get("cell"), dict):
        later = (("method_version", 1), ("stage", None))
        cell = {k: v for k, v in body["cell"].items() if (k, v) not in later}
        text = json.dumps(cell, sort_keys=True, separators=(",", ":"))
        body = {**body, "id": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()}
    body.pop("body_sha256", None)
    return sealed(json.dumps(body, indent=1) + "\n")


def fill(store: Store, methods: Sequence[str], factors: Sequence[float | None], seeds: int) -> None:
    """Put a made record of each method, factor and seed into a store."""
    for seed in range(seeds):
        for factor in factors:
            for method in methods:
                store.add(*made_record(method, factor, seed))


def _logits(
    labels: NDArray[np.int64], strength: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Logits whose argmax is the label with the class's probability, else another class."""
    k = len(strength)
    logits = rng.normal(size=(len(labels), k)).astype(np.float32)
    right = rng.random(len(labels)) < strength[labels]
    other = (labels + rng.integers(1, k, len(labels))) % k
    logits[np.arange(len(labels)), np.where(right, labels, other)] = 4 + rng.random(len(labels))
    return logits
