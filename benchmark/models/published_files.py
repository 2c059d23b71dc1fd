"""Files of weights that torchvision and timm publish with the beginning of their SHA-256.

Their names end in its first digits (``resnet18-f37072fd.pth``), which is how torch checks a file
after a download. Weights of faces and expressions are published without one, so none is known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_DIGITS = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")

_BEFORE_0_13 = (
    "resnet18-5c106cde.pth",
    "resnet34-333f7ec4.pth",
    "resnet50-19c8e357.pth",
    "resnet101-5d3b4d8f.pth",
    "resnet152-b121ed2d.pth",
    "resnext50_32x4d-7cdf4587.pth",
)
"""torchvision's earlier ResNets. Source: ``model_urls`` of its releases before 0.13."""


def published_as(sha256: str) -> str | None:
    """Return the name of the published file whose SHA-256 begins like this one, None for none.

    Args:
        sha256: of a file's bytes, 64 hex digits.
    """
    for name in _names():
        found = _DIGITS.search(name)
        if found is not None and sha256.startswith(found[1]):
            return f"{name} (by the {len(found[1])} digits in its name)"
    return None


def _names() -> Iterator[str]:
    import timm
    import torchvision

    yield from _BEFORE_0_13
    for model in torchvision.models.list_models():
        for weights in torchvision.models.get_model_weights(model):
            yield weights.url.rpartition("/")[2]
    for model in timm.list_pretrained():
        yield (timm.get_pretrained_cfg(model).url or "").rpartition("/")[2]
