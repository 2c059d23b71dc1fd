"""Backbones by timm name; whatever layout a network ends in leaves as (B, C, H, W)."""

from __future__ import annotations

import difflib
from typing import Any

import timm
import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.models.backbone import Backbone


class TimmBackbone(Backbone):
    """A network of timm without its classifier, initialised at random."""

    def __init__(self, name: str, image_size: int) -> None:
        """Build the network.

        Args:
            name: a timm model name.
            image_size: height and width of the images in pixels; networks with a fixed input size
                are built for it.

        Raises:
            InputError: timm does not know the name, or the network gives no feature map at this
                size.
        """
        super().__init__()
        if not timm.is_model(name):
            near = difflib.get_close_matches(name, timm.list_models(), n=1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            raise InputError(f"unknown backbone '{name}'{hint}; use dlib-face or a timm model name")
        self.name = name
        self.network = _build(name, image_size)
        self.channels = int(self.network.num_features)
        self._probe(image_size)

    def features(self, images: Tensor) -> Tensor:
        """Return the last feature map, (B, C, h, w)."""
        features: Tensor = self.network.forward_features(images)
        if features.ndim == 3:  # tokens (B, prefix + h * w, C)
            height, width = self.network.patch_embed.grid_size
            tokens = features[:, self.network.num_prefix_tokens :]
            return tokens.transpose(1, 2).reshape(len(tokens), -1, height, width)
        if getattr(self.network, "output_fmt", "NCHW") == "NHWC":
            return features.permute(0, 3, 1, 2)
        return features

    def last_stage_blocks(self) -> nn.Sequential:
        """Return ``layer4`` of a ResNet."""
        blocks = getattr(self.network, "layer4", None)
        return blocks if isinstance(blocks, nn.Sequential) else super().last_stage_blocks()

    def _probe(self, image_size: int) -> None:
        """Run one blank image, so that a network without a map is refused before any training."""
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                shape = self.maps(torch.zeros(1, 1, image_size, image_size)).shape
        except (RuntimeError, AttributeError, ValueError, TypeError) as error:
            raise InputError(
                f"backbone '{self.name}' gives no feature map at {image_size} px ({error})"
            ) from error
        self.train(training)
        if len(shape) != 4 or shape[1] != self.channels:
            raise InputError(f"backbone '{self.name}' gives {tuple(shape)}, not (B, C, H, W)")


def _build(name: str, image_size: int) -> Any:
    plain = timm.get_pretrained_cfg(name)
    fixed = {"img_size": image_size} if plain is not None and plain.fixed_input_size else {}
    try:
        return timm.create_model(name, pretrained=False, num_classes=0, **fixed)
    except (TypeError, AssertionError, RuntimeError) as error:
        raise InputError(
            f"backbone '{name}' cannot be built for {image_size} px images ({error})"
        ) from error
