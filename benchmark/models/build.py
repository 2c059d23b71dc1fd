"""Backbones by name."""

from __future__ import annotations

from benchmark.models.backbone import Backbone

DLIB_FACE = "dlib-face"
SCRATCH = "scratch"


def weights_identity(backbone: str) -> str:
    """Return the SHA-256 of a backbone's initial weights, or ``scratch`` for random ones.

    Needs no torch, so that a sweep can be planned without it.

    Raises:
        InputError: the weights are not installed.
    """
    if backbone != DLIB_FACE:
        return SCRATCH
    from benchmark.models.dlib_file import WEIGHTS_SHA256, find_weights

    find_weights()
    return WEIGHTS_SHA256


def build_backbone(name: str, image_size: int) -> Backbone:
    """Build a backbone for images of ``image_size`` pixels.

    Args:
        name: ``dlib-face`` or a timm model name.
        image_size: height and width.

    Raises:
        InputError: see the backbones.
    """
    if name == DLIB_FACE:
        from benchmark.models.dlib_face import DlibFace

        return DlibFace()
    from benchmark.models.timm_backbone import TimmBackbone

    return TimmBackbone(name, image_size)
