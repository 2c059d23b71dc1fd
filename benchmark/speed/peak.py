"""How fast the machine multiplies matrices: what every share of its peak is a share of."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmark import environment
from benchmark.models.bf16 import cpu_has_bf16
from benchmark.speed.findings import Findings, finding
from benchmark.speed.setting import Setting
from benchmark.speed.timing import interleaved

SIDE = 1024
_PRODUCTS = 5  # in a piece, so that it takes some hundredths of a second


def measure(setting: Setting) -> Findings:
    """Measure GFLOP/s with one thread and with all of them, in turns."""
    cores = environment.usable_cores()
    dtype = peak_dtype()
    task = products(dtype)
    threads = torch.get_num_threads()

    def with_threads(number: int) -> Callable[[], float]:
        def work() -> float:
            torch.set_num_threads(number)
            return task()

        return work

    try:
        # The last few seconds say it; a peak needs no longer.
        laps = interleaved(
            with_threads(1), {"all": with_threads(cores)}, min(setting.seconds, 10.0)
        )
        amount = task()
    finally:
        torch.set_num_threads(threads)
    name = str(dtype).removeprefix("torch.")
    what = f"{name} product of {SIDE} x {SIDE} matrices"
    rates = {"1 thread": laps.base, f"{cores} threads": laps.own["all"]}
    rows = [
        finding(f"{what}, {how}", "GFLOP/s", [amount / seconds for seconds in times])
        for how, times in rates.items()
    ]
    gain = [1 / ratio for ratio in laps.ratios("all")]
    return Findings([*rows, finding(f"{cores} threads against 1", "x", gain)])


def peak_dtype() -> torch.dtype:
    """Return what the CPU multiplies fastest: bf16 where it has it in hardware, else float32."""
    return torch.bfloat16 if cpu_has_bf16() else torch.float32


def products(
    dtype: torch.dtype,
    device: torch.device = torch.device("cpu"),  # noqa: B008
    side: int = SIDE,
) -> Callable[[], float]:
    """Return a task that multiplies some matrices and returns how many GFLOP that are."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(side, side, generator=generator).to(device, dtype) for _ in range(2))
    out = torch.empty(side, side, dtype=dtype, device=device)

    def work() -> float:
        for _ in range(_PRODUCTS):
            torch.mm(left, right, out=out)
        return _PRODUCTS * 2 * side**3 / 1e9

    return work
