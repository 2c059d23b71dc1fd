"""The kinds of value that options take: what is typed becomes what is meant, or is refused."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.datasets import datasets
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.analysis.decoration import Tau

    ParamType = click.ParamType[Any]
    _Choice = click.Choice[str]
else:  # not to be subscripted before click 8.5
    ParamType = click.ParamType
    _Choice = click.Choice

ALL = "all"


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


class _List(ParamType):
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


class Adjust(ParamType):
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
