"""A file of weights: its hash, and its tensors by name, without running any code from it.

Taken are what `torch.save` writes (zip archives, and the files of before torch 1.6), pickles of
numpy arrays, and safetensors. Which it is, its first bytes say, not its name. What stands beside
the weights in a pickle (options, paths, a best accuracy) is named and left out; nothing is built.
A whole network that was pickled is a dict of its tensors here, by the names that its own state dict
would have; no code of its class is needed or run.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from benchmark.errors import InputError
from benchmark.models.inert_pickle import Inert

if TYPE_CHECKING:
    from torch import Tensor

MAX_DEPTH = 16
"""Dicts within dicts that are looked into; checkpoints of the field have at most three, and whole
networks a level for each module within a module."""

MAX_ENTRIES = 200_000
"""Entries of all dicts together; a large network with its optimiser's state has about 10 000."""

_AGAIN = "fetch it again"
_PICKLES = (b"PK\x03\x04", b"\x80")
_EMPTY_DICTS = ("collections.OrderedDict", "collections.defaultdict")
_EXPORT = (
    "where you trust the file, load it in Python and save only its tensors with "
    "torch.save(network.state_dict(), ...) or as safetensors"
)


@dataclass(frozen=True, eq=False)
class WeightsFile:
    """What a file of weights holds.

    Attributes:
        sha256: of the file's bytes, 64 hex digits.
        tensors: by dotted name; the keys of nested dicts are joined by dots.
        form: what kind of file it is, in words.
        beside: how many objects of each other class stand beside the weights; none was built.
    """

    sha256: str
    tensors: Mapping[str, Tensor]
    form: str
    beside: Mapping[str, int]


