"""Every figure by its name: one for each group of cells that can be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure

from benchmark.analysis.answers import Answers
from benchmark.data.marks import Images
from benchmark.errors import InputError
from benchmark.record import Record
from benchmark.report.figures import page
from benchmark.report.figures.confusion import confusion_figure
from benchmark.report.figures.curves import curves_figure
from benchmark.report.figures.distribution import distribution_figure, training_sets
from benchmark.report.figures.factor import factor_figure
from benchmark.report.figures.group import Drawn, drawn_groups, file_stems, slug
from benchmark.report.figures.recall import recall_figure
from benchmark.report.figures.style import styled
from benchmark.store import Store

MEASURED: dict[str, Callable[[Drawn], Figure]] = {
    "recall": recall_figure,
    "factor": factor_figure,
    "confusion": confusion_figure,
    "curves": curves_figure,
}
DISTRIBUTION = "distribution"


@dataclass(frozen=True)
class Wanted:
    """What is drawn; what is empty or None means everything.

    Attributes:
        dataset: its name.
        methods: their names.
        factors: None among them is the unmodified set.
        rule: the selection rule, None for the last epoch.
        images: which test images count.
    """

    dataset: str | None = None
    methods: Sequence[str] = ()
    factors: Sequence[float | None] = ()
    rule: str | None = None
    images: Images = "all"


@dataclass(frozen=True)
class Drawing:
    """A figure that is not drawn yet.

    Attributes:
        stem: of its file's name.
        make: draws it.
    """

    stem: str
    make: Callable[[], Figure]

    def render(self, format_name: str) -> bytes:
        """Draw it and return the file; the same records give the same bytes."""
        with styled():
            return page.to_bytes(self.make(), format_name)


def drawings(
    name: str, records: Sequence[Record], wanted: Wanted, store: Store | None = None
) -> list[Drawing]:
    """Return a drawing for each group of cells; what cannot be compared never shares a figure.

    Args:
        name: one of :data:`MEASURED`, or ``distribution``.
        records: of one store; may be none for the distribution of a published dataset.
        wanted: what is drawn.
        store: where the records are from; needed where not all test images count.

    Raises:
        InputError: nothing is stored of what is wanted.
    """
    if name == DISTRIBUTION:
        return _distributions(records, wanted)
    here = [record for record in records if wanted.dataset in (None, record.cell.dataset)]
    if not here:
        stored = ", ".join(sorted({record.cell.dataset for record in records})) or "nothing"
        raise InputError(
            f"no stored cell of dataset '{wanted.dataset}'; stored: {stored}"
            if records
            else "the store holds no finished cell; fill it with 'fer-bench run'"
        )
    rule, answers = wanted.rule or "last", None
    if wanted.images != "all" and store is not None:
        if name == "curves":
            raise InputError(
                "curves show every epoch, and logits are kept of few; leave --images away"
            )
        answers = Answers(store, rule, wanted.images)
    groups = drawn_groups(here, rule, wanted.methods, wanted.factors, answers)
    return [
        Drawing(f"{name}-{stem}", partial(MEASURED[name], group))
        for stem, group in zip(file_stems(groups), groups, strict=True)
    ]


def _distributions(records: Sequence[Record], wanted: Wanted) -> list[Drawing]:
    if wanted.images != "all":
        raise InputError("a distribution shows training images; leave --images away")
    if wanted.methods or wanted.rule:
        raise InputError(
            "a distribution shows training sets, which no method and no selection rule changes; "
            "leave --methods and --select out"
        )
    return [
        Drawing(f"{DISTRIBUTION}-{slug(sets.dataset)}", partial(distribution_figure, sets))
        for sets in training_sets(records, wanted.dataset, wanted.factors)
    ]
