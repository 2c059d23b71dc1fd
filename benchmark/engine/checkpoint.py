"""Checkpoints: all that an unfinished cell needs to go on, replaced in one rename."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.engine.memory import is_out_of_memory
from benchmark.write import put_file

NAME = "checkpoint.pt"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write the state beside the old one and put it in place; a crash leaves one of the two.

    Raises:
        OSError: the disk is full, or may not be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # In memory first: torch's own writer turns a full disk into an error that names no cause.
    packed = io.BytesIO()
    torch.save(_on_host(state), packed)
    put_file(folder / NAME, packed.getbuffer())


def _on_host(value: Any) -> Any:
    """Return a state whose tensors are the host's, so that a file names no device."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, dict):
        kept = copy.copy(value)  # with the versions that torch keeps beside a module's state
        kept.update((name, _on_host(inner)) for name, inner in value.items())
        return kept
    if isinstance(value, list | tuple):
        return type(value)(map(_on_host, value))
    return value


def load(folder: Path, cell_id: str) -> dict[str, Any] | None:
    """Return the state of this cell on the host, or None if there is none that can be used.

    Only tensors and plain values are read (``weights_only``): a checkpoint cannot run code. A
    damaged one is moved aside, and training starts anew.

    Raises:
        OSError: the system fails to read it; it may be whole.
    """
    path = folder / NAME
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except OSError as error:  # the disk's fault, not the file's
        raise OSError(error.errno, error.strerror, str(path)) from error
    except Exception as error:  # torch's reader raises almost anything on what is no checkpoint
        if is_out_of_memory(error):  # the machine's fault
            raise
        path.replace(path.with_suffix(".damaged"))
        return None
    if not isinstance(state, dict) or state.get("cell") != cell_id:
        return None
    return state
