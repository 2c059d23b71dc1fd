"""A trained network out of the folder of its cell: nothing but its record and weights is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmark.engine.assemble import built, laid_out, place
from benchmark.engine.device import asked_precision, kept_precision, resolve_device
from benchmark.engine.final_weights import facts, unpack
from benchmark.errors import InputError, describe
from benchmark.models.build import bare_backbone
from benchmark.networks.find import find_folder
from benchmark.networks.network import Network
from benchmark.store.cell_folder import WEIGHTS, read_weights
from benchmark.store.faults import refusal, weights_refusal
from benchmark.store.model_card import SOURCE_IMAGE
from benchmark.store.record import Record
from benchmark.store.record_file import LARGEST_RECORD, RECORD, Damaged, parse_record, read_file
from benchmark.sweep.plan import make_hyper
from methods import registry
from methods.base import Method


def network_of(
    model: str | os.PathLike[str],
    results: Path,
    *,
    method: type[Method] | str | None = None,
    device: str,
    precision: str | None = None,
) -> Network:
    """Return the network that a user names.

    Args:
        model: as :func:`benchmark.networks.find.find_folder` takes it.
        results: the store that it is looked for in.
        method: its class or ``package.module:Class``, where it is not a registered one.
        device: as ``--device`` takes it.
        precision: see :func:`load_network`.

    Raises:
        InputError: there is no such network, or it is damaged.
        StorageError: the system cannot read it.
    """
    chosen = registry.get(method) if isinstance(method, str) else method
    where = resolve_device(device)
    return load_network(find_folder(model, results), where, method=chosen, precision=precision)


def load_network(
    folder: Path,
    device: torch.device,
    *,
    method: type[Method] | None = None,
    precision: str | None = None,
) -> Network:
    """Return the network whose record and weights lie in a folder.

    Args:
        folder: of a finished cell whose weights were kept.
        device: where it is to compute.
        method: the class, where its name is not a registered one.
        precision: of the backbone's layers; None for what the cell was trained and judged in.

    Raises:
        InputError: record or weights are damaged or not there, or do not fit the method, or there
            is no such precision on the device.
        StorageError: the system cannot read them.
    """
    if precision is not None:
        precision = asked_precision(precision, device)
    record = _record(folder)
    content = _weights(folder, record)
    chosen = _method(record, method)
    try:
        state, said = unpack(content), facts(content)
        source = _shape(said)
    except ValueError as error:
        raise InputError(f"{folder / WEIGHTS}: {error}") from error
    precision = precision or kept_precision(record.cell.precision, device)
    with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced by the weights
        network = _rebuilt(record, chosen, device, precision, grey=source and len(source) == 2)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            f"{folder}: the weights do not fit {_where(chosen)} ({describe(error)})"
        ) from error
    network.eval()
    return Network(record, network, device, precision, source, _notes(record, chosen, source))


def _record(folder: Path) -> Record:
    try:
        return parse_record(read_file(folder / RECORD, LARGEST_RECORD))
    except OSError as error:
        raise refusal([Damaged.by_system(folder, error, RECORD)]) from error
    except ValueError as error:
        raise InputError(f"{folder / RECORD}: damaged ({error}); take it anew") from error


def _weights(folder: Path, record: Record) -> bytes:
    if record.weights_sha256 is None or not (folder / WEIGHTS).exists():
        raise InputError(
            f"{folder}: {WEIGHTS} is not there, its weights were not kept; train the cell with "
            "'fer-bench run --keep-weights' in a store that does not hold it yet"
        )
    found = read_weights(folder, record)
    if isinstance(found, Damaged):
        raise weights_refusal(found)
    return found


def _method(record: Record, method: type[Method] | None) -> type[Method]:
    name = record.cell.method
    if method is None:
        try:
            return registry.get(name)
        except InputError as error:
            raise InputError(
                f"the network's method '{name}' is not registered; name its class, as in "
                f"package.module:Class ({error})"
            ) from error
    if method.info.name != name:
        raise InputError(f"{_where(method)} is called '{method.info.name}', the network's '{name}'")
    return method


def _rebuilt(
    record: Record, method: type[Method], device: torch.device, precision: str, *, grey: Any
) -> Method:
    cell = record.cell
    image = cell.protocol.image
    backbone = bare_backbone(cell.protocol.backbone.name, image.size)
    place(backbone, image, device, precision, grey=bool(grey))
    # Which sample had which label is in the weights where a method keeps it.
    labels = torch.arange(len(cell.class_counts)).repeat_interleave(torch.tensor(cell.class_counts))
    hyper = make_hyper(method, cell.hyper)
    made = built(method, hyper, backbone, cell.class_counts, labels, cell.protocol)
    return laid_out(made, device)


def _shape(said: Mapping[str, Any]) -> tuple[int, ...] | None:
    shape = said.get(SOURCE_IMAGE)
    if shape is None:
        return None
    sides = isinstance(shape, list) and all(type(s) is int and 0 < s < 65536 for s in shape)
    if not sides or not (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)):
        raise ValueError(f"{SOURCE_IMAGE} is no shape of an image")
    return tuple(shape)


def _where(method: type[Method]) -> str:
    return f"{method.__module__}:{method.__qualname__}"


def _notes(record: Record, method: type[Method], source: tuple[int, ...] | None) -> tuple[str, ...]:
    notes = []
    if method.info.version != record.cell.method_version:
        notes.append(
            f"trained by version {record.cell.method_version} of {record.method_title}; this is "
            f"version {method.info.version}, which may predict otherwise"
        )
    if source is None:
        notes.append(
            "kept before size and colour of the dataset's images were: pictures are brought to the "
            f"protocol's {record.cell.protocol.image.size} pixels directly, in their own colours"
        )
    return tuple(notes)
