"""A reader of dlib's face-recognition ResNet, bounds-checked and without dlib.

The file is `dlib_face_recognition_resnet_model_v1.dat` by Davis King, CC0 1.0
(https://github.com/davisking/dlib-models), as PyPI's `face_recognition_models` 0.3.0 carries it.

How dlib writes it: the versions of all layers from the loss inwards, then the layers themselves
from the input outwards. An integer is one control byte (low four bits: how many bytes follow, high
bit: the sign) and its little-endian bytes; a real number is an integer mantissa and an integer
power of two; a tensor is the integer 2, four sizes and little-endian float32.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError

WEIGHTS_SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
"""SHA-256 of the weight file in PyPI's face_recognition_models 0.3.0, part of a result's identity.

Source: computed on the file of that release, whose embeddings were checked against dlib's own.
"""

WEIGHTS_BYTES = 22_466_066
"""Size of the same file, checked before it is read."""

_PACKAGE = "face_recognition_models"
_WEIGHTS = "models/dlib_face_recognition_resnet_model_v1.dat"
_REINSTALL = f"reinstall it: pip install --force-reinstall {_PACKAGE}==0.3.0"

_MAX_NAME = 64  # bytes; the longest name in the file has 21
_MAX_SIZE = 2**16  # of a kernel, a stride or a number of channels; the largest in the file is 256
_MAX_EXPONENT = 512  # of a real number: far beyond float32, safely within a Python float

_VERSION_LOSS, _VERSION_TAG, _VERSION_LAYER, _VERSION_FIRST_LAYER = 1, 1, 2, 3
_FC_WITHOUT_BIAS = 1
_AFFINE_PER_CHANNEL = 0

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Input:
    """What the network expects: RGB in 0..255 of height x width pixels, less the mean."""

    mean: tuple[float, float, float]
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Conv:
    """Convolution: filters (out, in, kh, kw) and bias (out,); stride and padding as (y, x)."""

    filters: Floats
    bias: Floats
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Affine:
    """Per channel x * scale + shift, each (channels,): a batch norm at test time."""

    scale: Floats
    shift: Floats


@dataclass(frozen=True, eq=False)
class Pool:
    """Pooling; size, stride and padding as (y, x), where size 0 spans the whole map."""

    kind: Literal["max", "average"]
    size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True, eq=False)
class FullyConnected:
    """x @ weight with weight (in, out) and no bias."""

    weight: Floats


@dataclass(frozen=True, eq=False)
class Add:
    """Addition of the shortcut; what is smaller in any size is padded with zeros at its end."""


@dataclass(frozen=True, eq=False)
class Relu:
    """max(x, 0)."""


Layer = Input | Conv | Affine | Pool | FullyConnected | Add | Relu


class _Reader:
    """A position in a byte string; every read is checked and fails as an InputError."""

    def __init__(self, data: bytes, source: str) -> None:
        self.data = data
        self.source = source
        self.position = 0

    def error(self, problem: str) -> InputError:
        return InputError(
            f"{self.source}, byte {self.position}: {problem}; "
            f"the file is damaged or is not dlib's face network, {_REINSTALL}"
        )

    def check(self, holds: bool, problem: str) -> None:
        if not holds:
            raise self.error(problem)

    def take(self, count: int) -> bytes:
        left = len(self.data) - self.position
        self.check(count <= left, f"the file ends where {count} bytes should follow ({left} do)")
        taken = self.data[self.position : self.position + count]
        self.position += count
        return taken

    def integer(self) -> int:
        control = self.take(1)[0]
        count = control & 0x0F
        self.check(control & 0x70 == 0 and 1 <= count <= 8, "no integer stands here")
        value = int.from_bytes(self.take(count), "little")
        return -value if control & 0x80 else value

    def size(self, lowest: int) -> int:
        value = self.integer()
        self.check(lowest <= value <= _MAX_SIZE, f"{value} cannot be a size")
        return value

    def pair(self, lowest: int) -> tuple[int, int]:
        return self.size(lowest), self.size(lowest)

    def real(self) -> float:
        mantissa, exponent = self.integer(), self.integer()
        self.check(abs(exponent) <= _MAX_EXPONENT, f"a real number has the exponent {exponent}")
        return math.ldexp(mantissa, exponent)

    def text(self) -> str:
        length = self.integer()
        self.check(0 <= length <= _MAX_NAME, f"a name has {length} letters")
        return self.take(length).decode("latin-1")

    def flags(self, count: int) -> None:
        flags = self.take(count)
        self.check(set(flags) <= set(b"01"), "a flag is neither 0 nor 1")

    def expect(self, value: int, what: str) -> None:
        found = self.integer()
        self.check(found == value, f"{what} is {found} where {value} was expected")

    def sizes(self, *expected: int) -> None:
        """Read the sizes of a part of a parameter tensor, which are known beforehand."""
        self.expect(1, "a tensor part's version")
        found = tuple(self.integer() for _ in range(4))
        self.check(found == expected, f"a tensor part has the sizes {found}, not {expected}")

    def tensor(self) -> Floats:
        """Read a tensor as (samples, k, rows, columns); nothing is allocated beyond the file."""
        self.expect(2, "a tensor's version")
        shape = tuple(self.integer() for _ in range(4))
        self.check(min(shape) >= 0, f"a tensor has the sizes {shape}")
        count = math.prod(shape)
        self.check(max(shape) == 0 or count > 0, f"a tensor has the sizes {shape}")
        values = np.frombuffer(self.take(4 * count), dtype="<f4").astype(np.float32)
        self.check(bool(np.isfinite(values).all()), "a weight is not a finite number")
        return values.reshape(shape)


def _multipliers(reader: _Reader) -> None:
    """Skip the four factors on learning rate and weight decay, which only dlib's trainer uses."""
    for _ in range(4):
        reader.real()


