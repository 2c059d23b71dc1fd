"""The options that name a sweep, and what they mean: the same for every command that takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.choices import SYNTHETIC
from benchmark.commands.options import (
    ALL,
    F,
    MethodList,
    SeedList,
    choose_dataset,
    dataset_options,
    factors_option,
)
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.protocols.protocol import Protocol
    from benchmark.store.record import Cell
    from benchmark.sweep.plan import Sweep
    from methods.base import Method

DEFAULT_PROTOCOL = {SYNTHETIC: "smoke"}  # any other dataset: compact


def sweep_options(function: F) -> F:
    """Add the options that :class:`SweepChoice` is made of."""
    for option in (
        click.option(
            "--cut-head", is_flag=True, help="Reach a factor by cutting the largest classes."
        ),
        click.option(
            "--precision",
            type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
            help="Of the backbone (default: the protocol's).",
        ),
        click.option(
            "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."
        ),
        click.option(
            "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value."
        ),
        click.option(
            "--weights",
            metavar="PATH|timm|scratch",
            help="What the backbone starts from: a torch or safetensors file, timm's own weights, "
            "or random ones (default: random, or what the backbone brings).",
        ),
        click.option(
            "--recipe",
            type=click.Choice(["shared", "authors"]),
            default="shared",
            show_default=True,
            help="One recipe for all methods, or each method's own authors' one.",
        ),
        click.option(
            "--protocol",
            "protocol_name",
            help="paper, compact, smoke or a TOML file (default: smoke for synthetic faces, else "
            "compact).",
        ),
        dataset_options,
        click.option(
            "--seeds",
            type=SeedList(),
            default="0",
            show_default=True,
            metavar="LIST",
            help="Comma-separated training seeds and ranges of them, such as 0-4.",
        ),
        factors_option("50,100,150"),
        click.option(
            "--methods",
            type=MethodList(),
            default=ALL,
            show_default=True,
            metavar="LIST",
            help="Comma-separated methods, sets of them (paper, longtail, all), or "
            "package.module:Class.",
        ),
    ):
        function = option(function)
    return function


@dataclass(frozen=True)
class SweepChoice:
    """What the user asked for, as the options give it."""

    methods: tuple[str, ...]
    factors: tuple[float | None, ...]
    seeds: tuple[int, ...]
    dataset: str | None
    classes: int | None
    data_root: Path | None
    holdout: float | None
    resize: int | None
    cache_dir: Path | None
    protocol_name: str | None
    recipe: str
    weights: str | None
    overrides: tuple[str, ...]
    device: str
    precision: str | None
    cut_head: bool

    def arguments(self, dataset: str) -> list[str]:
        """Return the command-line options that make the same choice again.

        Args:
            dataset: that the choice came to.
        """
        values = {
            "--methods": ",".join(self.methods),
            "--factors": ",".join("full" if f is None else repr(f) for f in self.factors),
            "--seeds": ",".join(map(str, self.seeds)),
            "--dataset": dataset,
            "--data-root": self.data_root,
            "--resize": self.resize,
            "--cache-dir": self.cache_dir,
            "--protocol": self.protocol_name,
            "--recipe": self.recipe,
            "--weights": self.weights,
            "--device": self.device,
            "--precision": self.precision,
        }
        options = [f"{name}={value}" for name, value in values.items() if value is not None]
        options += [f"--set={text}" for text in self.overrides]
        return [*options, *(["--cut-head"] if self.cut_head else [])]

    def plan(self, precision: str | None = None) -> Sweep:
        """Load the dataset and return the cells.

        Args:
            precision: that another process found for ``auto``; None to find it here.

        Raises:
            InputError: anything that was asked for does not exist or does not fit.
        """
        from benchmark.data.load import load_dataset
        from benchmark.models.build import parse_weights, weights_identity
        from benchmark.sweep.plan import plan

        dataset = choose_dataset(self.dataset, self.data_root, self.classes, self.holdout)
        chosen = _methods(self.methods)
        protocol = self._protocol(dataset)
        weights = parse_weights(self.weights)
        identity = weights_identity(protocol.backbone.name, weights)
        sweep = plan(
            load_dataset(dataset, self.data_root, cache_dir=self.cache_dir, resize=self.resize),
            chosen,
            self.factors,
            self.seeds,
            protocol,
            weights=identity,
            precision=_precision(precision or protocol.training.precision, self.device),
            cut_head=self.cut_head,
        )
        return replace(sweep, weights=weights)

    def _protocol(self, dataset: str) -> Protocol:
        from benchmark.protocols import load_protocol

        name = self.protocol_name or DEFAULT_PROTOCOL.get(dataset, "compact")
        overrides = self.overrides
        if self.precision is not None:
            overrides = (*overrides, f"training.precision={self.precision}")
        return load_protocol(name, overrides).model_copy(update={"recipe": self.recipe})


def matching(cells: Sequence[Cell], patterns: Sequence[str]) -> list[Cell]:
    """Return the cells whose name fits one of the patterns; all of them where there is none.

    A name is ``method-dataset-factor-sSEED``, as in ``mek-ferplus-150-s0``.

    Raises:
        InputError: a pattern fits no cell.
    """
    from benchmark.sweep.patterns import check_patterns, fits

    check_patterns("--only", patterns, cells, "the sweep's")
    return [cell for cell in cells if not patterns or fits(cell, patterns)]


def _methods(names: Sequence[str]) -> dict[str, type[Method]]:
    from methods import registry

    wanted: list[type[Method]] = []
    for name in names:
        if name == ALL:
            methods, complaints = registry.every()
            wanted += methods.values()
            for line in complaints:
                click.echo(f"left out: {line}", err=True)
        else:
            wanted += map(registry.get, registry.members(name) or [name])
    chosen: dict[str, type[Method]] = {}
    for found in wanted:
        if chosen.setdefault(found.info.name, found) is not found:
            raise InputError(
                f"--methods: two methods call themselves '{found.info.name}'; rename one in its "
                "info"
            )
    return chosen


def _precision(precision: str, device: str) -> str:
    """Return the precision of every cell; only ``auto`` and ``fp16`` depend on the device."""
    if precision in ("fp32", "bf16"):
        return precision
    from benchmark.engine.device import resolve_device, resolve_precision

    return resolve_precision(precision, resolve_device(device))
