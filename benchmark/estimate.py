"""How long cells will take, from records of such cells."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.record import Cell, Record


def seconds_for(cell: Cell, records: Sequence[Record]) -> float | None:
    """Return the seconds that a cell should take, None where no record tells.

    From the newest record of its method, dataset, backbone and image size (else of any method on
    these), scaled by epochs and training images.

    Args:
        cell: the one to be trained.
        records: finished ones.
    """
    alike = [record for record in records if _setting(record.cell) == _setting(cell)]
    chosen = [record for record in alike if record.cell.method == cell.method] or alike
    if not chosen:
        return None
    newest = max(chosen, key=lambda record: str(record.provenance.get("finished", "")))
    return sum(newest.seconds.values()) * _work(cell) / _work(newest.cell)


def peak_bytes(cells: Sequence[Cell], records: Sequence[Record], key: str) -> int | None:
    """Return the largest memory that a record of such cells names, None where none does.

    Args:
        cells: those to be trained.
        records: finished ones.
        key: ``process_peak_memory_bytes`` or ``peak_gpu_memory_bytes``.
    """
    settings = {_setting(cell) for cell in cells}
    alike = [record for record in records if _setting(record.cell) in settings]
    peaks = [record.provenance.get(key) for record in alike]
    return max((peak for peak in peaks if isinstance(peak, int)), default=None)


def _setting(cell: Cell) -> tuple[object, ...]:
    protocol = cell.protocol
    training = protocol["training"]
    return (
        cell.dataset,
        protocol["backbone"]["name"],
        protocol["image"]["size"],
        training["batch_size"],
        cell.precision,
    )


def _work(cell: Cell) -> float:
    return float(cell.protocol["training"]["epochs"] * sum(cell.class_counts))
