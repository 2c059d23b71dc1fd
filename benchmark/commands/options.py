"""The options that several commands share; each means the same everywhere."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark.choices import IMAGES, SYNTHETIC
from benchmark.datasets import datasets
from benchmark.encoding import encoded
from benchmark.errors import InputError
from benchmark.words import count
from benchmark.write import put_file

if TYPE_CHECKING:
    from benchmark.analysis.decoration import Tau
    from benchmark.report.forms import Form
    from benchmark.report.sheet import Table

    _ParamType = click.ParamType[Any]
    _Choice = click.Choice[str]
else:  # not to be subscripted before click 8.5
    _ParamType = click.ParamType
    _Choice = click.Choice

F = TypeVar("F", bound=Callable[..., Any])

SYNTHETIC_NOTICE = (
    "No --dataset given: using the embedded synthetic faces. They are drawn by the program, and "
    "their numbers say nothing of real faces."
)
ALL = "all"


class _List(_ParamType):
    """Values with commas between them, each once, in the order given; refused where there is none.

    Empty places, as behind the comma of ``50,``, are passed over.
    """

    name = "list"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Return the values; a tuple is returned as it is.

        Raises:
            InputError: there is none, or one is wrong; the message begins with the option.
        """
        if isinstance(value, tuple):
            return value
        option = param.opts[0] if param is not None else self.name
        pieces = [piece.strip() for piece in value.split(",") if piece.strip()]
        if not pieces:
            raise InputError(f"{option} is empty; give at least one value")
        return tuple(dict.fromkeys(v for piece in pieces for v in self.values(piece, option)))

    def values(self, piece: str, option: str) -> Iterable[object]:
        """Return what one piece of the list means."""
        raise NotImplementedError


class FactorList(_List):
    """Imbalance factors; None is the unmodified set."""

    name = "factors"

    def values(self, piece: str, option: str) -> Iterable[float | None]:
        """Return the factor."""
        from benchmark.data.imbalance import parse_factor

        return [parse_factor(piece, option)]


class SeedList(_List):
    """Training seeds, single ones and ranges such as ``0-4``."""

    name = "seeds"
    longest = 10_000

    def values(self, piece: str, option: str) -> Iterable[int]:
        """Return the seed, or every seed of the range."""
        ends = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", piece)
        if ends is None:
            raise InputError(
                f"{option}: '{piece}' is neither a whole number from 0 to 999999999 nor a range "
                "such as 0-4"
            )
        first = int(ends[1])
        last = int(ends[2] or first)
        if not first <= last < first + self.longest:
            raise InputError(
                f"{option}: '{piece}' is no range from a seed to a larger one, of "
                f"{self.longest} at most"
            )
        return range(first, last + 1)


class MethodList(_List):
    """Names of methods and of sets of them; whoever takes them looks them up."""

    name = "methods"

    def values(self, piece: str, option: str) -> Iterable[str]:
        """Return the name."""
        return [ALL if piece.lower() == ALL else piece]


class FaceList(_List):
    """Names of faces, which whoever takes them looks up; none where nothing is given."""

    name = "faces"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Return the names."""
        return () if value == "" else super().convert(value, param, ctx)

    def values(self, piece: str, option: str) -> Iterable[str]:
        """Return the name."""
        return [piece]


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


class Adjust(_ParamType):
    """``tau=1`` or ``tau=val``: how far logits are adjusted after training."""

    name = "tau=..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Tau:
        """Return the tau.

        Raises:
            InputError: it is none.
        """
        from benchmark.analysis.decoration import CHOSEN
        from benchmark.stats.adjustment import TAUS

        text = str(value).strip().lower()
        if text == f"tau={CHOSEN}":
            return CHOSEN
        number = re.fullmatch(r"tau=([0-9]{1,3}(?:\.[0-9]{1,6})?|\.[0-9]{1,6})", text)
        if number is None or float(number[1]) > TAUS[-1]:
            raise InputError(
                f"--adjust: '{value}' is not tau=val or tau=NUMBER with a number from 0 to "
                f"{TAUS[-1]:g}, such as tau=1"
            )
        return float(number[1])


def adjust_option(what: str) -> Callable[[F], F]:
    """Return ``--adjust``; ``what`` says what it adds here."""
    return click.option(
        "--adjust",
        type=Adjust(),
        help=f"{what} with logits adjusted after training by tau times the logarithm of the "
        "training set's class shares: tau=1 is what the theory gives, tau=NUMBER from 0 to 1.5, "
        "tau=val is chosen for each cell on its clean validation images.",
    )


class FilePath(click.Path):
    """A path as :class:`pathlib.Path`; one that no system takes is a wrong value, not a failure."""

    def __init__(self, **what: bool) -> None:
        super().__init__(path_type=Path, **what)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        try:
            os.lstat(value)
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
                self.fail(f"'{str(value)[:60]}...': {error.strerror}", param, ctx)
        return super().convert(value, param, ctx)


class DatasetName(_Choice):
    """A dataset's name, also with the share of it that is held out, as ``raf-db-holdout0.1``."""

    def __init__(self) -> None:
        super().__init__(list(datasets()))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name as records have it."""
        from benchmark.data.holdout import held_out_name, parted

        base, fraction = parted(value)
        name = super().convert(base, param, ctx)
        return name if fraction is None else held_out_name(name, fraction)


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


def write_tables(tables: Sequence[Table], form: Form, out: Path | None) -> None:
    """Print tables in a form, or write them to a file.

    Raises:
        InputError: the file cannot be written, or the form cannot say these tables.
    """
    from benchmark.report.forms import FILE, standard_output

    write_out(form.write(tables, standard_output() if out is None else FILE), out)


def write_out(text: str, out: Path | None) -> None:
    """Print the text, or write it to a file in one rename.

    Raises:
        InputError: the file cannot be written.
    """
    if out is None:
        click.echo(text, nl=False)
        return
    write_bytes(encoded(click.unstyle(text)), out)


def begin_folder(folder: Path) -> None:
    """Make a folder for what takes long to work out.

    Raises:
        InputError: it cannot be written.
    """
    with _told(folder, "--out"):
        folder.mkdir(parents=True, exist_ok=True)


def write_files(
    files: Mapping[str, str], folder: Path, start: str = "start at index.html or index.md"
) -> None:
    """Write texts into a folder by name, each in one rename; what else is there stays.

    Raises:
        InputError: the folder or a file cannot be written.
    """
    for name, text in files.items():
        _write(encoded(click.unstyle(text)), folder / name)
    told = f"; {start}" if start else ""
    click.echo(f"wrote {count(len(files), 'file')} into {folder}{told}", err=True)


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


def write_text(text: str, out: Path, option: str) -> None:
    """Write a text to the file that an option names, in one rename, and say so.

    Raises:
        InputError: the file cannot be written.
    """
    _write(encoded(text), out, option)
    click.echo(f"wrote {out}", err=True)


def write_bytes(data: bytes, out: Path) -> None:
    """Write a file in one rename and say so.

    Raises:
        InputError: the file cannot be written.
    """
    _write(data, out)
    click.echo(f"wrote {out}", err=True)


def _write(data: bytes, out: Path, option: str = "--out") -> None:
    with _told(out, option):
        out.parent.mkdir(parents=True, exist_ok=True)
        put_file(out, data)


@contextlib.contextmanager
def _told(out: Path, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{option} {out}: cannot be written ({error.strerror})") from error
