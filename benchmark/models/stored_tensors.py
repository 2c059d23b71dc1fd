"""Tensors and arrays out of descriptions of them: the calls that an inert pickle names.

Only what is listed here becomes a tensor, and by this module's own means: the functions that the
file names are never looked up. Every bound is checked before memory is touched.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.models.inert_pickle import PERSISTENT, Inert

_STORAGES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
    "UntypedStorage": torch.uint8,
}
"""What a storage holds, by the last word of its class."""

_ARRAYS = frozenset(
    ["b1", "c8", "c16", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
)
"""numpy's dtypes that torch has too."""

SCALARS = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
"""A single number of numpy's, such as the best accuracy: no weight, and nothing unusual."""

_NO_BYTES = ("builtins.bytes", "__builtin__.bytes")  # as protocol 2 writes an empty array's

Bytes = bytes | bytearray | memoryview


def storage_type(persistent: Inert) -> tuple[str, torch.dtype]:
    """Return the key and dtype of a storage that torch keeps outside of the pickle.

    Raises:
        ValueError: it is something else.
    """
    (stored,) = persistent.args or ((),)
    if not (
        isinstance(stored, tuple)
        and len(stored) >= 5
        and stored[0] == "storage"
        and isinstance(stored[1], Inert)
    ):
        raise ValueError("an object outside of the pickle is no storage")
    word = stored[1].name.rpartition(".")[2]
    if word not in _STORAGES:
        raise ValueError(f"a storage is of the unknown kind {word[:40]}")
    return str(stored[2]), _STORAGES[word]


