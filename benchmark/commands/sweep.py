"""What the options that name a sweep mean: the same for every command that takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.choices import SYNTHETIC
from benchmark.commands.kinds import ALL
from benchmark.commands.options import choose_dataset
from benchmark.commands.sweep_options import TRY_OPTION
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.protocols.protocol import Protocol
    from benchmark.store.record import Cell
    from benchmark.sweep.plan import Sweep
    from methods.base import Method

DEFAULT_PROTOCOL = {SYNTHETIC: "smoke"}  # any other dataset: compact


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
    compile_backbone: bool = False
    tries: tuple[tuple[str, ...], ...] = ()
    """What each of several variants sets over the rest; all of them are planned together."""
    elsewhere: bool = False
    """Whether the cells are trained on other machines, whose devices are not known here."""

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
        options += [f"{TRY_OPTION}={json.dumps(texts)}" for texts in self.tries]
        flags = {"--compile": self.compile_backbone, "--cut-head": self.cut_head}
        return [*options, *(name for name, given in flags.items() if given)]

    def plan(
        self, precision: str | None = None, methods: Mapping[str, type[Method]] | None = None
    ) -> Sweep:
        """Load the dataset and return the cells, those of all variants in one sweep.

        Args:
            precision: that another process found for ``auto``; None to find it here.
            methods: by name, in place of those that the options name.

        Raises:
            InputError: anything that was asked for does not exist or does not fit.
        """
        from benchmark.sweep.plan import together

        return together(self.plans(precision, methods))

    def plans(
        self, precision: str | None = None, methods: Mapping[str, type[Method]] | None = None
    ) -> list[Sweep]:
        """Load the dataset and return a sweep for each variant, or the one that there is.

        Raises:
            InputError: as for :meth:`plan`.
        """
        from benchmark.data.load import load_dataset
        from benchmark.models.build import parse_weights, weights_identity
        from benchmark.sweep.plan import plan

        dataset = self.dataset_name
        chosen = chosen_methods(self.methods) if methods is None else methods
        protocols = [self.protocol(dataset, texts) for texts in self.tries or ((),)]
        if self.tries:  # whoever plans tries has looked at the values of methods not among these
            protocols = [_of_methods(protocol, chosen) for protocol in protocols]
        weights = parse_weights(self.weights)
        identity = weights_identity(protocols[0].backbone.name, weights)
        loaded = load_dataset(dataset, self.data_root, cache_dir=self.cache_dir, resize=self.resize)
        asked = precision or protocols[0].training.precision
        return [
            replace(
                plan(
                    loaded,
                    chosen,
                    self.factors,
                    self.seeds,
                    protocol,
                    weights=identity,
                    precision=self._resolved(asked),
                    cut_head=self.cut_head,
                ),
                weights=weights,
            )
            for protocol in protocols
        ]

    @cached_property
    def dataset_name(self) -> str:
        """The dataset that the choice comes to, which is said where nobody named one."""
        return choose_dataset(self.dataset, self.data_root, self.classes, self.holdout)

    def named(self) -> SweepChoice:
        """Return the same choice with the dataset by its name."""
        return replace(self, dataset=self.dataset_name, classes=None, holdout=None)

    def anywhere(self, dataset: str) -> SweepChoice:
        """Return the same choice for a process with another working directory.

        Args:
            dataset: that the choice came to.
        """
        from benchmark.protocols import shipped

        def placed(text: str | None) -> str | None:
            known = (None, "timm", "scratch", *shipped())
            return text if text in known else str(Path(text or "").absolute())

        return replace(
            self,
            dataset=dataset,
            classes=None,
            holdout=None,
            data_root=self.data_root and self.data_root.absolute(),
            cache_dir=self.cache_dir and self.cache_dir.absolute(),
            protocol_name=placed(self.protocol_name),
            weights=placed(self.weights),
        )

    def _resolved(self, precision: str) -> str:
        """Return the precision of every cell; only ``auto`` and ``fp16`` depend on the device.

        Raises:
            InputError: it depends on a device that is not known here, or is none for it.
        """
        if self.elsewhere and precision == "auto":
            raise InputError(
                "precision auto depends on the device, and other machines than this one train; "
                "name it with --precision fp32, bf16 or fp16"
            )
        if self.elsewhere or precision in ("fp32", "bf16"):
            return precision
        from benchmark.engine.device import resolve_device, resolve_precision

        return resolve_precision(precision, resolve_device(self.device))

    def protocol(self, dataset: str, more: Sequence[str] = ()) -> Protocol:
        """Return the protocol with what was set over it.

        Args:
            dataset: that the choice comes to.
            more: set over that, as ``--set`` takes it.
        """
        from benchmark.protocols import load_protocol

        name = self.protocol_name or DEFAULT_PROTOCOL.get(dataset, "compact")
        overrides = (*self.overrides, *more)
        if self.precision is not None:
            overrides = (*overrides, f"training.precision={self.precision}")
        if self.compile_backbone:
            overrides = (*overrides, "training.compile=true")
        return load_protocol(name, overrides).model_copy(update={"recipe": self.recipe})


def _of_methods(protocol: Protocol, methods: Mapping[str, object]) -> Protocol:
    """Return a protocol without values of other methods than those named."""
    kept = {name: values for name, values in protocol.methods.items() if name in methods}
    return protocol.model_copy(update={"methods": kept})


def matching(cells: Sequence[Cell], patterns: Sequence[str]) -> list[Cell]:
    """Return the cells whose name fits one of the patterns; all of them where there is none.

    A name is ``method-dataset-factor-sSEED``, as in ``mek-ferplus-150-s0``.

    Raises:
        InputError: a pattern fits no cell.
    """
    from benchmark.sweep.patterns import check_patterns, fits

    check_patterns("--only", patterns, cells, "the sweep's")
    return [cell for cell in cells if not patterns or fits(cell, patterns)]


def references(names: Sequence[str]) -> list[str]:
    """Return the methods that names stand for, each as ``--methods`` takes it.

    Those of other packages that cannot be used are named as left out.
    """
    from methods import registry

    found: list[str] = []
    for name in names:
        if name == ALL:
            methods, complaints = registry.every()
            found += methods
            for line in complaints:
                click.echo(f"left out: {line}", err=True)
        else:
            found += registry.members(name) or [name]
    return found


def chosen_methods(names: Sequence[str | type[Method]]) -> dict[str, type[Method]]:
    """Return methods by the names that cells have.

    Args:
        names: of methods and of sets of them, or the classes themselves.

    Raises:
        InputError: one is not known, or two call themselves the same.
    """
    from methods import registry

    wanted: list[type[Method]] = []
    for name in names:
        if isinstance(name, str):
            wanted += map(registry.get, references([name]))
        else:
            wanted.append(name)
    chosen: dict[str, type[Method]] = {}
    for found in wanted:
        if chosen.setdefault(found.info.name, found) is not found:
            raise InputError(
                f"--methods: two methods call themselves '{found.info.name}'; rename one in its "
                "info"
            )
    return chosen
