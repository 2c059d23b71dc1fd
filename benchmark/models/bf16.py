"""bf16 on processors that do not multiply it.

A product in bf16 is one of numbers that are rounded to bf16, summed in float32 and rounded again.
Float32 gives the same from the rounded numbers, but for the order of the sum. Where nothing
multiplies bf16 in hardware it does so several times faster than what stands in for that hardware,
and more exactly where that keeps sums in bf16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from benchmark.models import two_by_two

PRODUCTS = (torch.conv2d, F.linear)


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware; True where torch does not tell."""
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities: Mapping[str, Any] = torch.cpu.get_capabilities()
        return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    older = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    asked = [getattr(torch.cpu, name) for name in older if hasattr(torch.cpu, name)]
    return not asked or any(has() for has in asked)


@contextmanager
def rounded_products(device: torch.device) -> Iterator[None]:
    """Autocast to bf16 in which layers multiply in float32 what was rounded to bf16.

    Gradients are rounded where those of bf16 layers are, at each layer's inputs and filters.

    Args:
        device: of what is computed.
    """
    with torch.autocast(device.type, dtype=torch.bfloat16), _Rounded():
        yield


class _Rounded(TorchFunctionMode):
    """Has convolutions and linear layers under autocast computed from rounded numbers."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func not in PRODUCTS:
            return func(*args, **kwargs)
        kind = (args[0] if args else kwargs["input"]).device.type
        if not torch.is_autocast_enabled(kind):
            return func(*args, **kwargs)
        with torch.autocast(kind, enabled=False):
            return _product(func, *map(_rounded, args), **_each_rounded(kwargs)).to(torch.bfloat16)


def _product(func: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    if func is torch.conv2d and len(args) > 1 and two_by_two.convolves(*args, **kwargs):
        return two_by_two.convolve(args[0], args[1])
    return func(*args, **kwargs)


def _each_rounded(named: dict[str, Any]) -> dict[str, Any]:
    return {name: _rounded(value) for name, value in named.items()}


def _rounded(value: Any) -> Any:
    """Return a tensor of floats rounded to bf16, as float32; anything else as it is."""
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.to(torch.bfloat16).float()
    return value
