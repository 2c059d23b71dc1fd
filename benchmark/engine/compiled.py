"""Training by kernels that torch.compile makes, where a protocol says ``training.compile``."""

from __future__ import annotations

import time
from collections.abc import Iterable

import torch
from torch import Tensor

from benchmark.errors import InputError, describe
from benchmark.models.backbone import Backbone
from benchmark.store.record import Cell
from methods.base import Method


def check_compiles(cells: Iterable[Cell], device: torch.device) -> None:
    """See that something can be compiled, where a cell asks for it.

    Raises:
        InputError: it cannot: no compiler is there, or none that torch can use.
    """
    if not any(cell.protocol.training.compile for cell in cells):
        return
    number = time.time()  # a new one, as what is kept from an earlier process asks no compiler

    def shifted(values: Tensor) -> Tensor:
        return values + number

    try:
        torch.compile(shifted)(torch.zeros(8, device=device))
    except Exception as error:  # whatever the compiler or what looks for it raises
        reason = describe(error).partition("\n")[0]
        raise InputError(
            f"training.compile: torch.compile does not work here ({reason}); "
            "install a C++ compiler, on a GPU also Triton, or leave --compile out"
        ) from error


def train_compiled(method: Method) -> None:
    """Compile what a method trains its backbones by.

    What was compiled before in this process is forgotten: after some networks torch would silently
    compile no more, and a cell's numbers would depend on what was trained before it.
    """
    torch.compiler.reset()
    for module in method.modules():
        if isinstance(module, Backbone):
            module.train_compiled()