def _read_conv(reader: _Reader) -> Conv:
    parameters = reader.tensor().reshape(-1)
    outputs, height, width = reader.size(1), reader.size(1), reader.size(1)
    stride, padding = reader.pair(1), reader.pair(0)
    per_input = outputs * height * width
    inputs, rest = divmod(parameters.size - outputs, per_input)
    reader.check(
        inputs >= 1 and rest == 0,
        f"{parameters.size} parameters do not fit {outputs} filters of {height} x {width}",
    )
    reader.sizes(outputs, inputs, height, width)
    reader.sizes(1, outputs, 1, 1)
    _multipliers(reader)
    filters = parameters[:-outputs].reshape(outputs, inputs, height, width)
    return Conv(filters, parameters[-outputs:], stride, padding)


def _read_affine(reader: _Reader) -> Affine:
    parameters = reader.tensor().reshape(-1)
    channels, rest = divmod(parameters.size, 2)
    reader.check(
        channels >= 1 and rest == 0, f"{parameters.size} parameters are not a scale and a shift"
    )
    reader.sizes(1, channels, 1, 1)
    reader.sizes(1, channels, 1, 1)
    reader.expect(_AFFINE_PER_CHANNEL, "an affine layer's mode")
    return Affine(parameters[:channels], parameters[channels:])


def _read_pool(reader: _Reader, kind: Literal["max", "average"]) -> Pool:
    return Pool(kind, reader.pair(0), reader.pair(1), reader.pair(0))


def _read_fully_connected(reader: _Reader) -> FullyConnected:
    outputs, inputs = reader.size(1), reader.size(1)
    weight = reader.tensor()
    reader.check(
        weight.shape == (inputs, outputs, 1, 1),
        f"a weight of the sizes {weight.shape} does not lead from {inputs} to {outputs} values",
    )
    reader.sizes(inputs, outputs, 1, 1)
    reader.sizes(0, 0, 0, 0)
    reader.expect(_FC_WITHOUT_BIAS, "a fully connected layer's bias mode")
    _multipliers(reader)
    return FullyConnected(weight.reshape(inputs, outputs))


