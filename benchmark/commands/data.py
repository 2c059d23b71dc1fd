"""``fer-bench data``: the counts of a dataset's training sets, and whether its files are right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark.choices import IMAGES
from benchmark.commands.kinds import DatasetName, FilePath
from benchmark.commands.options import choose_dataset, dataset_options, factors_option, form_options
from benchmark.commands.writing import write_tables, write_text
from benchmark.errors import InputError, escaped
from benchmark.words import count

if TYPE_CHECKING:
    from benchmark.data.dataset import FaceDataset
    from benchmark.data.verify import VerifyReport
    from benchmark.report.forms import Form
    from benchmark.report.sheet import Row, Table

F = TypeVar("F", bound=Callable[..., Any])

SHOWN = 20  # warnings on a terminal unless all are asked for


def common_options(function: F) -> F:
    """Add the dataset, as an argument or an option, with ``--format`` and ``--out``."""
    function = dataset_options(form_options(function))
    return click.argument("name", metavar="[DATASET]", required=False, type=DatasetName())(function)


@click.group("data")
def command() -> None:
    """Count, check and describe datasets.

    DATASET is ferplus, ferplus-8, raf-db, folder or synthetic (the default).
    """


@command.command("counts")
@common_options
@factors_option("full,50,100,150")
@click.option("--cut-head", is_flag=True, help="Reach a factor by cutting the largest classes.")
@click.pass_context
def counts(
    context: click.Context,
    name: str | None,
    dataset: str | None,
    classes: int | None,
    data_root: Path | None,
    holdout: float | None,
    resize: int | None,
    cache_dir: Path | None,
    format_name: str | None,
    out: Path | None,
    factors: tuple[float | None, ...],
    cut_head: bool,
) -> None:
    """Show the images of each class in each training set, and in validation and test."""
    from benchmark.data.load import load_dataset
    from benchmark.report.forms import form_for

    name = named_dataset(context, name, dataset, data_root, classes, holdout)
    form = form_for(format_name, out)
    faces = load_dataset(name, data_root, cache_dir=cache_dir, resize=resize)
    _write(counts_table(faces, factors, cut_head=cut_head), form, out)


@command.command("verify")
@common_options
@click.option("--all", "show_all", is_flag=True, help=f"Show more than {SHOWN} warnings.")
@click.option(
    "--copies",
    type=FilePath(dir_okay=False),
    help="Also write the names of all images that are copies to this CSV file.",
)
@click.option(
    "--results",
    type=FilePath(),
    help="Also keep in this store which test and validation images are copies, for --images.",
)
@click.pass_context
def verify(
    context: click.Context,
    name: str | None,
    dataset: str | None,
    classes: int | None,
    data_root: Path | None,
    holdout: float | None,
    resize: int | None,
    cache_dir: Path | None,
    format_name: str | None,
    out: Path | None,
    show_all: bool,
    copies: Path | None,
    results: Path | None,
) -> None:
    """Read every image; report bad files, wrong counts, and pictures that stand in two parts.

    Exits with 1 if there are errors; warnings do not fail.
    """
    from benchmark.data.load import load_dataset
    from benchmark.data.verify import verify_dataset
    from benchmark.report.forms import form_for

    name = named_dataset(context, name, dataset, data_root, classes, holdout)
    form = form_for(format_name, out)
    report = verify_dataset(name, data_root, resize=resize)
    complete = show_all or out is not None or form.name != "terminal"
    table = findings_table(report, most_warnings=None if complete else SHOWN)
    _write(table, form, out)
    if copies is not None:
        write_text(report.copies, copies, "--copies")
    if results is not None:
        _keep_marks(load_dataset(name, data_root, cache_dir=cache_dir, resize=resize), results)
    context.exit(0 if report.ok else 1)


def _keep_marks(faces: FaceDataset, results: Path) -> None:
    from benchmark.data.dataset import Part
    from benchmark.store.kept_marks import KeptMarks

    kept = KeptMarks(results)
    marks = kept.of(faces)
    for images in IMAGES[1:]:
        test, validation = (marks.of(part).kept(images) for part in (Part.TEST, Part.VALIDATION))
        click.echo(
            f"{images}: {test.sum()} of {count(len(test), 'test image')}, {validation.sum()} of "
            f"{count(len(validation), 'validation image')}",
            err=True,
        )
    click.echo(f"kept in {kept.path(faces.fingerprint)}", err=True)


def named_dataset(
    context: click.Context,
    name: str | None,
    dataset: str | None,
    data_root: Path | None,
    classes: int | None,
    holdout: float | None,
) -> str:
    """Return the dataset that was asked for, as an argument, an option, or not at all.

    Raises:
        click.UsageError: the argument and the option name different datasets.
        InputError: as :func:`choose_dataset`.
    """
    typed = context.get_parameter_source("dataset") == click.core.ParameterSource.COMMANDLINE
    if name and dataset and typed and name != dataset:
        raise click.UsageError(f"both '{name}' and '--dataset {dataset}' are given; keep one")
    return choose_dataset(name or dataset, data_root, classes, holdout)


def counts_table(
    faces: FaceDataset, factors: Sequence[float | None], *, cut_head: bool = False
) -> Table:
    """Lay out the counts as Tables 4 and 5 of the paper do, with the other parts below."""
    from benchmark.data.dataset import Part
    from benchmark.data.holdout import held_out_note
    from benchmark.data.imbalance import counts_for, factor_label
    from benchmark.report.headers import class_titles
    from benchmark.report.sheet import Number, Row, Table

    rows: list[Row] = []
    remarks: list[str] = []
    for factor in factors:
        label = "-" if factor is None else factor_label(factor)
        try:
            rows.append(_count_row(label, counts_for(faces, factor, cut_head=cut_head)))
        except InputError as error:
            refused = (*(Number("refused") for _ in faces.classes), Number())
            rows.append(Row((label,), refused, (label,)))
            remarks.append(f"{label}: {error}")
    for part in (Part.VALIDATION, Part.TEST):
        if part != Part.VALIDATION or faces.has_validation:
            rows.append(_count_row(part.name.lower(), faces.counts(part)))
    names = class_titles(faces.classes, ("factor", "total"), capital=False)
    return Table(
        title="",
        labels=("factor",),
        columns=(*names, "total"),
        keys=(*names, "total"),
        blocks=(tuple(rows),),
        notes=tuple(filter(None, [held_out_note(faces.name), *remarks])),
        name=f"counts {faces.name}",
    )


def _count_row(label: str, counts: Sequence[int]) -> Row:
    from benchmark.report.sheet import Number, Row

    numbers = tuple(Number(str(number)) for number in (*counts, sum(counts)))
    return Row((label,), numbers, (label,))


def findings_table(report: VerifyReport, *, most_warnings: int | None) -> Table:
    """Lay out the findings; the remark sums them up."""
    from benchmark.data.evidence import Severity
    from benchmark.report.sheet import text_table

    rows = []
    for severity in Severity:
        found = report.of(severity)
        cut = most_warnings if severity == Severity.WARNING else None
        rows += [(f.severity.value, f.check, f.subject, f.message) for f in found[:cut]]
        if cut is not None and len(found) > cut:
            rows.append((severity.value, "", "", f"and {len(found) - cut} more; --all shows them"))
    errors, warnings = (
        count(len(report.of(s)), s.value) for s in (Severity.ERROR, Severity.WARNING)
    )
    summary = f"{report.name}: {count(report.images, 'image')}, {errors}, {warnings}"
    shown = [tuple(map(escaped, row)) for row in rows]  # names of files hold anything
    return text_table("", ("severity", "check", "subject", "finding"), shown, [summary])


def _write(table: Table, form: Form, out: Path | None) -> None:
    write_tables([table], form, out)
    if form.name in ("csv", "macros"):  # which has no place for them
        for remark in table.notes:
            click.echo(remark, err=True)
