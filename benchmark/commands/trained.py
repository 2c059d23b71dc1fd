"""The options that name a trained network: the same for every command that uses one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import F, device_option, results_option

if TYPE_CHECKING:
    from benchmark.networks.network import Network


def network_options(function: F) -> F:
    """Add ``--model``, ``--method``, ``--device`` and ``--results``."""
    for option in (
        results_option,
        device_option,
        click.option(
            "--method",
            metavar="MODULE:CLASS",
            help="The network's method, where its name is not a registered one.",
        ),
        click.option(
            "--model",
            required=True,
            metavar="CELL",
            help="The network: the folder of a cell whose weights were kept, or in the store its "
            "name (mek-ferplus-150-s0), a pattern that fits one, or its id.",
        ),
    ):
        function = option(function)
    return function


def named_network(model: str, results: Path, method: str | None, device: str) -> Network:
    """Return the network that the options name, and say what a user should know of it.

    Raises:
        InputError: there is no such network, or it is damaged.
    """
    from benchmark.engine.device import keep_float32
    from benchmark.networks.load import network_of

    keep_float32()
    network = network_of(model, results, method=method, device=device)
    for note in network.notes:
        click.echo(f"note: {note}", err=True)
    return network
