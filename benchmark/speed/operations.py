"""Operations of a network, counted from its layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmark.models.build import build_backbone
from benchmark.protocols.protocol import Protocol

PASSES = 3
"""Forward passes that a training step costs: gradients of inputs and of filters are one each."""


def forward_operations(network: nn.Module, images: Tensor) -> int:
    """Return the operations of one forward pass: 2 for each multiply-add.

    Only convolutions and linear layers count, with the multiplications by a padding's zeros.

    Args:
        network: any; it is run once as it is.
        images: what it takes, float (B, C, H, W).
    """
    counted: list[int] = []

    def count(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        outputs = output.numel()  # each is a sum over one filter or one row of the matrix
        counted.append(2 * outputs * weight[0].numel())

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    return sum(counted)


def step_operations(protocol: Protocol) -> int:
    """Return the operations of a training step for each view of an image.

    Those of the plain network in three channels, whatever is folded.
    """
    backbone = build_backbone(protocol.backbone.name, protocol.image.size).eval()
    size = protocol.image.size
    return PASSES * forward_operations(backbone, torch.zeros(1, 3, size, size))
