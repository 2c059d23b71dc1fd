"""Which faces ``figure attention`` shows, and the networks that look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.analysis.answers import Answers
from benchmark.analysis.groups import Entry
from benchmark.data.dataset import FaceDataset
from benchmark.engine.device import keep_float32, resolve_device
from benchmark.errors import InputError
from benchmark.networks.load import load_network
from benchmark.networks.network import Network
from benchmark.networks.shown_faces import Face, named_faces, picked_faces
from benchmark.networks.trained_on import dataset_of
from benchmark.report.drawing.draw import FacesWanted
from benchmark.store.store import Store


@dataclass(frozen=True, eq=False)
class Chosen:
    """Faces and networks.

    Attributes:
        faces: to be shown, in order.
        networks: one for each entry.
        minor: the class that is marked as minor.
        notes: what is to be said of the choice.
    """

    faces: list[Face]
    networks: list[Network]
    minor: int
    notes: tuple[str, ...]


def chosen_faces(wanted: FacesWanted, entries: Sequence[Entry], store: Store) -> Chosen:
    """Return the faces that were asked for and the networks of each entry's first run.

    Raises:
        InputError: a face, a class or a network is not there.
    """
    first = entries[0].first
    minor = _minor(wanted.minor, first.classes, first.cell.class_counts)
    keep_float32()
    device = resolve_device(wanted.device)
    records = [entry.first for entry in entries]
    networks = [load_network(store.cells / r.cell.slug, device) for r in records]
    notes = []
    seeds = {record.cell.seed for record in records}
    if any(len(entry.runs) > 1 for entry in entries) or len(seeds) > 1:
        named = (f"{e.label} {e.first.cell.seed}" for e in entries)
        notes.append(f"Shown are the networks of seed: {', '.join(named)}.")
    if not wanted.pick:
        dataset = _dataset(wanted, entries[0], optional=True)
        faces = named_faces(wanted.names, dataset, networks[0].source_image)
        return Chosen(faces, networks, minor, tuple(notes))
    dataset = _dataset(wanted, entries[0])
    assert dataset is not None
    right = Answers(store, "last").of(records)[1]
    counts = first.cell.class_counts
    faces = picked_faces(networks, dataset, np.asarray(right), counts, minor, wanted.pick)
    whose = (
        f"{entries[0].label}'s and {entries[-1].label}'s maps"
        if len(entries) > 1
        else "the map and the mirrored face's"
    )
    notes.append(
        f"Picked: of the test images that all these networks recognised and whose class has more "
        f"than the average of training images, those on which {whose} of "
        f"{first.classes[minor]} share the least heat."
    )
    return Chosen(faces, networks, minor, tuple(notes))


def _minor(name: str | None, classes: Sequence[str], counts: Sequence[int]) -> int:
    """Return the class that is named, without a name the one with the fewest training images."""
    if name is None:
        return int(np.argmin(counts))
    for index, known in enumerate(classes):
        if known.casefold() == name.casefold():
            return index
    raise InputError(f"--minor: no class is called '{name}'; there are {', '.join(classes)}")


def _dataset(wanted: FacesWanted, entry: Entry, *, optional: bool = False) -> FaceDataset | None:
    """Return the dataset of an entry; None where it is not needed and its files are not there.

    Raises:
        InputError: it is needed, and its files are not there or other ones are.
    """
    if optional and all(Path(name).is_file() for name in wanted.names):
        return None
    return dataset_of(entry.first, wanted.data_root, wanted.cache_dir)
