"""Figures 1 to 5 of the paper: a face and its mirror, under the map of every class and method."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from benchmark.analysis.groups import Entry, Factor
from benchmark.data.imbalance import factor_label
from benchmark.errors import InputError
from benchmark.networks.shown_faces import Face, Look, look_at
from benchmark.report.drawing import heats, note, page
from benchmark.report.drawing.chosen_faces import Chosen, chosen_faces
from benchmark.report.drawing.draw import Drawing, Wanted
from benchmark.report.drawing.drawn import Drawn, drawn_groups, file_stems
from benchmark.report.drawing.style import plain
from benchmark.report.headers import class_titles
from benchmark.selection import rules
from benchmark.store.outdated import read_outdated
from benchmark.store.record import Record
from benchmark.store.store import Store
from benchmark.words import count

HELP = "faces and their mirrors under the attention map of every class, of kept networks"
ALL_IMAGES = True
WHY = "single faces are shown"
PLAIN = "adjusted logits have the same maps"
PLACE = 8
FACES = True

_MOST = 12  # rows of a page
_NAMES = 0.5  # inches, of the methods' names
_TITLE = 0.34  # inches, of the names of the classes
_BAR = 0.55  # inches


def drawings(records: Sequence[Record], wanted: Wanted, store: Store | None) -> list[Drawing]:
    """Return a figure for each comparable group and factor that has kept networks.

    Raises:
        InputError: no faces are named, or no network was kept.
    """
    if wanted.faces is None:
        raise InputError("figure attention shows faces: name some with --faces, or use --pick N")
    if store is None:
        raise InputError("figure attention needs a store with kept weights")
    if wanted.rule is not None and not rules()[wanted.rule].final:
        raise InputError("figure attention shows final weights: --select last")
    here = [r for r in records if wanted.dataset in (None, r.cell.dataset)]
    kept = [r for r in here if store.has_weights(r)]
    if not kept:
        raise InputError(
            "no stored cell has kept weights; train some with 'fer-bench run --keep-weights'"
        )
    outdated = read_outdated(store.root)

    def drawn(factors: Sequence[Factor]) -> list[Drawn]:
        return drawn_groups(kept, "last", wanted.methods, factors, None, outdated)

    groups = drawn(wanted.factors)
    factors = {factor for group in groups for factor in group.factors}
    alone = {(one.group.shared, factor): one for factor in factors for one in drawn((factor,))}
    found = []
    for stem, group in zip(file_stems(groups), groups, strict=True):
        for factor in group.factors:
            shown = alone[group.group.shared, factor]
            make = partial(_drawn, shown, shown.group.at(factor), wanted, store)
            found.append(Drawing(f"attention-{stem}-{factor_label(factor)}", make))
    return found


def _drawn(group: Drawn, entries: Sequence[Entry], wanted: Wanted, store: Store) -> Figure:
    assert wanted.faces is not None
    chosen = chosen_faces(wanted.faces, entries, store)
    rows = 2 * len(entries) * len(chosen.faces)
    if rows > _MOST:
        raise InputError(
            f"{count(len(chosen.faces), 'face')} under {count(len(entries), 'method')}, each with "
            f"its mirror, take {count(rows, 'row')}, and a page holds {_MOST}; "
            "name fewer with --faces, --pick or --methods"
        )
    looks = [[look_at(network, face) for network in chosen.networks] for face in chosen.faces]
    classes = group.classes
    side = (page.TWO_COLUMNS - _NAMES - _BAR) / (len(classes) + 1)
    figure = page.blank(page.TWO_COLUMNS, rows * side + len(chosen.faces) * _TITLE)
    scale = _scale(looks)
    panels = figure.subplots(rows, len(classes) + 1, squeeze=False)
    drawn = None
    for block, face, of_face in zip(
        np.split(panels, len(chosen.faces)), chosen.faces, looks, strict=True
    ):
        drawn = _block(block, face, of_face, entries, chosen, scale)
    assert drawn is not None  # a face is shown at least, and a class
    bar = figure.colorbar(drawn, ax=panels, shrink=min(1, 4 / rows), aspect=25, pad=0.01)
    bar.set_label("Heat (1: even)")
    bar.outline.set_visible(False)
    return page.finish(figure, [], [*note.context(group), *_notes(chosen, scale)])


def _scale(looks: Sequence[Sequence[Look]]) -> Normalize:
    """Return the one scale of all panels: from no heat to the greatest, in multiples of even."""
    greatest = max(float(_multiples(look).max()) for of_face in looks for look in of_face)
    return Normalize(0, greatest)


def _multiples(look: Look) -> NDArray[np.float64]:
    """Return heat in multiples of even heat, (2, K, h, w)."""
    places = look.heats.shape[-2] * look.heats.shape[-1]
    return np.asarray(places * look.heats)


def _block(
    panels: NDArray[Any],
    face: Face,
    looks: Sequence[Look],
    entries: Sequence[Entry],
    chosen: Chosen,
    scale: Normalize,
) -> AxesImage | None:
    """Draw a face and its mirror under each method; return one of the drawn maps."""
    drawn = None
    for row, axes in enumerate(panels):
        look, mirrored = looks[row // 2], row % 2
        pixels = face.pixels[:, ::-1] if mirrored else face.pixels
        for panel in axes:
            heats.bare(panel)
        heats.draw_face(axes[0], pixels)
        said = f"{plain(entries[row // 2].label, 16)}\n{'mirrored' if mirrored else 'as it is'}"
        axes[0].set_ylabel(said, size=6)
        for k, panel in enumerate(axes[1:]):
            drawn = heats.draw_heat(panel, pixels, _multiples(look)[mirrored, k], scale)
            if look.predicted[mirrored] == k:
                heats.frame(panel)
    panels[0, 0].set_title(plain(face.name, 16), size=6)
    names = class_titles(entries[0].first.classes)
    for k, panel in enumerate(panels[0, 1:]):
        heats.name_class(panel, plain(names[k], 12), face.label == k, chosen.minor == k)
    return drawn


def _notes(chosen: Chosen, scale: Normalize) -> list[str]:
    levels = " and ".join(f"{level * float(scale.vmax or 1):.2g}" for level in heats.LEVELS)
    return [
        "Maps: HiResCAM, enlarged bilinearly. Heat: a map less its smallest value, in multiples of "
        f"its average; one scale for all panels, lines at {levels}.",
        "Red: the face's label; green: the minor class; framed: what the network takes it for.",
        *chosen.notes,
    ]
