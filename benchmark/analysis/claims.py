"""The paper's checkable sentences as data, and what each asks of a cell."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from benchmark.analysis.margins import Missing, Source, Term
from benchmark.analysis.published_margins import published_methods
from benchmark.data.imbalance import factor_label
from benchmark.protocols.protocol import Strict
from benchmark.resources import asset


@dataclass(frozen=True)
class Pair:
    """Two numbers of which the first has to be above the second, and how they are called."""

    first: Term
    second: Term
    names: tuple[str, str]


@dataclass(frozen=True)
class Case:
    """What a claim asks of one cell.

    Attributes:
        factor: as people write it.
        method: the method it is about.
        pairs: all of them have to hold.
        hindrance: why the sentence says nothing of this cell, empty if it does.
    """

    factor: str
    method: str
    pairs: tuple[Pair, ...]
    hindrance: str = ""

    def turned(self) -> Case:
        """Return the case that asks for the reverse of every pair."""
        pairs = (Pair(p.second, p.first, (p.names[1], p.names[0])) for p in self.pairs)
        return replace(self, pairs=tuple(pairs))


class Claim(Strict):
    """What all claims have; see the head of ``results/paper/claims.toml``."""

    id: str
    sentence: str
    definition: str = ""
    where: str
    made_for: tuple[str, ...]
    cells: Mapping[str, tuple[float | Literal["full"], ...]]

    def factors(self, dataset: str) -> list[float | None]:
        """Return the factors of a dataset's cells."""
        return [None if f == "full" else float(f) for f in self.cells.get(dataset, ())]


class Best(Claim):
    """One method is above all others."""

    kind: Literal["best"]
    method: str
    measure: str

    def cases(self, dataset: str, source: Source) -> Iterator[Case]:
        """Return a case a factor."""
        for factor in self.factors(dataset):
            rivals = [m for m in _methods(source, dataset, factor) if m != self.method]
            yield _against(source, factor, self.method, rivals, self.measure)


class Above(Claim):
    """Each of some methods is above, or below, each of others."""

    kind: Literal["above", "below"]
    methods: tuple[str, ...]
    others: tuple[str, ...] | Literal["rest"]
    without: tuple[str, ...] = ()
    measure: str

    def cases(self, dataset: str, source: Source) -> Iterator[Case]:
        """Return a case a factor and method."""
        for factor in self.factors(dataset):
            apart = {*self.methods, *self.without}
            rest = [m for m in _methods(source, dataset, factor) if m not in apart]
            others = rest if self.others == "rest" else list(self.others)
            for method in self.methods:
                case = _against(source, factor, method, others, self.measure)
                yield case if self.kind == "above" else case.turned()


class Easier(Claim):
    """One class is recognised better than another that has more training images."""

    kind: Literal["easier"]
    easy: str
    hard: str

    def cases(self, dataset: str, source: Source) -> Iterator[Case]:
        """Return a case a factor and method."""
        for factor in self.factors(dataset):
            hindrance = self._hindrance(source, dataset, factor)
            for method in _methods(source, dataset, factor):
                pair = _classes(method, factor, self.easy, self.hard)
                yield Case(factor_label(factor), method, (pair,), hindrance)

    def _hindrance(self, source: Source, dataset: str, factor: float | None) -> str:
        try:
            images = source.train_counts(dataset, factor)
            easy, hard = images[self.easy], images[self.hard]
        except (Missing, KeyError):
            return ""  # the pair itself says what is missing
        if easy < hard:
            return ""
        return f"{self.easy} is not rarer than {self.hard} here: {easy} and {hard} training images"


class Hardest(Claim):
    """Some classes are recognised worse than all others."""

    kind: Literal["hardest"]
    classes: tuple[str, ...]

    def cases(self, dataset: str, source: Source) -> Iterator[Case]:
        """Return a case a factor and method."""
        others = [name for name in source.classes(dataset) if name not in self.classes]
        for factor in self.factors(dataset):
            for method in _methods(source, dataset, factor):
                pairs = [_classes(method, factor, o, h) for o in others for h in self.classes]
                yield Case(factor_label(factor), method, tuple(pairs))


class Falls(Claim):
    """A measure falls from each factor to the next."""

    kind: Literal["falls"]
    measure: str

    def cases(self, dataset: str, source: Source) -> Iterator[Case]:
        """Return a case a step and method."""
        for low, high in pairwise(self.factors(dataset)):
            names = f"at factor {factor_label(low)}:", f"at factor {factor_label(high)}:"
            for method in _methods(source, dataset, low):
                pair = Pair(
                    Term(method, low, self.measure), Term(method, high, self.measure), names
                )
                yield Case(f"{factor_label(low)} to {factor_label(high)}", method, (pair,))


AnyClaim = Annotated[Best | Above | Easier | Hardest | Falls, Field(discriminator="kind")]


def load_claims() -> list[AnyClaim]:
    """Read the claims that are shipped."""
    text = (asset("results/paper") / "claims.toml").read_text(encoding="utf-8")
    adapter: TypeAdapter[list[AnyClaim]] = TypeAdapter(list[AnyClaim])
    return adapter.validate_python(tomllib.loads(text)["claim"])


def _methods(source: Source, dataset: str, factor: float | None) -> list[str]:
    """Return the methods that the paper has at a cell, then others that the source has."""
    return list(
        dict.fromkeys([*published_methods(dataset, factor), *source.methods(dataset, factor)])
    )


def _against(
    source: Source, factor: float | None, method: str, others: Sequence[str], measure: str
) -> Case:
    first = Term(method, factor, measure)
    pairs = [
        Pair(first, Term(other, factor, measure), (source.name(method), source.name(other)))
        for other in others
    ]
    return Case(factor_label(factor), method, tuple(pairs))


def _classes(method: str, factor: float | None, first: str, second: str) -> Pair:
    return Pair(Term(method, factor, first), Term(method, factor, second), (first, second))
