"""Backbones by timm name; whatever layout a network ends in leaves as (B, C, H, W)."""

from __future__ import annotations

import difflib
import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.models.backbone import Backbone
from benchmark.models.weights_names import Matching, match_names


class TimmBackbone(Backbone):
    """A network of timm without its classifier."""

    def __init__(self, name: str, image_size: int, *, pretrained: bool = False) -> None:
        """Build the network.

        Args:
            name: a timm model name.
            image_size: height and width of the images in pixels; networks with a fixed input size
                are built for it.
            pretrained: start from timm's own weights instead of random ones; timm fits what
                depends on the input size.

        Raises:
            InputError: timm does not know the name or cannot have its weights, or the network gives
                no feature map at this size.
        """
        super().__init__()
        _check_name(name)
        self.name = name
        self.network = _build(name, image_size, pretrained)
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

    def load(self, state: Mapping[str, Tensor]) -> Matching:
        """Take over all weights of the network from a file's tensors.

        Raises:
            InputError: see :func:`benchmark.models.weights_names.match_names`.
        """
        own = self.network.state_dict()
        matching = match_names(state, own, _classifier(self.network))
        self.network.load_state_dict({**own, **matching.tensors})
        return matching

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
        except Exception as error:  # networks refuse a size in many ways
            raise InputError(
                f"backbone '{self.name}' gives no feature map at {image_size} px ({error})"
            ) from error
        self.train(training)
        if len(shape) != 4 or shape[1] != self.channels:
            raise InputError(f"backbone '{self.name}' gives {tuple(shape)}, not (B, C, H, W)")


def tensors_of(name: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return a network's tensors, shapes and dtypes alone, and the names of its classifier layers.

    Raises:
        InputError: timm does not know the name.
    """
    _check_name(name)
    with torch.device("meta"):
        network = _create(name, pretrained=False, num_classes=0)
    return network.state_dict(), _classifier(network)


def _classifier(network: Any) -> tuple[str, ...]:
    layers = network.default_cfg.get("classifier") or ()
    return (layers,) if isinstance(layers, str) else tuple(layers)


def pretrained_sha256(name: str) -> str:
    """Return the SHA-256 of timm's own weights of a network, of the size and classes they were
    trained for: over each tensor's name, dtype, shape and bytes, in the order of the names.

    Raises:
        InputError: timm does not know the name or cannot have its weights.
    """
    _check_name(name)
    digest = hashlib.sha256()
    with torch.random.fork_rng(devices=[]):
        state = _create(name, pretrained=True).state_dict()
    for key in sorted(state):
        tensor = state[key].contiguous()
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _check_name(name: str) -> None:
    if timm.is_model(name):
        try:
            timm.get_pretrained_cfg(name)
        except RuntimeError as error:
            raise InputError(f"unknown backbone '{name}': {str(error).rstrip('.')}") from error
        return
    near = difflib.get_close_matches(name, timm.list_models(), n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    raise InputError(f"unknown backbone '{name}'{hint}; use dlib-face or a timm model name")


def _build(name: str, image_size: int, pretrained: bool) -> Any:
    plain = timm.get_pretrained_cfg(name)
    fixed = {"img_size": image_size} if plain is not None and plain.fixed_input_size else {}
    try:
        return _create(name, pretrained=pretrained, num_classes=0, **fixed)
    except InputError:
        raise
    except Exception as error:  # networks refuse a size in many ways
        raise InputError(
            f"backbone '{name}' cannot be built for {image_size} px images ({error})"
        ) from error


def _create(name: str, *, pretrained: bool, **values: Any) -> Any:
    if not pretrained:
        return timm.create_model(name, pretrained=False, **values)
    # The hub's client tells of every attempt; one line at the end says it all.
    client = logging.getLogger("huggingface_hub")
    level = client.level
    client.setLevel(logging.ERROR)
    try:
        return timm.create_model(name, pretrained=True, **values)
    except Exception as error:  # of the network, of the hub's client, of the file it has
        timm.create_model(name, pretrained=False, **values)  # fails where weights are not to blame
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__
        raise InputError(
            f"timm's own weights of '{name}' cannot be had ({reason}); they come from the network "
            "or timm's cache: try again online, or give a file with --weights PATH"
        ) from error
    finally:
        client.setLevel(level)
