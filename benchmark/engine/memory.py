"""Memory: kept between steps, and what would fit when it runs out."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable

import torch

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # glibc's malloc.h
_LARGE = 1 << 30


def keep_freed_memory() -> None:
    """Ask the C library to keep what training frees, as the next step wants it again.

    By default large blocks go back to the system at once, and every page of the next one is a
    fault: measured on a virtual machine with `compact`, 3,000 faults and a tenth of the time of a
    step. Other C libraries than glibc are left alone.
    """
    mallopt = _glibc("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _LARGE)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on a device or on the host."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # The host's allocators, torch's and oneDNN's, and CUDA's libraries raise a plain RuntimeError.
    # Of a primitive oneDNN does not say why there is none; memory is the usual reason once
    # training runs.
    told = (
        "allocate memory",
        "not enough memory",
        "could not create a memory",
        "could not create a primitive",
        "CUDA error: out of memory",
        "MPS backend out of memory",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "CUDNN_STATUS_ALLOC_FAILED",
    )
    return isinstance(error, RuntimeError) and any(text in str(error) for text in told)


def largest_that_fits(attempt: Callable[[int], None], size: int) -> int | None:
    """Return the largest size of ``size`` / 2, / 4, ... that an attempt survives, None if none.

    Args:
        attempt: does the work at a size; what it raises for lack of memory is heeded, anything
            else passes through.
        size: the one that did not fit.
    """
    while size > 1:
        size //= 2
        release()
        try:
            attempt(size)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            return size
    return None


def release() -> None:
    """Give back what is no longer referred to, on the host and on the device."""
    gc.collect()
    trim = _glibc("malloc_trim")
    if trim is not None:  # what was kept would stand in the way of a smaller step's kernels
        trim(0)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.xpu.is_available():
        torch.xpu.empty_cache()


def _glibc(function: str) -> Callable[..., int] | None:
    """Return a function of the C library, or None where it has none such."""
    if not sys.platform.startswith("linux"):
        return None
    found: Callable[..., int] | None = getattr(ctypes.CDLL(None), function, None)
    return found
