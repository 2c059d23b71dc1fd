"""What one must know of a cell's kept weights to use them: a model card, from the record alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.data.imbalance import factor_label
from benchmark.stats.accuracy import mean_accuracy, overall_accuracy, recalls
from benchmark.store.record import Record, Stage, show_value
from benchmark.words import count

_CONTROL = dict.fromkeys(range(32), " ")


SOURCE_IMAGE = "source_image"
"""In the file of the weights: the shape of the dataset's images, (H, W) or in colour (H, W, 3)."""


def about(record: Record, source_image: Sequence[int] = ()) -> dict[str, Any]:
    """Return the facts that stand in the file of the weights itself.

    Args:
        record: of the cell.
        source_image: the shape of one image of the dataset, where it is known.
    """
    cell, protocol = record.cell, record.cell.protocol
    test = record.history[-1].test
    return {
        "cell": record.id,
        "method": cell.method,
        "method_version": cell.method_version,
        "hyper": cell.hyper,
        "dataset": cell.dataset,
        "factor": factor_label(cell.factor),
        "seed": cell.seed,
        "classes": list(record.classes),
        "backbone": protocol.backbone.name,
        "image": protocol.image.model_dump(mode="json"),
        "protocol": f"{protocol.name} version {protocol.version}",
        "test_overall_accuracy": round(100 * overall_accuracy(test), 2),
        "test_mean_accuracy": round(100 * mean_accuracy(test), 2),
        **({SOURCE_IMAGE: list(source_image)} if source_image else {}),
    }


def model_card(record: Record) -> str:
    """Return the card as Markdown."""
    cell, protocol = record.cell, record.cell.protocol
    image, facts = protocol.image, about(record)
    per_channel = {"subtract": image.mean, "divide by": image.deviation}
    scaled = ", ".join(f"{what} {_numbers(values)}" for what, values in per_channel.items())
    hyper = ", ".join(f"{key} {show_value(value)}" for key, value in cell.hyper.items())
    start = cell.weights if cell.weights == "scratch" else f"weights {cell.weights}"
    lines = {
        "Classes, in the order of the logits": ", ".join(record.classes),
        "Image": f"{image.size} x {image.size} pixels, three channels (grey repeated), resampled "
        "bilinearly without aliasing",
        "Normalisation": f"on the scale 0 to 255, {scaled} (red, green, blue)",
        "Backbone": f"{protocol.backbone.name}, started from {start}",
        **({} if cell.stage is None else {"Started from": _first_stage(cell.stage)}),
        "Protocol": f"{facts['protocol']} ({protocol.recipe} recipe, values "
        f"{protocol.values_hash}; changed: {', '.join(protocol.overrides) or 'nothing'})",
        "Hyper-parameters": hyper or "none",
        "Trained on": f"{cell.dataset}, {count(sum(cell.class_counts), 'image')}, imbalance factor "
        f"{facts['factor']}: {', '.join(map(str, cell.class_counts))} of the classes",
        "Seed and precision": f"{cell.seed}, {cell.precision}",
        "Test accuracy after the last epoch, which these weights are of": "overall "
        f"{facts['test_overall_accuracy']:.2f} %, mean of the classes' recalls "
        f"{facts['test_mean_accuracy']:.2f} %",
        "Recall by class (%)": _recalls(record),
        "Cell": record.id,
        "SHA-256 of the file": record.weights_sha256,
    }
    notes = [f"- Dataset: {note}" for note in record.notes]
    text = [f"- {what}: {told}" for what, told in lines.items()]
    title = f"# {record.method_title}, {cell.dataset}, factor {facts['factor']}, seed {cell.seed}"
    # A name of somebody else's must not begin a line of its own.
    return "\n".join(line.translate(_CONTROL) for line in [title, "", *text, *notes]) + "\n"


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _first_stage(stage: Stage) -> str:
    epochs = count(stage.epochs, "epoch")
    return f"the final weights of {stage.method}, cell {stage.first}, and {epochs} on them"


def _recalls(record: Record) -> str:
    named = zip(record.classes, 100 * recalls(record.history[-1].test), strict=True)
    return ", ".join(f"{name} {recall:.2f}" for name, recall in named)
