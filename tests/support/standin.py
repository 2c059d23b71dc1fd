"""A stand-in for a GPU: what lives on ``cuda`` is fake, what lives on the host is real.

A fake tensor has shape, dtype, layout and device, and no numbers. So what runs under it shows that
all tensors of an operation are on one device, and where the host waits for it; backward gives zero
gradients. It shows nothing of kernels, numbers or speed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

aten = torch.ops.aten

READS = "reads a value"
FETCHES = "copies to the host"
SENDS = "copies to the device and waits"
COUNTS = "waits for the device to know a shape"

_ROOT = Path(__file__).parents[2]
_OWN = tuple(f"{_ROOT / folder}/" for folder in ("benchmark", "methods", "tests"))
_COUNTING = (
    aten.nonzero.default, aten.masked_select.default, aten._unique2.default,
    aten.unique_dim.default, aten.unique_consecutive.default, aten.repeat_interleave.Tensor,
)  # fmt: skip
_INDEXING = (
    aten.index.Tensor, aten.index_put.default, aten.index_put_.default,
    aten._index_put_impl_.default,
)  # fmt: skip


class StandIn(TorchDispatchMode):
    """Computes what concerns ``cuda`` on fake tensors.

    Attributes:
        waits: what the host waited for, by kind and place: a file and a function of the project.
        copies: how often something went to the device without waiting, by dtype.
        debug: torch's mode for what waits; "error" raises.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[tuple[str, str]] = Counter()
        self.copies: Counter[torch.dtype] = Counter()
        self.debug: int | str = 0
        self.lines: dict[tuple[str, str], set[str]] = {}
        self._fake = _Fake(allow_non_fake_inputs=True)

    def forget(self) -> None:
        """Begin to count anew."""
        self.waits.clear()
        self.copies.clear()

    def wait(self, kind: str) -> None:
        """Note that the host waits for the device, and where."""
        if self.debug == "error":
            raise RuntimeError("called a synchronizing CUDA operation")
        place, line = _place()
        self.waits[kind, place] += 1
        self.lines.setdefault((kind, place), set()).add(line)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in (aten._pin_memory.default, aten.pin_memory.default):
            return args[0]
        device = kwargs.get("device")
        device = None if device is None else torch.device(device)
        fakes = [leaf for leaf in flat(args, kwargs) if isinstance(leaf, FakeTensor)]
        if not fakes and (device is None or device.type != "cuda"):
            return func(*args, **kwargs)
        if device is not None and device.type == "cuda":
            kwargs["device"] = torch.device("cuda", 0)
        if func is aten._local_scalar_dense.default:
            self.wait(READS)
            return _number(args[0].dtype)
        if func in (aten.equal.default, aten.is_nonzero.default):
            self.wait(READS)
            return True
        if func is aten.copy_.default and not isinstance(args[0], FakeTensor):
            self.wait(FETCHES)
            return args[0].zero_()
        self._look_at(func, args, kwargs, from_device=bool(fakes))
        return self._compute(func, args, kwargs, came_from_device=bool(fakes))

    def _look_at(
        self,
        func: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        from_device: bool,
    ) -> None:
        """Note what an operation waits for; refuse what a GPU refuses."""
        if func is aten._to_copy.default and not from_device:
            self._sent(args[0], non_blocking=bool(kwargs.get("non_blocking")))
        if func is aten.copy_.default and not isinstance(args[1], FakeTensor):
            self._sent(args[1], non_blocking=len(args) > 2 and bool(args[2]))
        if func in _COUNTING:
            raise RuntimeError(f"{func} {COUNTS}")
        if func in _INDEXING:
            indices = [index for index in args[1] if isinstance(index, Tensor)]
            if not isinstance(args[0], FakeTensor):
                raise RuntimeError("indices should be on the host, as the indexed tensor is")
            if any(index.dtype in (torch.bool, torch.uint8) for index in indices):
                raise RuntimeError(f"{func} by a mask {COUNTS}")
            if not all(isinstance(index, FakeTensor) for index in indices):
                self.wait(SENDS)

    def _sent(self, tensor: Tensor, *, non_blocking: bool) -> None:
        if non_blocking:
            self.copies[tensor.dtype] += 1
        else:
            self.wait(SENDS)

    def _compute(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, came_from_device: bool
    ) -> Any:
        for name in ("generator", "pin_memory"):  # neither is there without a GPU
            if kwargs.get(name):
                kwargs[name] = None
        if any(isinstance(e, Tensor) and not isinstance(e, FakeTensor) for e in flat(args, kwargs)):
            args, kwargs = tree_map(self._faked, (args, kwargs))
        if func.overloadpacket in _FORMLESS:
            assert all(e.is_cuda for e in flat(args, kwargs) if isinstance(e, Tensor))
            return None
        out = self._fake.dispatch(func, (), args, kwargs)
        if not any(isinstance(each, FakeTensor) and each.is_cpu for each in flat((out,), {})):
            return out
        if came_from_device:
            self.wait(FETCHES)
        return tree_map(_zeros_on_host, out)

    def _faked(self, value: Any) -> Any:
        if isinstance(value, Tensor) and not isinstance(value, FakeTensor):
            return self._fake.from_tensor(value)
        return value


