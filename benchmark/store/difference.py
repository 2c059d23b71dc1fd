"""Why a stored cell is not the one that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.store.record import Cell
from benchmark.words import short

_MEANINGS = {
    "fingerprint": "the dataset's content: other images, labels or classes",
    "split_hash": "the drawn training set",
    "weights": "the backbone's initial weights",
    "method_version": "the method's own code",
    "stage.first": "the cell whose final weights it starts from",
}


def square(cell: Cell) -> tuple[str, str, float | None, int]:
    """Return which square of a table a cell fills, whatever it was trained by."""
    return cell.method, cell.dataset, cell.factor, cell.seed


def differences(
    stored: Cell, wanted: Cell, words: tuple[str, str] = ("stored", "wanted")
) -> list[str]:
    """Return what differs, a line each: dotted name and both values with what they are called."""
    before, after = _flat(stored.model_dump(mode="json")), _flat(wanted.model_dump(mode="json"))
    lines = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key, "absent"), after.get(key, "absent")
        if old != new:
            meaning = f" ({_MEANINGS[key]})" if key in _MEANINGS else ""
            lines.append(f"{key}{meaning}: {_short(old)} {words[0]}, {_short(new)} {words[1]}")
    return lines


def closest(candidates: Sequence[Cell], wanted: Cell) -> Cell | None:
    """Return the cell of the same square that differs in the fewest values, None without any."""
    same = [cell for cell in candidates if square(cell) == square(wanted)]
    return min(same, key=lambda cell: len(differences(cell, wanted)), default=None)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _short(value: Any) -> str:
    text = str(value)
    return f"{short(text)}..." if len(text) == 64 else text
