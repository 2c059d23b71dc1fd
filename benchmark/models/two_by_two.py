"""A 3 x 3 convolution of 2 x 2 maps, where deep networks end on small pictures.

Every place of such a map sees every other, so the convolution is one matrix product of whole maps.
That takes a third of the time of a convolution in float32, which would multiply padding as well.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_PLACES = [(row, column) for row in (0, 1) for column in (0, 1)]


def convolves(maps: Tensor, filters: Tensor, *rest: Any, **named: Any) -> bool:
    """Whether a ``conv2d`` is one of 2 x 2 maps by 3 x 3 filters that keeps their size.

    Args:
        maps: (B, C, H, W).
        filters: (O, C / groups, h, w).
        rest: bias, stride, padding, dilation and groups, as far as they are given.
        named: the same by name.
    """
    given = dict(zip(("bias", "stride", "padding", "dilation", "groups"), rest, strict=False))
    given |= named
    return (
        maps.shape[2:] == (2, 2)
        and filters.shape[2:] == (3, 3)
        and given.get("bias") is None
        and given.get("stride", 1) in (1, (1, 1))
        and given.get("padding", 0) in (1, (1, 1))
        and given.get("dilation", 1) in (1, (1, 1))
        and given.get("groups", 1) == 1
    )


def convolve(maps: Tensor, filters: Tensor) -> Tensor:
    """Convolve 2 x 2 maps with 3 x 3 filters at stride 1, padded by one zero.

    Args:
        maps: (B, C, 2, 2).
        filters: (O, C, 3, 3), of the same dtype.

    Returns:
        (B, O, 2, 2), ``channels_last``.
    """
    result: Tensor = _Convolution.apply(maps, filters)
    return result


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, filters: Tensor) -> Tensor:
        outputs, channels = filters.shape[:2]
        taps = filters.permute(0, 2, 3, 1)  # (O, 3, 3, C)
        matrix = filters.new_empty(4, outputs, 2, 2, channels)  # to a place, from a row and column
        for place, (row, column) in enumerate(_PLACES):
            matrix[place] = taps[:, 1 - row : 3 - row, 1 - column : 3 - column]
        matrix = matrix.view(4 * outputs, 4 * channels)
        flat = _flat(maps)
        ctx.save_for_backward(flat, matrix)
        return _unflat(flat @ matrix.t())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        flat, matrix = ctx.saved_tensors
        gradient = _flat(gradients[0])
        outputs, channels = matrix.shape[0] // 4, matrix.shape[1] // 4
        products = (gradient.t() @ flat).view(4, outputs, 2, 2, channels)
        taps = matrix.new_zeros(outputs, 3, 3, channels)
        for place, (row, column) in enumerate(_PLACES):
            taps[:, 1 - row : 3 - row, 1 - column : 3 - column] += products[place]
        return _unflat(gradient @ matrix), taps.permute(0, 3, 1, 2)


def _flat(maps: Tensor) -> Tensor:
    """Return maps (B, C, 2, 2) as rows (B, 4 * C), the channels of a place side by side."""
    return maps.permute(0, 2, 3, 1).reshape(maps.shape[0], -1)


def _unflat(rows: Tensor) -> Tensor:
    """Return rows (B, 4 * C) as maps (B, C, 2, 2)."""
    return rows.view(rows.shape[0], 2, 2, -1).permute(0, 3, 1, 2)
