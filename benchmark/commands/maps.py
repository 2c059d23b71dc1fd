"""Attention maps of kept networks, measured where that was not done before."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.errors import InputError
from benchmark.words import count

if TYPE_CHECKING:
    from benchmark.data.dataset import FaceDataset
    from benchmark.store.record import Record
    from benchmark.store.store import Store


def measure_maps(
    store: Store,
    records: Iterable[Record],
    data_root: Path | None,
    cache_dir: Path | None,
    device: str,
) -> None:
    """Measure the maps of all kept networks that were not yet, and say of which that cannot be.

    Raises:
        InputError: measures that are there are damaged.
        StorageError: the store cannot be read or written.
    """
    from benchmark.networks.attention import unmeasured
    from benchmark.networks.trained_on import dataset_of

    by_data: dict[tuple[str, str], list[Record]] = {}
    for record in unmeasured(store, records):
        by_data.setdefault((record.cell.dataset, record.cell.fingerprint), []).append(record)
    for (name, _), members in by_data.items():
        try:
            dataset = dataset_of(members[0], data_root, cache_dir)
        except InputError as error:
            cells = count(len(members), "cell")
            click.echo(f"not measured: attention maps of {cells} on {name}: {error}", err=True)
            continue
        _measure(store, members, dataset, device)


def _measure(store: Store, records: list[Record], dataset: FaceDataset, device: str) -> None:
    from benchmark.data.unit_regions import regions_of
    from benchmark.engine.device import keep_float32, resolve_device
    from benchmark.networks.attention import measure
    from benchmark.store.logits_file import LABEL

    keep_float32()
    where = resolve_device(device)
    regions = regions_of(dataset)
    images = sum(len(store.logits(record, [LABEL])[LABEL]) for record in records)
    label = f"attention maps of {count(len(records), 'network')} on {dataset.name}"
    refused = []
    with click.progressbar(
        length=images, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        for record in records:
            try:
                measure(store, record, dataset, regions, where, bar.update)
            except InputError as error:  # the others' numbers do not depend on it
                refused.append(str(error))
    done = count(len(records) - len(refused), "network")
    click.echo(
        f"measured attention maps of {done} on {dataset.name}; kept with the records", err=True
    )
    for line in refused:
        click.echo(f"not measured: {line}", err=True)
