"""What ``fer-bench report`` was asked for, and which options say nothing together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import InputError
from benchmark.report.tables import details, split_of
from benchmark.selection import rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark.analysis.decoration import Tau
    from benchmark.choices import Images
    from benchmark.store.record import Split


@dataclass(frozen=True)
class ReportChoice:
    """What the user asked for, as the options give it."""

    number: int | None
    everything: bool
    detail: str | None
    format_name: str | None
    rule: str
    images: Images
    against: str | None
    oracle: bool
    adjust: Tau | None
    mixed: bool
    page: Path | None
    out: Path | None

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the detail declares of itself; nothing without one."""
        return details()[self.detail].facts if self.detail else {}

    @property
    def split(self) -> Split:
        """The split that is counted."""
        return split_of(self.detail)

    @property
    def of_training_images(self) -> bool:
        """Whether a table of the paper is asked for that counts training images."""
        return self.number in (4, 5)

    @property
    def plain(self) -> bool:
        """Whether no table was chosen and nothing is to stand beside or below its rows."""
        more = (self.against, self.mixed, self.oracle, self.adjust, self.page)
        chosen = (self.number, self.everything, self.detail, *more)
        return self.images == "all" and not any(
            one is not None and one is not False for one in chosen
        )

    def check(self) -> None:
        """Refuse options that say nothing together.

        Raises:
            InputError: there are such.
        """
        for look in (_page, _all, _detail, _images, _one_reading, _rows):
            look(self)


def _page(asked: ReportChoice) -> None:
    """The page has all tables, each in its place: nothing says what a table is to be."""
    if asked.page is None:
        return
    if asked.page.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--page {asked.page}: the name must end in .html")
    given = {
        "--table": asked.number,
        "--all": asked.everything,
        "--detail": asked.detail,
        "--format": asked.format_name,
        "--against": asked.against,
        "--oracle": asked.oracle,
        "--mixed": asked.mixed,
        "--out": asked.out,
    }
    named = [option for option, value in given.items() if value]
    if named:
        raise InputError(
            f"--page writes the page and nothing else; leave {' and '.join(named)} away"
        )


def _all(asked: ReportChoice) -> None:
    """Every table goes to a folder, one to a file."""
    if asked.everything and (asked.number or asked.detail or asked.format_name):
        raise InputError(
            "--all writes every table in every form; leave --table, --detail and --format away"
        )
    if asked.everything and asked.out is None:
        raise InputError("--all needs --out DIR, the folder that the files go to")
    if not asked.everything and asked.out is not None and asked.out.is_dir():
        raise InputError(
            f"--out {asked.out} is a folder; name a file, or write everything with --all"
        )


def _detail(asked: ReportChoice) -> None:
    """A detail is of measured cells, of its own split, and may be of the final weights alone."""
    number, rule = asked.number, asked.rule
    if asked.detail and asked.of_training_images:
        raise InputError(f"--table {number} has no --detail: it holds training images; use 1 to 3")
    if asked.split == "validation" and rules()[rule].by_test:
        raise InputError(
            f"--select {rule} chooses the epoch on the test set, and --detail {asked.detail} must "
            "not look at it; use last or val"
        )
    if asked.facts.get("MAPS") and not rules()[rule].final:
        raise InputError(
            f"--detail {asked.detail} is of the final weights, and --select {rule} of another "
            "epoch; use --select last"
        )
    if asked.against and (asked.detail or asked.of_training_images):
        raise InputError("--against stands beside accuracies: --table 1 to 3, or no --table")


def _images(asked: ReportChoice) -> None:
    """Chosen test images stand beside no numbers that are of all of them, or of other images."""
    if asked.images == "all":
        return
    if asked.against:
        raise InputError(
            f"--against paper: published numbers are of all test images, and --images "
            f"{asked.images} counts fewer; leave one of the two away"
        )
    if asked.of_training_images or asked.split == "validation":
        what = f"--table {asked.number}" if asked.number else f"--detail {asked.detail}"
        raise InputError(f"{what} counts no test images; leave --images away")


def _one_reading(asked: ReportChoice) -> None:
    """Where there is one way to read cells, epochs and rows are not chosen."""
    why = asked.facts.get("LAST")
    if why and (not rules()[asked.rule].final or asked.mixed):
        raise InputError(f"--detail {asked.detail}: {why}; leave --select and --mixed away")


def _rows(asked: ReportChoice) -> None:
    """Further rows stand below rows of accuracies."""
    if asked.oracle and not asked.against:
        raise InputError(
            "--oracle stands beside published numbers: add --against paper, or take --select oracle"
        )
    if asked.oracle and rules()[asked.rule].by_test:
        raise InputError(f"--oracle: with --select {asked.rule} every row is of that epoch already")
    if asked.adjust is None:
        return
    if asked.of_training_images:
        raise InputError(f"--adjust: --table {asked.number} holds training images; use 1 to 3")
    why = asked.facts.get("PLAIN")
    if why:
        raise InputError(
            f"--adjust has no rows in --detail {asked.detail}: {why}; leave one of the two"
        )
