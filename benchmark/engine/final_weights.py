"""A trained method's weights as a file: safetensors, which holds numbers and text and no code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from methods.base import Method

_ABOUT = "fer_bench"
"""The only entry of the file's header: of several, the library writes no fixed order."""


def pack(method: Method, about: Mapping[str, Any]) -> bytes:
    """Return all weights and buffers of a method as one file; the same give the same bytes.

    Args:
        method: as it is after its last step.
        about: what the file says of them, as JSON.
    """
    # Copies, as the format refuses tensors that share memory.
    tensors = {name: _plain(tensor).clone() for name, tensor in method.state_dict().items()}
    return save(tensors, {_ABOUT: json.dumps(about, sort_keys=True)})


def unpack(content: bytes) -> dict[str, Tensor]:
    """Return weights and buffers by name.

    Raises:
        ValueError: the bytes are no such file.
    """
    try:
        return load(content)
    except SafetensorError as error:
        raise ValueError(f"no sound safetensors file ({error})") from error


def facts(content: bytes) -> dict[str, Any]:
    """Return what a file says of its weights.

    Raises:
        ValueError: the bytes are no such file.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        said = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][_ABOUT])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("its header does not say what it holds") from error
    if not isinstance(said, dict):
        raise ValueError("its header does not say what it holds")
    return said


def digest(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names and bytes of weights and buffers."""
    found = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        found.update(name.encode())
        found.update(_plain(tensor).numpy().tobytes())
    return found.hexdigest()


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()
