"""How long cells will take, from records of such cells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from statistics import median_low
from typing import Any

from benchmark.engine.device import describe_device, resolve_device
from benchmark.environment import describe, hardware
from benchmark.store.record import Cell, Record
from benchmark.store.store import Store
from benchmark.words import clock, count

_MACHINE = ("device", "gpu", "cpu")


def seconds_for(
    cell: Cell, records: Sequence[Record], here: Mapping[str, Any] | None = None
) -> float | None:
    """Return the seconds that a cell should take, None where no record tells.

    The median over records of its dataset, backbone, image size, batch size and precision, each
    scaled by epochs and training images; of two the quicker. One record of a busy machine moves it
    little. Records of this machine, of the cell's method and of as many threads come before others.

    Args:
        cell: the one to be trained.
        records: finished ones.
        here: this machine, as provenance describes it; nothing where it does not matter.
    """
    chosen = [record for record in records if _setting(record.cell) == _setting(cell)]
    chosen = _rather(chosen, lambda record: _facts(record.provenance) == _facts(here or {}))
    chosen = _rather(chosen, lambda record: record.cell.method == cell.method)
    threads = (here or {}).get("threads")
    chosen = _rather(chosen, lambda record: record.provenance.get("threads") == threads)
    if not chosen:
        return None
    return median_low(sum(r.seconds.values()) / _work(r.cell) for r in chosen) * _work(cell)


def telling_records(store: Store) -> list[Record]:
    """Return the records of a store, which need not exist, that may tell how long cells take."""
    return store.records() if store.root.is_dir() else []


def expected_seconds(
    cells: Sequence[Cell], records: Sequence[Record], device: str, threads: int
) -> dict[str, float | None]:
    """Return the seconds that each cell should take here by its slug, None where no record tells.

    Args:
        cells: those to be trained.
        records: finished ones.
        device: as ``--device`` takes it.
        threads: of the CPU.
    """
    here = {**describe(), **describe_device(resolve_device(device)), "threads": threads}
    return {cell.slug: seconds_for(cell, records, here) for cell in cells}


def seconds_by_hardware(
    cells: Sequence[Cell], records: Sequence[Record]
) -> dict[str, list[float | None]]:
    """Return the seconds of each cell on each GPU or CPU that a record of such a cell is of.

    Args:
        cells: those to be trained.
        records: finished ones.
    """
    settings = {_setting(cell) for cell in cells}
    found: dict[str, list[Record]] = {}
    for record in records:
        if _setting(record.cell) in settings:
            found.setdefault(hardware(record.provenance), []).append(record)
    return {name: [seconds_for(cell, of) for cell in cells] for name, of in sorted(found.items())}


def cost_elsewhere(cells: Sequence[Cell], records: Sequence[Record]) -> list[str]:
    """Return in lines what cells cost on the hardware that records are of.

    Args:
        cells: those to be trained, on machines that are not known here.
        records: finished ones.
    """
    found = seconds_by_hardware(cells, records)
    if not found:
        return [f"{how_long([None] * len(cells))} What it costs elsewhere cannot be known."]
    lines = [f"On {name}: {how_long(seconds)}" for name, seconds in found.items()]
    return [*lines, "What it costs on other hardware than that cannot be known."]


def cost_here(
    expected: Mapping[str, float | None],
    cells: Sequence[Cell],
    records: Sequence[Record],
    device: str,
    jobs: int = 1,
) -> list[str]:
    """Return in lines what cells cost on this machine.

    Args:
        expected: what :func:`expected_seconds` says of them.
        cells: those to be trained.
        records: that it says so by.
        device: as ``--device`` takes it.
        jobs: how many are trained side by side.
    """
    lines = [how_long(expected.values(), jobs)]
    found = seconds_by_hardware(cells, records)
    here = hardware({**describe(), **describe_device(resolve_device(device))})
    if found and here not in found:
        other = " and ".join(found)
        lines.append(f"These records are of {other}; how long it takes here cannot be known.")
    return lines


def how_long(expected: Collection[float | None], jobs: int = 1) -> str:
    """Return in a sentence how long cells take, as far as past records tell.

    Args:
        expected: seconds of each cell, None where unknown.
        jobs: how many are trained side by side.
    """
    known = [seconds for seconds in expected if seconds is not None]
    if not known:
        return "No record of such a cell tells how long they take."
    unknown = len(expected) - len(known)
    more = f" and {count(unknown, 'cell')} of unknown length" if unknown else ""
    how = "for one job after the other" if jobs == 1 else f"for {count(jobs, 'job')} side by side"
    return f"About {clock(sum(known) / jobs)}{more} {how}, from past records."


def _rather(records: list[Record], wanted: Callable[[Record], bool]) -> list[Record]:
    """Return the wanted ones; all of them where none is wanted."""
    return [record for record in records if wanted(record)] or records


def _facts(machine: Mapping[str, Any]) -> list[object]:
    return [machine.get(key) for key in _MACHINE]


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
    return max((peak for peak in peaks if isinstance(peak, int) and peak > 0), default=None)


def _setting(cell: Cell) -> tuple[object, ...]:
    protocol = cell.protocol
    return (
        cell.dataset,
        protocol.backbone.name,
        protocol.image.size,
        protocol.training.batch_size,
        cell.precision,
        protocol.training.compile,
        cell.stage is None,  # a frozen network takes a part of the time
    )


def _work(cell: Cell) -> float:
    return float(cell.entries * sum(cell.class_counts))
