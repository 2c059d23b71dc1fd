"""``fer-bench run``: train what is missing."""

from __future__ import annotations

import dataclasses
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import SYNTHETIC, choose_dataset, dataset_options, results_option
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.executors.local import Tally
    from benchmark.protocol import Protocol
    from methods.base import Method

DEFAULT_PROTOCOL = {SYNTHETIC: "smoke"}  # any other dataset: compact


@click.command("run", short_help="Train every cell of a table that is not finished yet.")
@click.option(
    "--methods",
    default="all",
    show_default=True,
    help="Comma-separated methods, 'all', or package.module:Class.",
)
@click.option(
    "--factors",
    default="50,100,150",
    show_default=True,
    help="Comma-separated imbalance factors; 'full' is the unmodified set.",
)
@click.option("--seeds", default="0", show_default=True, help="Comma-separated training seeds.")
@dataset_options
@click.option(
    "--protocol",
    "protocol_name",
    help="paper, compact, smoke or a TOML file (default: smoke for synthetic faces, else compact).",
)
@click.option(
    "--recipe",
    type=click.Choice(["shared", "authors"]),
    default="shared",
    show_default=True,
    help="One recipe for all methods, or each method's own authors' one.",
)
@click.option(
    "--weights",
    metavar="PATH|timm|scratch",
    help="What the backbone starts from: a torch or safetensors file, timm's own weights, or "
    "random ones (default: random, or what the backbone brings).",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
    help="Of the backbone (default: the protocol's).",
)
@click.option("--cut-head", is_flag=True, help="Reach a factor by cutting the largest classes.")
@results_option
def command(
    methods: str,
    factors: str,
    seeds: str,
    dataset: str | None,
    data_root: Path | None,
    cache_dir: Path | None,
    protocol_name: str | None,
    recipe: str,
    weights: str | None,
    overrides: tuple[str, ...],
    device: str,
    precision: str | None,
    cut_head: bool,
    results: Path,
) -> None:
    """Train every cell of methods x factors x seeds that is not finished yet.

    Finished cells are kept in the store and never trained again; stop at any time and run the same
    command to go on.
    """
    from benchmark.data.imbalance import parse_factor
    from benchmark.data.load import load_dataset
    from benchmark.models.build import build_backbone, parse_weights, weights_identity
    from benchmark.spec import plan
    from benchmark.store import Store

    dataset = choose_dataset(dataset, data_root)
    chosen = _methods(methods)
    factor_list = list(dict.fromkeys(parse_factor(text) for text in _split(factors, "--factors")))
    seed_list = list(dict.fromkeys(_seed(text) for text in _split(seeds, "--seeds")))
    name = protocol_name or DEFAULT_PROTOCOL.get(dataset, "compact")
    protocol = _protocol(name, overrides, precision, recipe)
    source = parse_weights(weights)
    identity = weights_identity(protocol.backbone.name, source)
    faces = load_dataset(dataset, data_root, cache_dir=cache_dir)
    sweep = plan(
        faces,
        chosen,
        factor_list,
        seed_list,
        protocol,
        weights=identity,
        precision=_precision(protocol, device),
        cut_head=cut_head,
    )
    sweep = dataclasses.replace(sweep, weights=source)
    store = Store(results)
    store.prepare()
    todo = store.missing(sweep.cells)
    click.echo(
        f"{len(sweep.cells)} cells on {dataset} (protocol {protocol.name}): "
        f"{len(sweep.cells) - len(todo)} finished, {len(todo)} to train; results in {results}"
    )
    if not todo:
        return
    if source is not None:
        backbone = build_backbone(protocol.backbone.name, protocol.image.size, source)
        if backbone.weights_note:
            click.echo(f"Weights: {backbone.weights_note}.")

    from benchmark.commands.progress import make_listener
    from benchmark.engine.device import resolve_device
    from benchmark.executors.local import run_sweep

    # A polite kill is an interruption: what is running stops, what is finished stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with make_listener() as listener:
        tally = run_sweep(sweep, todo, store, resolve_device(device), listener)
    _close(tally, results)


def _close(tally: Tally, results: Path) -> None:
    click.echo(f"{len(tally.trained)} trained, {len(tally.failed)} failed.")
    if tally.failed:
        click.echo(
            f"Failed cells keep their traceback in {results / 'failed'} and are tried again by "
            "the next run.",
            err=True,
        )
        sys.exit(1)
    click.echo(f"Show the tables with: fer-bench report --results {results}")


def _split(text: str, option: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise InputError(f"{option} is empty; give at least one value")
    return parts


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InputError(f"--seeds: '{text}' is not a whole number from 0 to 999999999")
    return int(text)


def _methods(text: str) -> dict[str, type[Method]]:
    from methods import registry

    wanted: list[str] = []
    for name in _split(text, "--methods"):
        wanted += registry.names() if name.lower() == "all" else [name]
    chosen: dict[str, type[Method]] = {}
    for found in map(registry.get, wanted):
        if chosen.setdefault(found.info.name, found) is not found:
            raise InputError(
                f"--methods: two methods call themselves '{found.info.name}'; rename one in its "
                "info"
            )
    return chosen


def _protocol(
    name: str, overrides: tuple[str, ...], precision: str | None, recipe: str
) -> Protocol:
    from benchmark.protocols import load_protocol

    if precision is not None:
        overrides = (*overrides, f"training.precision={precision}")
    return load_protocol(name, overrides).model_copy(update={"recipe": recipe})


def _precision(protocol: Protocol, device: str) -> str:
    """Return the precision of every cell; only ``auto`` and ``fp16`` depend on the device."""
    precision = protocol.training.precision
    if precision in ("fp32", "bf16"):
        return precision
    from benchmark.engine.device import resolve_device, resolve_precision

    return resolve_precision(precision, resolve_device(device))