_READERS: dict[str, Callable[[_Reader], Layer]] = {
    "con_4": _read_conv,
    "affine_": _read_affine,
    "relu_": lambda _: Relu(),
    "add_prev_": lambda _: Add(),
    "max_pool_2": lambda reader: _read_pool(reader, "max"),
    "avg_pool_2": lambda reader: _read_pool(reader, "average"),
    "fc_2": _read_fully_connected,
}


def _read_layer(reader: _Reader, first: bool) -> Layer:
    name = reader.text()
    reader.check(name in _READERS, f"there is no layer of the kind {name!r}")
    layer = _READERS[name](reader)
    reader.flags(3)
    for _ in range(3):  # gradients and outputs that dlib keeps while training
        reader.check(reader.tensor().size == 0, "the network was saved in the middle of training")
    if first:
        reader.expect(1, "the number of samples an image becomes")
    return layer


def _read_loss(reader: _Reader) -> None:
    reader.expect(_VERSION_LOSS, "the version of the loss")
    name = reader.text()
    reader.check(name == "loss_metric_2", f"the loss is {name!r}, not a metric loss")
    reader.real()
    reader.real()


def _read_layer_count(reader: _Reader) -> int:
    """Read the versions of all layers up to the first one; tags and skips have no more than that.

    How tags and skips pair is part of a C++ type in dlib and cannot be learnt from the file.
    """
    count = 1
    while (version := reader.integer()) != _VERSION_FIRST_LAYER:
        reader.check(
            version in (_VERSION_TAG, _VERSION_LAYER), f"a layer has the version {version}"
        )
        count += version == _VERSION_LAYER
    return count


def _read_input(reader: _Reader) -> Input:
    name = reader.text()
    reader.check(name == "input_rgb_image_sized", f"the input is {name!r}, not an RGB image")
    mean = reader.real(), reader.real(), reader.real()
    height, width = reader.pair(1)
    return Input(mean, height, width)


def parse(data: bytes, source: str = "dlib network") -> list[Layer]:
    """Read a dlib network of the face-recognition kind.

    Args:
        data: the whole file.
        source: what to call it in an error.

    Returns:
        The layers from the input to the output, weights as float32.

    Raises:
        InputError: the data end early, go on too long, or are no such network.
    """
    reader = _Reader(data, source)
    _read_loss(reader)
    count = _read_layer_count(reader)
    layers: list[Layer] = [_read_input(reader)]
    layers += [_read_layer(reader, first=number == 0) for number in range(count)]
    reader.check(reader.position == len(data), "the file goes on after the last layer")
    return layers


def find_weights() -> Path:
    """Return where the installed `face_recognition_models` keeps the weight file.

    The package is not imported: it asks for pkg_resources, which newer environments lack.

    Raises:
        InputError: the package, or the file inside it, is missing.
    """
    try:
        spec = importlib.util.find_spec(_PACKAGE)
    except (ImportError, ValueError):  # ValueError: a module of that name without a spec
        spec = None
    if spec is None:
        raise InputError(
            f"the backbone dlib-face needs the package {_PACKAGE}, which is not installed; "
            "run: pip install face_recognition_models==0.3.0"
        )
    for folder in spec.submodule_search_locations or ():
        path = Path(folder) / _WEIGHTS
        if path.is_file():
            return path
    raise InputError(f"the installed package {_PACKAGE} has no {_WEIGHTS}; {_REINSTALL}")


def read_weights(path: Path | None = None) -> list[Layer]:
    """Read the weight file after checking that it is the released one, bit by bit.

    Args:
        path: the file, or None for the one that :func:`find_weights` finds.

    Returns:
        As :func:`parse`.

    Raises:
        InputError: the file is missing, cannot be read, or is another one.
    """
    path = find_weights() if path is None else path
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size == WEIGHTS_BYTES else b""
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {_REINSTALL}") from error
    if size != WEIGHTS_BYTES:
        raise InputError(f"{path} has {size} bytes instead of {WEIGHTS_BYTES}; {_REINSTALL}")
    digest = hashlib.sha256(data).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise InputError(
            f"{path} has the SHA-256 {digest} instead of {WEIGHTS_SHA256}; {_REINSTALL}"
        )
    return parse(data, path.name)
