"""Records as a tidy frame: a row per cell and selection rule."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

import pandas as pd

from benchmark.analysis.groups import hyper_text, shared_of
from benchmark.analysis.origin import code, in_turn, machine
from benchmark.data.left_out import is_left_out_note
from benchmark.paper.published import RECALL_PREFIX
from benchmark.selection import rules
from benchmark.stats.accuracy import mean_accuracy, overall_accuracy, recalls
from benchmark.store.record import Confusion, Record, Split


def tidy(
    records: Sequence[Record],
    names: Sequence[str] | None = None,
    *,
    split: Split = "test",
    confusion_of: Callable[[Record], Confusion] | None = None,
) -> pd.DataFrame:
    """Return a row for each record and rule; accuracies are percentages.

    A rule that a record cannot follow (``val`` without a validation split) gives no row, and
    neither does a record without the split.

    Args:
        records: from a store.
        names: of selection rules; None for all.
        split: what recalls and accuracies are of.
        confusion_of: gives the confusion matrix of the one rule's epoch where that is not the
            record's own, as of chosen images.

    Returns:
        Columns: those of :class:`benchmark.analysis.groups.Shared`; ``factor`` (nan for the
        unmodified set), ``method``,
        ``title``, ``venue``, ``seed``, ``split_seed``, ``hyper``, ``first_stage`` (the method whose
        final weights it starts from, or empty), ``rule``, ``epoch`` (from 1),
        ``epochs``, ``backed`` (whether stored logits give the numbers), ``overall``, ``mean``,
        ``recall_<class>`` in the order of the classes, ``train_images``, ``test_images`` (with the
        other split ``validation_images``), ``seconds_per_epoch``, ``code``, ``machine``, ``id``,
        ``left_out`` (of the dataset's files, empty if nothing was).
    """
    rows = [
        row
        for record in records
        for rule in names or rules()
        if (row := row_of(record, rule, split, confusion_of)) is not None
    ]
    return pd.DataFrame(rows)


def frame_text(frame: pd.DataFrame, format_name: str) -> str:
    """Return the tidy frame as ``csv`` or ``json``, with numbers to six decimals."""
    rounded = frame.round(6)
    if format_name == "csv":
        text: str = rounded.to_csv(index=False, lineterminator="\n")
        return text
    rows = json.loads(rounded.to_json(orient="records"))
    return json.dumps(rows, indent=1) + "\n"


def row_of(
    record: Record,
    rule: str,
    split: Split,
    confusion_of: Callable[[Record], Confusion] | None,
) -> dict[str, object] | None:
    """Return one row of :func:`tidy`, None where the record gives none."""
    index = rules()[rule].choose(record.history)
    if index is None:
        return None
    cell, chosen = record.cell, record.history[index]
    confusion = confusion_of(record) if confusion_of else chosen.confusion(split)
    if confusion is None:
        return None
    named = zip(record.classes, recalls(confusion), strict=True)
    return {
        **shared_of(record).columns(),
        "factor": math.nan if cell.factor is None else cell.factor,
        "method": cell.method,
        "title": record.method_title,
        "venue": record.method_venue,
        "seed": cell.seed,
        "split_seed": cell.split_seed,
        "hyper": hyper_text(record),
        "first_stage": "" if cell.stage is None else cell.stage.method,
        "rule": rule,
        "epoch": chosen.epoch,
        "epochs": len(record.history),
        "backed": record.logits_name(index, split) is not None,
        "overall": 100 * overall_accuracy(confusion),
        "mean": 100 * mean_accuracy(confusion),
        **{f"{RECALL_PREFIX}{name}": 100 * float(value) for name, value in named},
        "train_images": sum(cell.class_counts),
        f"{split}_images": sum(map(sum, confusion)),
        "seconds_per_epoch": sum(e.seconds for e in record.history) / len(record.history),
        "code": in_turn(record, code),
        "machine": in_turn(record, machine),
        "id": record.id,
        "left_out": "; ".join(filter(is_left_out_note, record.notes)),
    }