class TensorMaker:
    """Makes the tensors of one file.

    Args:
        storage: returns the bytes of the storage with a key.
    """

    def __init__(self, storage: Callable[[str], Bytes]) -> None:
        self._storage = storage
        self._tensors: dict[int, tuple[Inert, Tensor | None]] = {}
        self._bytes: dict[int, tuple[Any, Bytes]] = {}

    def make(self, described: Inert) -> Tensor | None:
        """Return the tensor that is described, or None where it is none; each is made once.

        Raises:
            ValueError: the description is not sound.
        """
        if id(described) not in self._tensors:
            recipe = _RECIPES.get(described.name)
            made = None
            if recipe is not None and described.args is not None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # the file's bytes are read and never written
                    made = recipe(self, described)
            # The description is kept, so that its id is not given to another one.
            self._tensors[id(described)] = (described, made)
        return self._tensors[id(described)][1]

    def _strided(self, described: Inert) -> Tensor:
        assert described.args is not None
        persistent, offset, size, stride, *more = described.args
        if not isinstance(persistent, Inert) or persistent.name != PERSISTENT:
            raise ValueError("a tensor has no storage")
        key, dtype = storage_type(persistent)
        if described.name.endswith("_v3"):
            dtype = _dtype(more[2])
        view = persistent.args[0][5:] if persistent.args else ()  # of torch before 0.4
        if view and view[0] is not None:
            offset += view[0][1]
        numbers = torch.empty(0, dtype=dtype)
        if data := self._storage(key):
            numbers = torch.frombuffer(data, dtype=dtype, count=len(data) // dtype.itemsize)
        _check_bounds(len(numbers), offset, size, stride)
        return numbers.as_strided(size, stride, offset)

    def _inner(self, described: Inert) -> Tensor | None:
        """Parameters, which hold a tensor."""
        assert described.args is not None
        inner = described.args[0]
        return self.make(inner) if isinstance(inner, Inert) else None

    def _of_a_type(self, described: Inert) -> Tensor | None:
        """Tensors with attributes: the function, the class, the arguments, the attributes."""
        assert described.args is not None
        function, _, args, *_ = described.args
        return self.make(Inert(function.name, args))

    def _sparse(self, described: Inert) -> Tensor | None:
        """Sparse tensors: no weights, but known, so that it can be said."""
        assert described.args is not None
        indices, values, size, *_ = described.args[1]
        places, numbers = self.make(indices), self.make(values)
        if places is None or numbers is None or not isinstance(size, Inert):
            return None
        shape = _sizes((size.args or ((),))[0])
        return torch.sparse_coo_tensor(places, numbers, shape, check_invariants=True)

    def _array(self, described: Inert) -> Tensor | None:
        if not isinstance(described.state, tuple):
            return None
        *_, shape, kind, by_columns, raw = described.state
        return self._numbers(raw, kind, shape, "F" if by_columns else "C")

    def _array_of_buffer(self, described: Inert) -> Tensor | None:
        assert described.args is not None
        raw, kind, shape, order = described.args
        return self._numbers(raw, kind, shape, order)

    def _numbers(self, raw: Any, kind: Any, shape: Any, order: Any) -> Tensor | None:
        dtype = _numpy_dtype(kind)
        if dtype is None or order not in ("C", "F"):
            return None
        numbers = np.frombuffer(self._as_bytes(raw), dtype=dtype)
        if numbers.size != math.prod(_sizes(shape)):
            raise ValueError("an array holds fewer or more numbers than its shape says")
        native = numbers.astype(dtype.newbyteorder("="), copy=False)
        return torch.from_numpy(native.reshape(shape, order=order))

    def _as_bytes(self, raw: Any) -> Bytes:
        """Return an array's bytes, which Python 2 and protocol 2 keep as text."""
        if isinstance(raw, Inert) and raw.name == "_codecs.encode" and raw.args:
            raw = raw.args[0]
        elif isinstance(raw, Inert) and raw.name in _NO_BYTES and not raw.args:
            return b""
        if isinstance(raw, bytes | bytearray):
            return raw
        if not isinstance(raw, str):
            raise ValueError("an array holds objects")
        if id(raw) not in self._bytes:  # once, however many arrays share it
            self._bytes[id(raw)] = (raw, raw.encode("latin-1"))
        return self._bytes[id(raw)][1]


_RECIPES: dict[str, Callable[[TensorMaker, Inert], Tensor | None]] = {
    "torch._utils._rebuild_tensor": TensorMaker._strided,
    "torch._utils._rebuild_tensor_v2": TensorMaker._strided,
    "torch._utils._rebuild_tensor_v3": TensorMaker._strided,
    "torch._utils._rebuild_parameter": TensorMaker._inner,
    "torch._utils._rebuild_parameter_with_state": TensorMaker._inner,
    "torch._utils._rebuild_sparse_tensor": TensorMaker._sparse,
    "torch._tensor._rebuild_from_type": TensorMaker._of_a_type,
    "torch._tensor._rebuild_from_type_v2": TensorMaker._of_a_type,
    "torch.tensor._rebuild_from_type": TensorMaker._of_a_type,
    "numpy.core.multiarray._reconstruct": TensorMaker._array,
    "numpy._core.multiarray._reconstruct": TensorMaker._array,
    "numpy.core.numeric._frombuffer": TensorMaker._array_of_buffer,
    "numpy._core.numeric._frombuffer": TensorMaker._array_of_buffer,
}

KNOWN = frozenset(
    [
        *_RECIPES,
        *SCALARS,
        *_NO_BYTES,
        PERSISTENT,
        "_codecs.encode",
        "collections.OrderedDict",
        "numpy.dtype",
        "torch.Size",
        "torch.serialization._get_layout",
    ]
)
"""What a file of weights is made of; anything else stands beside the weights."""


def _check_bounds(numbers: int, offset: Any, size: Any, stride: Any) -> None:
    """Refuse a tensor that would reach outside its storage, or hold more than it."""
    sizes, strides = _sizes(size), _sizes(stride)
    if len(sizes) != len(strides) or not isinstance(offset, int) or offset < 0:
        raise ValueError("a tensor's shape, strides and offset do not fit")
    if not math.prod(sizes):
        return
    last = offset + sum((side - 1) * step for side, step in zip(sizes, strides, strict=True))
    if last >= numbers or math.prod(sizes) > numbers:
        raise ValueError("a tensor is larger than its storage")


def _sizes(sizes: Any) -> tuple[int, ...]:
    if not isinstance(sizes, tuple) or not all(isinstance(s, int) and s >= 0 for s in sizes):
        raise ValueError("a shape is no tuple of numbers")
    return sizes


def _dtype(named: Any) -> torch.dtype:
    """Return the dtype of the name ``torch.NAME``; nothing is imported for it."""
    module, _, name = named.name.rpartition(".") if isinstance(named, Inert) else ("", "", "")
    found = vars(torch).get(name) if module == "torch" else None
    if not isinstance(found, torch.dtype):
        raise ValueError(f"a tensor is of the unknown dtype {name[:40]!r}")
    return found


def _numpy_dtype(kind: Any) -> np.dtype[Any] | None:
    if not (isinstance(kind, Inert) and kind.name == "numpy.dtype" and kind.args):
        return None
    code = kind.args[0]
    if not isinstance(code, str) or code not in _ARRAYS:
        return None
    order = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else "="
    return np.dtype(code).newbyteorder(">" if order == ">" else "<")
