"""The options that name a sweep."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from benchmark.commands.kinds import ALL, MethodList, ParamType, SeedList
from benchmark.commands.options import F, dataset_options, device_option, factors_option

TRY_OPTION = "--try"
"""What another process plans the same variants by."""


class _Try(ParamType):
    """A JSON list of what one variant sets, each as ``--set`` takes it."""

    name = "json"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the texts."""
        try:
            texts = json.loads(value)
        except ValueError as error:
            self.fail(f"{value!r} is no JSON ({error})", param, ctx)
        return tuple(map(str, texts))


def sweep_options(*, factors: str = "50,100,150", seeds: str = "0") -> Callable[[F], F]:
    """Return what adds the options that :class:`SweepChoice` is made of.

    Args:
        factors: default of ``--factors``.
        seeds: default of ``--seeds``.
    """
    return lambda function: _with_options(function, factors, seeds)


def _with_options(function: F, factors: str, seeds: str) -> F:
    for option in (
        click.option(TRY_OPTION, "tries", multiple=True, type=_Try(), hidden=True),
        click.option(
            "--cut-head", is_flag=True, help="Reach a factor by cutting the largest classes."
        ),
        click.option(
            "--precision",
            type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
            help="Of the backbone (default: the protocol's).",
        ),
        click.option(
            "--compile",
            "compile_backbone",
            is_flag=True,
            help="Train the backbone by kernels that torch.compile makes: other cells, as their "
            "numbers differ in rounding (the same as --set training.compile=true).",
        ),
        device_option,
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
            default=seeds,
            show_default=True,
            metavar="LIST",
            help="Comma-separated training seeds and ranges of them, such as 0-4.",
        ),
        factors_option(factors),
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
