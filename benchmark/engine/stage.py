"""The recipe of a second stage: the protocol's, with a length and a schedule of its own."""

from __future__ import annotations

from benchmark.protocols.protocol import Protocol
from benchmark.store.record import Cell
from methods.base import SecondStage


def stage_protocol(cell: Cell, stage: SecondStage | None) -> Protocol:
    """Return the protocol that a cell is trained with.

    Args:
        cell: the cell.
        stage: what its method says of a second stage, None where it starts anew.
    """
    if stage is None:
        return cell.protocol
    training = cell.protocol.training
    own = {
        "epochs": max(1, stage.epochs),
        "lr": training.lr * stage.rate,
        "head_lr": training.head_lr * stage.rate,
        "schedule": "cosine",
        "warmup": 0.0,
    }
    return cell.protocol.model_copy(update={"training": training.model_copy(update=own)})
