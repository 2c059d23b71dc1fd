"""The dataset that a network was trained and judged on, found again."""

from __future__ import annotations

import re
from pathlib import Path

from benchmark.data.dataset import FaceDataset
from benchmark.data.load import load_dataset
from benchmark.errors import InputError
from benchmark.store.command_line import options_of
from benchmark.store.record import Record


def dataset_of(record: Record, data_root: Path | None, cache_dir: Path | None) -> FaceDataset:
    """Return the dataset of a record, brought to the size that its command asked for.

    Args:
        record: made by ``fer-bench run``, or by Python with images that were not resized.
        data_root: the folder that holds the dataset's files; ``synthetic`` needs none.
        cache_dir: where decoded images are kept; this user's cache folder by default.

    Raises:
        InputError: its files are not there, or other ones are.
    """
    cell = record.cell
    side = options_of(record).get("--resize", "")
    resize = int(side) if re.fullmatch("[0-9]{1,9}", side) else None  # a record may be anybody's
    dataset = load_dataset(cell.dataset, data_root, cache_dir=cache_dir, resize=resize)
    if dataset.fingerprint != cell.fingerprint:
        raise InputError(
            f"the networks are of {cell.dataset} {cell.fingerprint[:8]}, the files that were found "
            f"are {dataset.fingerprint[:8]}; name the folder of the former with --data-root"
        )
    return dataset
