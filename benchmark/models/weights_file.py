"""A file of weights: its hash, and its tensors by name, without running any code from it.

Taken are what `torch.save` writes (zip archives, and the plain pickles of before torch 1.6) and
safetensors. Which it is, its first bytes say, not its name.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

MAX_DEPTH = 8
"""Dicts within dicts that are looked into; checkpoints of the field have at most three."""

MAX_ENTRIES = 200_000
"""Entries of all dicts together; a large network with its optimiser's state has about 10 000."""

_AGAIN = "fetch it again"
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
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
    """

    sha256: str
    tensors: Mapping[str, Tensor]


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
        tensors = flatten(_loaded(data))
    except InputError as error:
        raise InputError(f"weights {path}: {error}") from error
    return WeightsFile(hashlib.sha256(data).hexdigest(), tensors)


def flatten(loaded: object) -> dict[str, Tensor]:
    """Return all tensors of nested dicts; what is neither a tensor nor a dict is left out.

    Args:
        loaded: a state dict, or a dict that holds one at any depth up to :data:`MAX_DEPTH`.

    Raises:
        InputError: it is no dict, holds no tensor or too much, or two tensors have one name.
    """
    import torch

    if not isinstance(loaded, Mapping):
        raise InputError(f"holds a {type(loaded).__name__} and no state dict; {_EXPORT}")
    tensors: dict[str, Tensor] = {}
    for number, (name, value) in enumerate(_leaves(loaded, "", MAX_DEPTH)):
        if number >= MAX_ENTRIES:
            raise InputError(f"has more than {MAX_ENTRIES} entries; {_EXPORT}")
        if isinstance(value, torch.Tensor):
            if name in tensors:
                raise InputError(f"has two tensors called {name[:80]!r}; {_EXPORT}")
            tensors[name] = value
    if not tensors:
        raise InputError("holds no tensors; give a file with a state dict")
    return tensors


def _leaves(table: Mapping[Any, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield each entry, dicts included, so that empty ones count towards the limit too."""
    for key, value in table.items():
        if not isinstance(key, (str, int)):
            continue
        name = f"{prefix}{key}"
        yield name, value
        if isinstance(value, Mapping) and depth > 1:
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


def _loaded(data: bytes) -> object:
    if not data:
        raise InputError(f"is empty; {_AGAIN}")
    # After eight bytes, a count that may look like anything; neither of torch's forms has it there.
    if data[8:9] == b"{":
        return _safetensors(data)
    if data.startswith(_ZIP):
        _check_archive(data)
        return _torch(data)
    if data.startswith(_PICKLE):
        return _torch(data)
    raise InputError(
        f"is neither a torch checkpoint nor safetensors (it begins with {data[:8]!r}); give a file "
        "that torch.save or safetensors wrote"
    )


def _check_archive(data: bytes) -> None:
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except Exception as error:  # a damaged directory fails in many ways
        raise InputError(f"is a damaged or truncated archive ({_line(error)}); {_AGAIN}") from error
    if any(name.endswith("/constants.pkl") for name in names):
        raise InputError(
            "is a TorchScript archive, which is a program and not only weights; save the network's "
            "tensors with torch.save(network.state_dict(), ...)"
        )
    if not any(name.endswith("/data.pkl") for name in names):
        raise InputError("is a zip archive but no torch checkpoint; give the checkpoint itself")


def _torch(data: bytes) -> object:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles that are refused a line later
            loaded: object = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch says what the pickle wanted to import; the rest of its text advises to load it all.
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        what = f"{wanted[1][:80]!r}" if wanted else "an instruction that no tensor needs"
        raise InputError(
            f"is a pickle that wants to run code ({what}) and is refused, because loading it could "
            f"do anything on this machine; {_EXPORT}"
        ) from error
    except Exception as error:  # the file decides what fails where
        raise InputError(
            f"cannot be read as a torch checkpoint ({_line(error)}); {_AGAIN}"
        ) from error
    return loaded


def _safetensors(data: bytes) -> object:
    from safetensors.torch import load

    try:
        return load(data)
    except Exception as error:  # the library raises its own, and KeyError for unknown dtypes
        raise InputError(f"is no sound safetensors file ({_line(error)}); {_AGAIN}") from error


def _line(error: Exception) -> str:
    """Return the start of an error's first sentence; damaged files make long ones."""
    return re.split(r"\n|\. ", str(error).strip())[0][:160] or type(error).__name__
