"""Every figure by its name: one for each group of cells that can be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.analysis.answers import Answers
from benchmark.analysis.decoration import Tau, adjustment
from benchmark.choices import Images
from benchmark.errors import InputError
from benchmark.report.drawing import page
from benchmark.report.drawing.drawn import drawn_groups, file_stems
from benchmark.report.drawing.style import styled
from benchmark.report.figures import figures
from benchmark.store.outdated import read_outdated
from benchmark.store.record import Record
from benchmark.store.store import Store


@dataclass(frozen=True)
class FacesWanted:
    """Which faces a figure of single faces shows.

    Attributes:
        names: of faces, as :func:`benchmark.networks.shown_faces.named_faces` takes them.
        pick: how many to pick by the rule of :func:`benchmark.networks.shown_faces.picked_faces`;
            0 where they are named.
        minor: the class that is marked as minor, None for the one with the fewest training images.
        data_root: the folder of the dataset's files.
        cache_dir: where decoded datasets are kept.
        device: where networks compute.
    """

    names: Sequence[str] = ()
    pick: int = 0
    minor: str | None = None
    data_root: Path | None = None
    cache_dir: Path | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Wanted:
    """What is drawn; what is empty or None means everything.

    Attributes:
        dataset: its name.
        methods: their names.
        factors: None among them is the unmodified set.
        rule: the selection rule, None for the last epoch.
        images: which test images count.
        adjust: by how much logits are adjusted in a further series beside each; None for none.
        faces: for figures of single faces, None where no face was asked for.
    """

    dataset: str | None = None
    methods: Sequence[str] = ()
    factors: Sequence[float | None] = ()
    rule: str | None = None
    images: Images = "all"
    adjust: Tau | None = None
    faces: FacesWanted | None = None


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
        name: a name of :func:`benchmark.report.figures.figures`.
        records: of one store; may be none where the figure needs none.
        wanted: what is drawn.
        store: where the records are from: their logits, and what it says of older versions of
            methods.

    Raises:
        InputError: nothing is stored of what is wanted.
    """
    offer = figures()[name]
    if wanted.images != "all" and offer.facts.get("ALL_IMAGES"):
        raise InputError(f"{offer.facts['WHY']}; leave --images away")
    if wanted.faces is not None and not offer.facts.get("FACES"):
        raise InputError(f"figure {name} shows no single faces; leave --faces and --pick away")
    if wanted.adjust is not None and offer.facts.get("PLAIN"):
        raise InputError(f"{offer.facts['PLAIN']}; leave --adjust away")
    figure = offer.load()
    if hasattr(figure, "drawings"):
        others: list[Drawing] = figure.drawings(records, wanted, store)
        return others
    here = [record for record in records if wanted.dataset in (None, record.cell.dataset)]
    if not here:
        stored = ", ".join(sorted({record.cell.dataset for record in records})) or "nothing"
        raise InputError(
            f"no stored cell of dataset '{wanted.dataset}'; stored: {stored}"
            if records
            else "the store holds no finished cell; fill it with 'fer-bench run'"
        )
    rule = wanted.rule or "last"
    answers = None if store is None else Answers(store, rule, wanted.images)
    outdated = () if store is None else read_outdated(store.root)
    decorations = [] if wanted.adjust is None else [adjustment(wanted.adjust)]
    groups = drawn_groups(
        here, rule, wanted.methods, wanted.factors, answers, outdated, decorations
    )
    return [
        Drawing(f"{name}-{stem}", partial(offer.function("draw"), group))
        for stem, group in zip(file_stems(groups), groups, strict=True)
    ]
