"""Training images of each class at each factor, published and stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmark.analysis.groups import sorted_factors
from benchmark.data.imbalance import factor_label
from benchmark.data.known import dataset_notes
from benchmark.errors import InputError
from benchmark.paper import published
from benchmark.report.drawing import note, page
from benchmark.report.drawing.draw import Drawing, Wanted
from benchmark.report.drawing.drawn import slug
from benchmark.report.drawing.style import look, plain
from benchmark.store.record import Record
from benchmark.store.store import Store
from benchmark.words import count

HELP = "training images of each class; RAF-DB and FERPlus need no records"
ALL_IMAGES = True
WITHOUT_RECORDS = True
WHY = "a distribution shows training images"
PLAIN = "a distribution shows training images"
PLACE = 5

_HEIGHT = 2.3  # inches
_SIZE = 7  # points
_SHIFT = 0.07  # of a class's place, so that equal counts do not hide each other
_ORDINAL = (0, 1, 5, 7)  # slots: grey, blue, orange, red
Counts = tuple[int, ...]


@dataclass(frozen=True)
class Sets:
    """The training sets of one dataset.

    Attributes:
        dataset: its name.
        classes: in the order of the columns.
        counts: training images of each class by factor, None for the unmodified set.
        source: where the counts are from, a sentence.
    """

    dataset: str
    classes: tuple[str, ...]
    counts: dict[float | None, Counts]
    source: str


def training_sets(
    records: Sequence[Record], dataset: str | None, factors: Sequence[float | None] = ()
) -> list[Sets]:
    """Return the training sets of each dataset.

    The sets of Tables 4 and 5 and those that stored cells were trained on. Where these disagree
    on a factor, the files at hand are not those of the paper, and the stored counts stand alone.

    Args:
        records: of one store, maybe none.
        dataset: its name, or None for those that are stored, or both published where none is.
        factors: which to take, none for all.

    Raises:
        InputError: the dataset or a factor is not known, or one factor has several sets.
    """
    known = {record.cell.dataset for record in records}
    tables = {name: number for number, name in published.COUNT_TABLES.items()}
    wanted = [dataset] if dataset else sorted(known or tables)
    found = []
    for name in wanted:
        of = [record for record in records if record.cell.dataset == name]
        if not of and name not in tables:
            raise InputError(
                f"no stored cell of '{name}', and no published counts; known without records: "
                f"{', '.join(sorted(tables))}"
            )
        stored = _stored(name, of)
        printed = _published(name, tables[name]) if name in tables else None
        found.append(_pick(_joined(printed, stored), factors))
    return found


def distribution_figure(sets: Sets) -> Figure:
    """Draw images by class on a logarithmic axis, classes from the largest to the smallest."""
    factors = sorted_factors(sets.counts)
    order = [None, *[f for f in factors if f is not None]] if None in factors else list(factors)
    first = sets.counts[order[0]]
    ranked = sorted(range(len(sets.classes)), key=lambda k: -first[k])
    figure = page.blank(page.ONE_COLUMN, _HEIGHT)
    axes = figure.subplots()
    handles = []
    for number, factor in enumerate(order):
        slot = _ORDINAL[number] if number < len(_ORDINAL) else number + len(_ORDINAL)
        as_drawn = look(slot)
        counts = sets.counts[factor]
        axes.plot(
            np.arange(len(ranked)) + (number - (len(order) - 1) / 2) * _SHIFT,
            [counts[k] for k in ranked],
            color=as_drawn.color,
            marker=as_drawn.marker,
            markersize=as_drawn.size,
            markeredgecolor="white",
            markeredgewidth=0.4,
            linestyle=as_drawn.dashes,
            label=factor_label(factor),
        )
        handles.append(page.handle(slot, f"{factor_label(factor)} ({sum(counts):,} images)"))
    names = [plain(sets.classes[k], 16).capitalize() for k in ranked]
    fits = page.text_width(names, _SIZE) < 0.8 * page.ONE_COLUMN / len(names)
    axes.set_xticks(range(len(names)), names, rotation=0 if fits else 35)
    if not fits:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.set_ylabel("Training images (logarithmic)")
    title = note.dataset_title(sets.dataset)
    notes = [f"{title}, by imbalance factor.", sets.source, *dataset_notes(sets.dataset)]
    return page.finish(figure, handles, notes)


def drawings(
    records: Sequence[Record], wanted: Wanted, store: Store | None = None
) -> list[Drawing]:
    """Return a figure for each dataset; no store is needed.

    Raises:
        InputError: something is wanted that no training set has.
    """
    if wanted.methods or wanted.rule:
        raise InputError(
            "a distribution shows training sets, which no method and no selection rule changes; "
            "leave --methods and --select out"
        )
    return [
        Drawing(f"distribution-{slug(sets.dataset)}", partial(distribution_figure, sets))
        for sets in training_sets(records, wanted.dataset, wanted.factors)
    ]


def _published(name: str, table: int) -> Sets:
    frame = published.counts(table)
    classes = tuple(str(column) for column in frame if column not in ("factor", "total"))
    counts = {
        None if np.isnan(row["factor"]) else float(row["factor"]): tuple(
            int(row[c]) for c in classes
        )
        for _, row in frame.iterrows()
    }
    return Sets(name, classes, counts, f"Published in Table {table} of the MEK paper.")


def _stored(name: str, records: Sequence[Record]) -> Sets | None:
    if not records:
        return None
    classes = records[0].classes
    counts: dict[float | None, Counts] = {}
    for record in records:
        of = dict(zip(record.classes, record.cell.class_counts, strict=True))
        here = tuple(of.get(c, -1) for c in classes)
        if set(of) != set(classes) or counts.setdefault(record.cell.factor, here) != here:
            raise InputError(
                f"stored cells of {name} at factor {factor_label(record.cell.factor)} were trained "
                "on different training sets; keep them in stores of their own and name one with "
                "--results"
            )
    return Sets(
        name,
        classes,
        counts,
        f"As {count(len(records), 'stored cell was', 'stored cells were')} trained.",
    )


def _joined(printed: Sets | None, stored: Sets | None) -> Sets:
    """Return both, or the stored ones alone where they are not the published ones."""
    if printed is None or stored is None:
        sets = stored or printed
        assert sets is not None
        return sets
    if set(printed.classes) != set(stored.classes):
        return stored
    place = [stored.classes.index(name) for name in printed.classes]
    counts = {f: tuple(c[k] for k in place) for f, c in stored.counts.items()}
    if any(printed.counts.get(factor, here) != here for factor, here in counts.items()):
        return stored
    both = printed.counts | counts
    return Sets(
        printed.dataset, printed.classes, both, f"{printed.source} {_origin(printed, counts)}"
    )


def _origin(printed: Sets, stored: Iterable[float | None]) -> str:
    """Return which of the sets stored cells were trained on."""
    of = sorted_factors(stored)
    more = [factor for factor in of if factor not in printed.counts]
    text = f"Stored cells were trained on: {', '.join(map(factor_label, of))}."
    if more:
        text += f" Not published: {', '.join(map(factor_label, more))}."
    return text


def _pick(sets: Sets, factors: Sequence[float | None]) -> Sets:
    for factor in factors:
        if factor not in sets.counts:
            raise InputError(
                f"--factors: no training set of {sets.dataset} at factor {factor_label(factor)}; "
                f"known: {', '.join(map(factor_label, sorted_factors(sets.counts)))}"
            )
    counts = {f: c for f, c in sets.counts.items() if not factors or f in factors}
    return Sets(sets.dataset, sets.classes, counts, sets.source)