def weights_file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; needs no torch.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    try:
        with _open(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def read_weights_file(path: Path) -> WeightsFile:
    """Read a file once and return the tensors of just the bytes that were hashed.

    Raises:
        InputError: the file cannot be read, is of another kind, is damaged, or wants to run code.
    """
    try:
        with _open(path) as file:
            data = file.read()
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        form, tensors, beside = _loaded(data)
    except InputError as error:
        raise InputError(f"weights {path}: {error}") from error
    return WeightsFile(hashlib.sha256(data).hexdigest(), tensors, form, beside)


def flatten(
    loaded: object, make: Callable[[Inert], Tensor | None] = lambda _: None
) -> dict[str, Tensor]:
    """Return all tensors of nested dicts; what is neither a tensor nor a dict is left out.

    Args:
        loaded: a state dict, or a dict that holds one at any depth up to :data:`MAX_DEPTH`.
        make: makes the tensor that an inert object describes, or None where it is none.

    Raises:
        InputError: it is no dict, holds no tensor or too much, or two tensors have one name.
    """
    import torch

    if _entries(loaded) is None:
        raise InputError(f"holds {_kind(loaded)} and no state dict; {_EXPORT}")
    tensors: dict[str, Tensor] = {}
    for number, (name, value) in enumerate(_leaves(loaded, "", MAX_DEPTH)):
        if number >= MAX_ENTRIES:
            raise InputError(f"has more than {MAX_ENTRIES} entries; {_EXPORT}")
        tensor = make(value) if isinstance(value, Inert) else value
        if isinstance(tensor, torch.Tensor):
            if name in tensors:
                raise InputError(f"has two tensors called {name[:80]!r}; {_EXPORT}")
            tensors[name] = tensor
    if not tensors:
        raise InputError(_no_tensors(loaded))
    return tensors


def _entries(value: object) -> Mapping[Any, Any] | None:
    """Return what a dict holds, an object that was to be filled like one, or a whole network."""
    if isinstance(value, Mapping):
        return value
    if is_network(value):
        return _tensors_and_parts(value)
    filled = isinstance(value, Inert) and (value.items or value.name in _EMPTY_DICTS)
    return dict(value.items) if isinstance(value, Inert) and filled else None


def is_network(value: object) -> TypeGuard[Inert]:
    """Whether something is a torch module, by what it would be given when it is built."""
    state = value.state if isinstance(value, Inert) else None
    return isinstance(state, Mapping) and {"_parameters", "_buffers", "_modules"} <= state.keys()


def _tensors_and_parts(network: Inert) -> dict[Any, Any]:
    """Return parameters, buffers and inner modules by name, as a state dict counts them."""
    state = network.state
    passing = state.get("_non_persistent_buffers_set") or []
    if isinstance(passing, Inert):  # a set, as older pickles write it
        passing = (passing.args or ([],))[0]
    left = passing if isinstance(passing, list) else []
    buffers = {k: v for k, v in (_entries(state["_buffers"]) or {}).items() if k not in left}
    parts = [_entries(state[kind]) or {} for kind in ("_parameters", "_modules")]
    return {**parts[0], **buffers, **parts[1]}


def _no_tensors(loaded: object) -> str:
    for name, value in _leaves(loaded, "", 2):
        if isinstance(value, Inert) and isinstance(value.state, Mapping):
            return f"holds {_kind(value)} behind {name[:80]!r} and no state dict; {_EXPORT}"
    return "holds no tensors; give a file with a state dict"


def _kind(value: object) -> str:
    if isinstance(value, Inert):
        return f"a whole {value.name[:80]}, which only its own code can build,"
    return f"a {type(value).__name__}"


def _leaves(table: object, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield each entry, dicts included, so that empty ones count towards the limit too."""
    for key, value in (_entries(table) or {}).items():
        if not isinstance(key, (str, int)):
            continue
        name = f"{prefix}{key}"
        yield name, value
        if depth > 1:
            yield from _leaves(value, f"{name}.", depth - 1)


def _open(path: Path) -> BufferedReader:
    if path.is_dir():
        raise InputError(f"weights {path}: is a folder; name the file of weights in it")
    if path.exists() and not path.is_file():
        raise InputError(f"weights {path}: is no ordinary file")
    return path.open("rb")


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"weights {path}: cannot be read ({error.strerror}); --weights takes a file, 'timm' or "
        "'scratch'"
    )


def _loaded(data: bytes) -> tuple[str, dict[str, Tensor], dict[str, int]]:
    """Return the file's form, its tensors, and the classes of what stands beside them."""
    if not data:
        raise InputError(f"is empty; {_AGAIN}")
    # After eight bytes, a count that may look like anything; no pickle of weights has it there.
    if data[8:9] == b"{":
        return "safetensors", flatten(_safetensors(data)), {}
    if data.startswith(_PICKLES):
        return _pickled(data)
    raise InputError(
        f"is neither a torch checkpoint nor safetensors (it begins with {data[:8]!r}); give a file "
        "that torch.save or safetensors wrote"
    )


def _pickled(data: bytes) -> tuple[str, dict[str, Tensor], dict[str, int]]:
    from benchmark.models.stored_tensors import KNOWN
    from benchmark.models.torch_file import PickledFile

    try:
        file = PickledFile(data)
        tensors = flatten(file.loaded, file.tensors.make)
    except InputError:
        raise
    except Exception as error:  # the file decides what fails where
        raise InputError(
            f"cannot be read as a torch checkpoint ({_line(error)}); {_AGAIN}"
        ) from error
    whole = f", a whole {file.loaded.name[:80]}" if is_network(file.loaded) else ""
    beside = Counter(name for name in file.made if name not in KNOWN)
    return file.form + whole, tensors, dict(beside)


def _safetensors(data: bytes) -> object:
    from safetensors.torch import load

    try:
        return load(data)
    except Exception as error:  # the library raises its own, and KeyError for unknown dtypes
        raise InputError(f"is no sound safetensors file ({_line(error)}); {_AGAIN}") from error


def _line(error: Exception) -> str:
    """Return the start of an error's first sentence; damaged files make long ones."""
    return re.split(r"\n|\. ", str(error).strip())[0][:160] or type(error).__name__
