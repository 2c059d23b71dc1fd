"""``fer-bench figure``: stored records as figures for a paper."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from benchmark.choices import FIGURE_FORMATS
from benchmark.commands.kinds import ALL, DatasetName, FaceList, FilePath, MethodList
from benchmark.commands.options import (
    adjust_option,
    cache_dir_option,
    data_root_option,
    device_option,
    factors_option,
    images_option,
    results_option,
    select_option,
)
from benchmark.commands.writing import write_bytes
from benchmark.errors import InputError
from benchmark.report.figures import figures

if TYPE_CHECKING:
    from benchmark.analysis.decoration import Tau
    from benchmark.choices import Images
    from benchmark.report.drawing.draw import FacesWanted


def _listed() -> str:
    width = max(map(len, figures()))
    return "\n".join(f"{n:{width}}  {o.facts['HELP']}" for n, o in figures().items())


HELP = f"""Draw the stored records; nothing is trained.

\b
{_listed()}

Cells that differ in dataset, protocol, weights or precision never share a figure: each group of
cells that can be compared gets a file of its own.
"""


@click.command("figure", help=HELP)
@click.argument("name", type=click.Choice(list(figures())))
@click.option(
    "--methods",
    type=MethodList(),
    default=ALL,
    show_default=True,
    metavar="LIST",
    help="Comma-separated methods, or sets of them: paper, longtail, all.",
)
@factors_option(None, " (default: all that are stored)")
@select_option
@images_option
@adjust_option("Beside each series one more, 'NAME + LA',")
@click.option(
    "--dataset",
    type=DatasetName(),
    envvar="FER_BENCH_DATASET",
    help="Only this dataset's cells (default: a figure for each group of comparable cells).",
)
@click.option(
    "--faces",
    type=FaceList(),
    default="",
    metavar="LIST",
    help="For attention: comma-separated pictures, or test images of the dataset by their file's "
    "name or number.",
)
@click.option(
    "--pick",
    type=click.IntRange(1),
    metavar="N",
    help="For attention: the N test images of major classes that all networks recognise and on "
    "which the first and the last method's maps of the minor class differ most.",
)
@click.option(
    "--minor",
    metavar="CLASS",
    help="For attention: the class in green (default: the one with the fewest training images).",
)
@data_root_option
@cache_dir_option
@device_option
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FIGURE_FORMATS),
    help="Of the file (default: what --out ends in, else pdf).",
)
@results_option
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    help="Write to this file (default: NAME-DATASET-PROTOCOL.FORMAT in the working directory).",
)
def command(
    name: str,
    methods: tuple[str, ...],
    factors: tuple[float | None, ...] | None,
    rule: str,
    images: Images,
    adjust: Tau | None,
    dataset: str | None,
    faces: tuple[str, ...],
    pick: int | None,
    minor: str | None,
    data_root: Path | None,
    cache_dir: Path | None,
    device: str,
    format_name: str | None,
    results: Path,
    out: Path | None,
) -> None:
    """Draw the stored records; see :data:`HELP`."""
    from benchmark.commands.studied import studied
    from benchmark.report.drawing.draw import Wanted, drawings
    from benchmark.store.store import Store

    file_format = _format(format_name, out)
    given = click.get_current_context().get_parameter_source("rule")
    wanted = Wanted(
        dataset=dataset,
        methods=() if ALL in methods else methods,
        factors=factors or (),
        rule=rule if given is ParameterSource.COMMANDLINE else None,
        images=images,
        adjust=adjust,
        faces=_faces(faces, pick, minor, data_root, cache_dir, device),
    )
    facts = figures()[name].facts
    needs_store = not facts.get("TRIES") and (not facts.get("WITHOUT_RECORDS") or results.is_dir())
    store = Store(results)
    empty = bool(facts.get("WITHOUT_RECORDS"))
    records = studied(store, may_be_empty=empty) if needs_store else []
    drawn = drawings(name, records, wanted, store)
    if out is not None and len(drawn) > 1:
        stems = ", ".join(figure.stem for figure in drawn)
        raise InputError(
            f"--out names one file, but there are {len(drawn)} figures ({stems}); leave --out "
            "away, or name a --dataset that has one of them"
        )
    for figure in drawn:
        with warnings.catch_warnings(record=True) as remarks:
            data = figure.render(file_format)
        for remark in dict.fromkeys(str(one.message) for one in remarks):  # glyphs no font has
            click.echo(f"note: {' '.join(remark.split())}", err=True)
        write_bytes(data, out or Path(f"{figure.stem}.{file_format}"))


def _faces(
    names: tuple[str, ...],
    pick: int | None,
    minor: str | None,
    data_root: Path | None,
    cache_dir: Path | None,
    device: str,
) -> FacesWanted | None:
    from benchmark.report.drawing.draw import FacesWanted

    if names and pick:
        raise InputError("--faces names the faces and --pick chooses them; leave one of the two")
    if not names and not pick:
        if minor:
            raise InputError("--minor marks a class below faces: add --faces or --pick")
        return None
    return FacesWanted(names, pick or 0, minor, data_root, cache_dir, device)


def _format(name: str | None, out: Path | None) -> str:
    ending = out.suffix.lower().removeprefix(".") if out is not None else ""
    if out is not None and ending not in FIGURE_FORMATS:
        raise InputError(f"--out {out}: the name must end in .{', .'.join(FIGURE_FORMATS)}")
    if name and ending and name != ending:
        raise InputError(f"--out {out} does not end in .{name}, which --format asks for")
    return name or ending or "pdf"
