"""Devices and precisions."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

from benchmark.errors import InputError
from benchmark.models.bf16 import cpu_has_bf16

DTYPES: dict[str, torch.dtype | None] = {
    "fp32": None,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def resolve_device(name: str) -> torch.device:
    """Return the device that ``auto``, ``cpu``, ``cuda`` (``cuda:1``), ``mps`` or ``xpu`` means.

    All but the CPU are untested; ``auto`` never means XPU.

    Raises:
        InputError: the device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps", "xpu"):
        raise InputError(f"--device {name}: use auto, cpu, cuda, cuda:N, mps or xpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise InputError(f"--device {name}: this machine has {found} CUDA devices; use cpu or auto")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("--device mps: this machine has none; use cpu or auto")
    if device.type == "xpu" and (device.index or 0) >= torch.xpu.device_count():
        raise InputError(f"--device {name}: this machine has no such XPU; use cpu or auto")
    return device


def cuda_devices() -> list[str]:
    """Return the names of all CUDA devices."""
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]


def free_gpu_memory_bytes(name: str) -> int:
    """Return the memory of a CUDA device that nobody has taken, this process included."""
    return torch.cuda.mem_get_info(torch.device(name))[0]


def keeps_images(size: int, device: torch.device) -> bool:
    """Whether a device keeps a dataset's images beside a training of them.

    CUDA alone, where a copy from the host at each step would cost something, and only where they
    take at most an eighth of the memory that is free now.

    Args:
        size: of the images in bytes.
        device: that trains.
    """
    return device.type == "cuda" and 8 * size <= free_gpu_memory_bytes(str(device))


def resolve_precision(precision: str, device: torch.device) -> str:
    """Return the precision that is meant on a device: ``auto`` becomes bf16, fp16 or fp32.

    Raises:
        InputError: the device cannot compute in the precision asked for.
    """
    if precision == "auto":
        if device.type == "cuda":
            with torch.cuda.device(device):  # the question is put to the current device
                has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
            return "bf16" if has_bf16 else "fp16"
        if device.type == "xpu":
            return "bf16" if torch.xpu.is_bf16_supported() else "fp16"
        return "bf16" if device.type == "cpu" and cpu_has_bf16() else "fp32"
    if precision == "fp16" and device.type == "cpu":
        raise InputError("--precision fp16 is for GPUs; on a CPU use bf16 or fp32")
    return precision


def asked_precision(precision: str, device: torch.device) -> str:
    """Return the precision that a caller from Python means.

    Raises:
        InputError: there is none of this name, or the device does not compute in it.
    """
    if precision not in ("auto", *DTYPES):
        raise InputError(f"precision {precision!r}: use auto, {', '.join(DTYPES)}")
    return resolve_precision(precision, device)


def kept_precision(precision: str, device: torch.device) -> str:
    """Return the precision that a trained network computes in: its own, or a finer one."""
    return "fp32" if precision == "fp16" and device.type == "cpu" else precision


def multiplies_rounded(precision: str, device: torch.device) -> bool:
    """Whether bf16 is computed on a device as float32 of rounded numbers."""
    return precision == "bf16" and device.type == "cpu" and not cpu_has_bf16()


def precision_note(precision: str, device: torch.device, *, compiled: bool) -> str:
    """Return what there is to say of a precision on a device, empty if nothing is.

    Args:
        precision: of the backbone's layers.
        device: that trains.
        compiled: whether it trains by kernels of torch.compile.
    """
    if not multiplies_rounded(precision, device):
        return ""
    if compiled:
        return (
            "this CPU does not multiply bf16 in hardware, and compiled kernels stand in for it; it "
            "may be quicker without '--compile' or with '--precision fp32'"
        )
    return (
        "this CPU does not multiply bf16 in hardware; float32 multiplies the rounded numbers of "
        "convolutions and linear layers, which takes about as long as '--precision fp32'"
    )


@contextmanager
def private_generators(device: torch.device) -> Iterator[None]:
    """Leave torch's own generators as they were, and count the device's memory anew.

    What training draws from the generators is seeded step by step; the caller's state is not ours.
    """
    counted = device.type in ("cuda", "xpu")
    kind = device.type if counted else "cuda"
    # Forking starts the device, without which nothing is counted.
    with torch.random.fork_rng(devices=[device] if counted else [], device_type=kind):
        if counted:
            getattr(torch, kind).reset_peak_memory_stats(device)
        yield


def keep_float32() -> None:
    """Ask for float32 where float32 is meant: by default cuDNN's convolutions take TF32 for it.

    TF32 has the 10 bits of float16's mantissa. A record that says fp32 should not mean one thing
    on a GPU and another on a CPU; the attention maps of EAC and MEK are float32 in any precision.
    """
    torch.backends.cudnn.allow_tf32 = False


@contextmanager
def kept_float32() -> Iterator[None]:
    """Do as :func:`keep_float32` says, and leave the caller's own choice as it was."""
    before = torch.backends.cudnn.allow_tf32
    keep_float32()
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def be_deterministic(device: torch.device) -> str:
    """Allow only kernels that repeat bit for bit, and return in one line what that costs."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS asks for
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    if device.type == "cpu":
        return "deterministic: on a CPU nothing changes, training repeats bit for bit anyway"
    return (
        "deterministic: only kernels that repeat bit for bit, which are slower; a method that "
        "needs one that does not exist fails and says which"
    )


@cache
def _driver() -> str | None:
    """Return the version of NVIDIA's driver, or None where its tool does not answer."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.partition("\n")[0].strip() or None


def describe_device(device: torch.device) -> dict[str, Any]:
    """Return what a record keeps of the device."""
    facts: dict[str, Any] = {
        "device": device.type,
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["cuda"] = torch.version.cuda
        facts["driver"] = _driver()
        facts["peak_gpu_memory_bytes"] = torch.cuda.max_memory_reserved(device)
    if device.type == "xpu":
        facts["gpu"] = torch.xpu.get_device_name(device)
        facts["peak_gpu_memory_bytes"] = torch.xpu.max_memory_reserved(device)
    return facts