_FORMLESS = (aten._fused_sgd_, aten._fused_adam_, aten._fused_adamw_)
"""Optimisers that change their tensors in place; with rates as tensors torch has no fake form."""


class _Fake(FakeTensorMode):
    """Fake tensors of a device that is never started."""

    avoid_device_init = property(lambda self: True)


def flat(args: Sequence[Any], kwargs: dict[str, Any]) -> Iterator[Any]:
    """Yield the arguments of an operation, those of its lists too; torch's own walk is slow."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, list | tuple):
            yield from flat(value, {})
        else:
            yield value


def _number(dtype: torch.dtype) -> Any:
    if dtype == torch.bool:
        return False
    return 1.0 if dtype.is_floating_point else 1


def _zeros_on_host(value: Any) -> Any:
    if not (isinstance(value, FakeTensor) and value.is_cpu):
        return value
    with torch._C._DisableTorchDispatch():
        return torch.zeros(tuple(map(int, value.shape)), dtype=value.dtype)


def _place() -> tuple[str, str]:
    """Return file and function of the project's innermost frame, or of the test's, and its line."""
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if path != __file__ and path.startswith(_OWN):
            inner = Path(path).relative_to(_ROOT).as_posix()
            return f"{inner} {frame.f_code.co_qualname}", f"{inner}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "elsewhere", "elsewhere"


def _backward(tensors: Any, *_: Any, **__: Any) -> None:
    """Give every leaf of the graph a gradient of zeros."""
    for root in tensors if isinstance(tensors, list | tuple) else [tensors]:
        seen, todo = set(), [root.grad_fn]
        while todo:
            node = todo.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            leaf = getattr(node, "variable", None)
            if leaf is not None and leaf.requires_grad:
                leaf.grad = torch.zeros_like(leaf)
            todo += [following for following, _ in node.next_functions]


def _grad(outputs: Any, inputs: Any, *_: Any, **__: Any) -> tuple[Tensor, ...]:
    return tuple(torch.zeros_like(each) for each in inputs)


def _apply(self: nn.Module, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """Move a module as torch does, by new parameters: old ones cannot take fake data."""
    for child in self.children():
        child._apply(fn)
    for name, parameter in self._parameters.items():
        if parameter is not None:
            with torch.no_grad():
                moved = fn(parameter)
            if moved is not parameter:
                self._parameters[name] = nn.Parameter(moved, parameter.requires_grad)
    for name, buffer in self._buffers.items():
        if buffer is not None:
            self._buffers[name] = fn(buffer)
    return self


def _generator(device: Any = "cpu") -> torch.Generator:
    return _HOST_GENERATOR()


_HOST_GENERATOR = torch.Generator
_tensor, _as_tensor = torch.tensor, torch.as_tensor


@contextmanager
def standin() -> Iterator[StandIn]:
    """Run what is within beside a GPU that is not there."""
    torch._C._ensureCUDADeviceGuardSet()
    mode = StandIn()

    def tolist(tensor: Tensor) -> Any:
        mode.wait(READS)
        return torch.zeros(tuple(map(int, tensor.shape)), dtype=tensor.dtype).tolist()

    def text(tensor: Tensor, **_: Any) -> str:
        mode.wait(READS)
        return f"tensor(device='{tensor.device}')"

    def made(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """Values of the host go through a tensor of the host, and the copy of it waits."""

        def function(data: Any, *, device: Any = None, **options: Any) -> Tensor:
            if isinstance(data, FakeTensor):
                return data.to(device=device, dtype=options.get("dtype"))
            tensor = make(data, **options)
            return tensor if device is None else tensor.to(device)

        return function

    cuda: dict[str, Any] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "_lazy_init": lambda: None,
        "_exchange_device": lambda index: 0,
        "_maybe_exchange_device": lambda index: 0,
        "get_sync_debug_mode": lambda: mode.debug,
        "set_sync_debug_mode": lambda chosen: setattr(mode, "debug", chosen),
        "is_bf16_supported": lambda including_emulation=True: True,
        "get_device_name": lambda device=None: "stand-in",
        "max_memory_reserved": lambda device=None: 1 << 30,
        "max_memory_allocated": lambda device=None: 1 << 30,
        "mem_get_info": lambda device=None: (60 << 30, 80 << 30),
        "reset_peak_memory_stats": lambda device=None: None,
        "empty_cache": lambda: None,
        "synchronize": lambda device=None: mode.wait(READS),
        "manual_seed_all": lambda seed: None,
        "get_rng_state": lambda device=None: torch.zeros(16, dtype=torch.uint8),
        "set_rng_state": lambda state, device=None: None,
    }
    with ExitStack() as stack:
        for name, function in cuda.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, function))
        for owner, name, function in (
            (torch, "Generator", _generator),
            (torch, "tensor", made(_tensor)),
            (torch, "as_tensor", made(_as_tensor)),
            (torch.autograd, "backward", _backward),
            (torch.autograd, "grad", _grad),
            (nn.Module, "_apply", _apply),
            (FakeTensor, "tolist", tolist),
            (FakeTensor, "__repr__", text),
        ):
            stack.enter_context(mock.patch.object(owner, name, function))
        stack.enter_context(mode)
        yield mode
