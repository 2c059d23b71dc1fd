"""Trained networks for those who want to use them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.networks.load import network_of

if TYPE_CHECKING:
    from benchmark.networks.network import Network
    from methods.base import Method


def load_model(
    model: str | os.PathLike[str],
    *,
    results: str | os.PathLike[str] = "results/runs",
    method: type[Method] | str | None = None,
    device: str = "auto",
    precision: str | None = None,
) -> Network:
    """Return a trained network whose weights were kept (``fer-bench run --keep-weights``).

    Args:
        model: the folder of its cell, which may have been carried anywhere (``record.json`` and
            ``weights.safetensors`` are enough), or in the store the cell's name, a pattern that
            fits one, the name of its folder, or its id.
        results: the store, where ``model`` is no folder.
        method: the method's class or ``package.module:Class``, where it is not a registered one.
        device: where it computes: ``auto``, ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``xpu``;
            only ``cpu`` has been run so far.
        precision: ``fp32``, ``bf16`` or ``fp16``; None for what it was trained and judged in.

    Raises:
        InputError: there is no such network, or it is damaged.

    >>> from fer_bench import load_model
    >>> network = load_model("baseline-synthetic-10-s0", results=results)
    >>> probabilities = network.predict([picture, "face.png"])  # any sizes, side by side
    >>> probabilities.shape
    (2, 7)
    >>> network.classes[int(probabilities[0].argmax())] in network.classes
    True
    """
    where = Path(results)
    return network_of(model, where, method=method, device=device, precision=precision)
