"""Backbones by name, and the weights that they start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.models.backbone import Backbone
    from benchmark.models.timm_backbone import TimmBackbone

DLIB_FACE = "dlib-face"
SCRATCH = "scratch"
TIMM = "timm"

Weights = Path | str | None
"""Where a backbone's weights are from: a file, ``timm`` for timm's own, ``scratch`` for random
ones, or None for what the backbone brings: random ones, but for ``dlib-face``."""


def parse_weights(weights: Weights) -> Weights:
    """Return one of the two words as it is, and any other text as the absolute path of a file."""
    if weights is None or weights in (TIMM, SCRATCH):
        return weights
    return Path(weights).absolute()


def weights_identity(backbone: str, weights: Weights = None) -> str:
    """Return the SHA-256 of a backbone's initial weights, or ``scratch`` for random ones.

    For a file it is that of its bytes, wherever it lies. Only timm's own weights need torch for it.

    Raises:
        InputError: the weights cannot be had, or the backbone takes none.
    """
    weights = parse_weights(weights)
    if backbone == DLIB_FACE:
        from benchmark.models.dlib_file import WEIGHTS_SHA256, find_weights

        if weights is not None:
            raise InputError(
                f"--weights {weights}: {DLIB_FACE} brings its own weights; leave --weights out, or "
                "choose a timm backbone with --set backbone.name=resnet18"
            )
        find_weights()
        return WEIGHTS_SHA256
    if isinstance(weights, Path):
        from benchmark.models.weights_file import weights_file_sha256

        return weights_file_sha256(weights)
    if weights == TIMM:
        from benchmark.models.timm_backbone import pretrained_sha256

        return pretrained_sha256(backbone)
    return SCRATCH


def build_backbone(name: str, image_size: int, weights: Weights = None) -> Backbone:
    """Build a backbone for images of ``image_size`` pixels.

    Args:
        name: ``dlib-face`` or a timm model name.
        image_size: height and width.
        weights: where it starts from.

    Raises:
        InputError: see the backbones, and :func:`weights_identity`.
    """
    weights = parse_weights(weights)
    if name == DLIB_FACE:
        from benchmark.models.dlib_face import DlibFace

        identity = weights_identity(name, weights)
        face = DlibFace()
        face.weights = identity
        return face
    from benchmark.models.timm_backbone import TimmBackbone

    if weights == TIMM:
        backbone = TimmBackbone(name, image_size, pretrained=True)
        backbone.weights = weights_identity(name, weights)
        backbone.weights_note = f"timm's own weights of {name}"
        return backbone
    backbone = TimmBackbone(name, image_size)
    if isinstance(weights, Path):
        _load_file(backbone, weights)
    return backbone


def bare_backbone(name: str, image_size: int) -> Backbone:
    """Build a backbone that takes all its weights from a trained network.

    Args:
        name: ``dlib-face``, whose own file is not needed for it, or a timm model name.
        image_size: height and width.

    Raises:
        InputError: timm does not know the name, or it does not fit the size.
    """
    if name == DLIB_FACE:
        from benchmark.models.dlib_face import DlibFace

        return DlibFace(bare=True)
    return build_backbone(name, image_size)


def _load_file(backbone: TimmBackbone, path: Path) -> None:
    from benchmark.models.weights_file import read_weights_file

    file = read_weights_file(path)
    try:
        matching = backbone.load(file.tensors)
    except InputError as error:
        raise InputError(f"weights {path} for {backbone.name}: {error}") from error
    backbone.weights = file.sha256
    backbone.weights_note = f"{path.name}: {matching.summary()}"
