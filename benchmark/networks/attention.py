"""What the attention maps of kept networks say of a test set, worked out once for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.data.dataset import FaceDataset, Part
from benchmark.errors import InputError
from benchmark.networks.load import load_network
from benchmark.networks.network import Network
from benchmark.stats.attention import class_overlap, mirror_consistency, share_on, share_outside
from benchmark.store.attention_file import KeptAttention, Measures, pack_measures
from benchmark.store.record import Record
from benchmark.store.store import Store

_AT_ONCE = 64


def unmeasured(store: Store, records: Iterable[Record]) -> list[Record]:
    """Return the records with kept weights whose maps were not measured yet.

    Raises:
        InputError: measures that are there are damaged.
    """
    kept = KeptAttention(store)
    return [r for r in records if store.has_weights(r) and kept.get(r) is None]


def measure(
    store: Store,
    record: Record,
    dataset: FaceDataset,
    regions: NDArray[np.bool_] | None,
    device: torch.device,
    advanced: Callable[[int], object] = lambda images: None,
) -> None:
    """Work out what a record's attention maps say and lay it beside the record.

    Args:
        store: with the record and its weights.
        record: of that store.
        dataset: that it was trained and judged on.
        regions: where the test images show units that a class shares with them, bool (n, K, H, W);
            None where that is not known.
        device: where the network computes.
        advanced: is called with the number of images done, often.

    Raises:
        InputError: the dataset is another one, or the network cannot be used.
        StorageError: the store cannot be written to.
    """
    if dataset.fingerprint != record.cell.fingerprint:
        raise InputError(
            f"{record.cell.slug} was judged on {record.cell.dataset} "
            f"{record.cell.fingerprint[:8]}, and these files are {dataset.fingerprint[:8]}"
        )
    network = load_network(store.cells / record.cell.slug, device)
    indices = dataset.indices(Part.TEST)
    height, width = network.attention(list(dataset.images[indices[:1]])).shape[-2:]
    found = measures_of(network, dataset.images[indices], regions, advanced)
    content = pack_measures(record, dataset.labels[indices], found, (height, width))
    KeptAttention(store).put(record, content)


def measures_of(
    network: Network,
    images: NDArray[np.uint8],
    regions: NDArray[np.bool_] | None,
    advanced: Callable[[int], object] = lambda images: None,
) -> Measures:
    """Return the measures (n, K) by name of a network's maps of images.

    Args:
        network: a method that has maps.
        images: uint8 (n, H, W) or (n, H, W, 3).
        regions: as :func:`measure` takes them.
        advanced: likewise.

    Raises:
        InputError: the method has no maps.
    """
    parts = []
    for start in range(0, len(images), _AT_ONCE):
        here = slice(start, start + _AT_ONCE)
        parts.append(_measured(network, images[here], None if regions is None else regions[here]))
        advanced(len(images[here]))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _measured(
    network: Network, images: NDArray[np.uint8], regions: NDArray[np.bool_] | None
) -> dict[str, NDArray[np.float64]]:
    maps = network.attention(list(images))
    mirrored = network.attention(list(np.ascontiguousarray(images[:, :, ::-1])))
    found = {
        "consistency": mirror_consistency(maps, mirrored),
        "overlap": class_overlap(maps),
        "outside": share_outside(maps),
    }
    if regions is not None:
        area = regions.mean(axis=(-2, -1))
        found["on_units"] = share_on(maps, regions)
        found["units_area"] = np.where(area > 0, area, np.nan)
    return found
