"""A trained network as an ONNX file, which is kept only if it computes what the network does.

torch's exporter needs the packages onnx and onnxscript, the check onnxruntime: the extra ``onnx``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.errors import InputError, describe
from benchmark.models.backbone import Backbone
from benchmark.store.model_card import about

if TYPE_CHECKING:
    from benchmark.networks.network import Network

TOLERANCE = 1e-4
"""The most that an output may differ from the network's in float32, as a part of the largest."""

INPUT = "images"
OUTPUTS = ("logits", "probabilities")

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_CHECKED = (1, 5)  # images at once, neither of which is the number that was exported with


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """An exported network.

    Attributes:
        content: of the file.
        difference: of an output from the network's, the largest over random images, as a part of
            the largest value or of 1.
    """

    content: bytes
    difference: float


def export(network: Network) -> OnnxFile:
    """Return a network as ONNX.

    Its input ``images`` is float32 (N, 3, S, S) on the scale 0 to 255, red, green and blue, a grey
    image in all three; normalisation is part of the graph. Its outputs are ``logits`` and
    ``probabilities``, float32 (N, K). What is known of the network stands as JSON in the file's
    metadata ``fer_bench``. It computes in float32, whatever the network was trained in.

    Raises:
        InputError: a package is missing, torch cannot export the network, or what it exports
            computes something else.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"ONNX export needs {', '.join(missing)}: pip install 'fer-bench[onnx]'")
    with _float32(network):
        whole = _Whole(network).eval()
        content = _exported(network, whole)
        difference = max(_difference(network, whole, content, count) for count in _CHECKED)
    if not difference <= TOLERANCE:
        raise InputError(
            f"the exported network differs from {network.record.cell.slug} by {difference:.2g}, "
            f"more than {TOLERANCE:g} of the largest value; nothing is written"
        )
    return OnnxFile(content, difference)


class _Whole(nn.Module):
    """Normalisation, network and softmax."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.method = network.method
        self.image = network.record.cell.protocol.image

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and probabilities (N, K) of images (N, 3, S, S) on the scale 0 to 255."""
        mean = images.new_tensor(self.image.mean)[:, None, None]
        deviation = images.new_tensor(self.image.deviation)[:, None, None]
        logits = self.method.predict((images - mean) / deviation).float()
        return logits, logits.softmax(dim=1)


@contextlib.contextmanager
def _float32(network: Network) -> Iterator[None]:
    """Have every backbone of a method compute in float32: SOFT answers by its teacher's."""
    modules = network.method.modules()
    before = {each: each.compute_dtype for each in modules if isinstance(each, Backbone)}
    for backbone in before:
        backbone.compute_dtype = None
    try:
        yield
    finally:
        for backbone, dtype in before.items():
            backbone.compute_dtype = dtype


def _exported(network: Network, whole: nn.Module) -> bytes:
    images = _images(network, 2)
    try:
        with _quiet():
            program: Any = torch.onnx.export(
                whole,
                (images,),
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamic_shapes={"images": {0: torch.export.Dim("N")}},
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the exporter's own, by what the network holds
        raise InputError(
            f"{network.record.cell.slug} cannot be exported as ONNX ({describe(error)})"
        ) from error
    proto = program.model_proto
    entry = proto.metadata_props.add()
    facts = {**about(network.record), "source_image": network.source_image}
    entry.key, entry.value = "fer_bench", json.dumps(facts, sort_keys=True)
    content: bytes = proto.SerializeToString()
    return content


def _difference(network: Network, whole: nn.Module, content: bytes, count: int) -> float:
    import onnxruntime

    images = _images(network, count)
    with torch.inference_mode():
        expected = [tensor.cpu().numpy() for tensor in whole(images)]
    found: list[NDArray[np.float32]]
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        found = session.run(list(OUTPUTS), {INPUT: images.cpu().numpy()})
    except Exception as error:  # its errors have no base of their own
        raise InputError(
            f"onnxruntime cannot run what {network.record.cell.slug} was exported to "
            f"({describe(error)}); nothing is written"
        ) from error
    pairs = zip(found, expected, strict=True)
    return max(
        float(np.abs(one - other).max() / max(1, np.abs(other).max())) for one, other in pairs
    )


def _images(network: Network, count: int) -> Tensor:
    """Return random images, grey ones as a grey dataset's network takes no others."""
    size = network.image_size
    generator = torch.Generator().manual_seed(count)
    images = torch.rand(count, 1, size, size, generator=generator).expand(-1, 3, -1, -1)
    if network.source_image is not None and len(network.source_image) == 3:
        images = torch.rand(count, 3, size, size, generator=generator)
    return (255 * images).contiguous().to(network.device)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress, which says nothing of the file, off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)
