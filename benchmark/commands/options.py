"""The options that several commands share; each means the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from benchmark.choices import IMAGES, SYNTHETIC
from benchmark.commands.kinds import Adjust, DatasetName, FactorList, FilePath
from benchmark.errors import InputError

F = TypeVar("F", bound=Callable[..., Any])

SYNTHETIC_NOTICE = (
    "No --dataset given: using the embedded synthetic faces. They are drawn by the program, and "
    "their numbers say nothing of real faces."
)


def factors_option(default: str | None, absent: str = "") -> Callable[[F], F]:
    """Add ``--factors``.

    Args:
        default: what is taken without it; None where everything is.
        absent: what the help says is taken then.
    """
    return click.option(
        "--factors",
        type=FactorList(),
        default=default,
        show_default=default is not None,
        metavar="LIST",
        help=f"Comma-separated imbalance factors; 'full' is the unmodified set{absent}.",
    )


def adjust_option(what: str) -> Callable[[F], F]:
    """Return ``--adjust``; ``what`` says what it adds here."""
    return click.option(
        "--adjust",
        type=Adjust(),
        help=f"{what} with logits adjusted after training by tau times the logarithm of the "
        "training set's class shares: tau=1 is what the theory gives, tau=NUMBER from 0 to 1.5, "
        "tau=val is chosen for each cell on its clean validation images.",
    )


def cache_dir_option(function: F) -> F:
    """Add ``--cache-dir``."""
    return click.option(
        "--cache-dir",
        type=FilePath(),
        envvar="FER_BENCH_CACHE",
        help="Where decoded datasets are kept (default: this user's cache folder).",
    )(function)


def data_root_option(function: F) -> F:
    """Add ``--data-root``."""
    return click.option(
        "--data-root",
        type=FilePath(),
        envvar="FER_BENCH_DATA_ROOT",
        help="The folder that holds the dataset's files.",
    )(function)


def dataset_options(function: F) -> F:
    """Add the options that say which dataset: its name, its files, and what is made of them."""
    for option in (
        cache_dir_option,
        click.option(
            "--resize",
            type=int,
            metavar="N",
            help="Bring every image of a folder dataset to N x N pixels (default: all must be of "
            "one size).",
        ),
        click.option(
            "--holdout",
            type=float,
            metavar="FRACTION",
            help="Draw a validation split, such a share (at most 0.5) of each class's training "
            "images, for a set without one: with 0.1 the dataset raf-db-holdout0.1.",
        ),
        data_root_option,
        click.option(
            "--classes",
            type=int,
            metavar="K",
            help="FERPlus with 8 classes, contempt among them: the dataset ferplus-8.",
        ),
        click.option(
            "--dataset",
            type=DatasetName(),
            envvar="FER_BENCH_DATASET",
            help="The dataset; without one, the embedded synthetic faces.",
        ),
    ):
        function = option(function)
    return function


def choose_dataset(
    name: str | None,
    data_root: Path | None,
    classes: int | None = None,
    holdout: float | None = None,
) -> str:
    """Return the dataset that was asked for; without one, the synthetic faces, and say so.

    Raises:
        InputError: a root is given, but not what it holds, or the dataset has not that many
            classes, or no such share of it can be held out.
    """
    if name is None and data_root is not None:
        raise InputError(
            f"the data root {data_root} is given without --dataset; say which dataset it holds"
        )
    if classes is not None:
        from benchmark.data.load import with_classes

        name = with_classes(name or SYNTHETIC, classes)
    if holdout is not None:
        from benchmark.data.holdout import held_out_name

        name = held_out_name(name or SYNTHETIC, holdout)
    if name is not None:
        return name
    click.echo(SYNTHETIC_NOTICE, err=True)
    return SYNTHETIC


def results_option(function: F) -> F:
    """Add ``--results``, the store."""
    return click.option(
        "--results",
        type=FilePath(),
        default=Path("results/runs"),
        envvar="FER_BENCH_RESULTS",
        show_default=True,
        help="The store: the folder that finished cells are kept in.",
    )(function)


def device_option(function: F) -> F:
    """Add ``--device``, where networks compute."""
    return click.option(
        "--device",
        default="auto",
        show_default=True,
        help="auto, cpu, cuda, cuda:N, mps or xpu (all but cpu are untested).",
    )(function)


def form_option(default: str = "terminal") -> Callable[[F], F]:
    """Return ``--format``, the form of tables: any that stands in ``benchmark/report/forms``."""
    from benchmark.report.forms import form_names, forms

    told = "; ".join(f"{form.name}: {form.help}" for form in forms().values())
    return click.option(
        "--format",
        "format_name",
        type=click.Choice(form_names()),
        help=f"The form of tables. {told}. Default: as --out ends, else {default}.",
    )


def form_options(function: F) -> F:
    """Add ``--format`` and ``--out`` of a command that prints tables."""
    return form_option()(
        click.option(
            "--out",
            type=FilePath(dir_okay=False),
            help="Write to this file instead of the terminal; its ending says the form.",
        )(function)
    )


def select_option(function: F) -> F:
    """Add ``--select``, the rule that picks the epoch: any that stands in ``selection/``."""
    from benchmark.selection import rules

    told = "; ".join(f"{name}: {rule.help}" for name, rule in rules().items())
    return click.option(
        "--select",
        "rule",
        type=click.Choice(list(rules())),
        default=next(iter(rules())),
        show_default=True,
        help=f"Which epoch counts. {told}.",
    )(function)


def images_option(function: F) -> F:
    """Add ``--images``, the test images that count."""
    return click.option(
        "--images",
        type=click.Choice(IMAGES),
        default=IMAGES[0],
        show_default=True,
        help="Which test images count: all; clean leaves out those whose pixels stand in the "
        "training set, no-near-copies mirrored and near copies of it as well.",
    )(function)


def dataset_filter_option(function: F) -> F:
    """Add ``--dataset`` of a command that reads a store: only its records."""
    return click.option(
        "--dataset",
        type=DatasetName(),
        envvar="FER_BENCH_DATASET",
        help="Only the records of this dataset (default: all).",
    )(function)
