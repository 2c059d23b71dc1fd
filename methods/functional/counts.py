"""What formulas take: class counts, and numbers for all samples or for each.

Shapes: B batch, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Counts = Tensor | Sequence[int] | Sequence[float]


def positive_counts(counts: Counts) -> Tensor:
    """Return class counts as float64 (K,); a class without images has no weight to give.

    Where they lie on a GPU they are not looked at, as that would wait for it.
    """
    tensor = torch.as_tensor(counts, dtype=torch.float64)
    if tensor.ndim != 1 or (tensor.is_cpu and not bool((tensor > 0).all())):
        raise ValueError(f"class counts must be positive, one per class, got {tensor.tolist()}")
    return tensor


def like(values: Tensor, counts: Counts) -> Tensor:
    """Return weights in the dtype of floating counts, else in float32."""
    floating = isinstance(counts, Tensor) and counts.is_floating_point()
    return values.to(counts.dtype if floating else torch.float32)  # type: ignore[union-attr]


def per_sample(value: float | Tensor) -> Tensor:
    """Return what is one for all, (), or one for each sample, (B, 1), to compute with (B, K).

    One number stays on the host, float32: to send it to a GPU would wait there, and no operation
    asks for it.
    """
    tensor = torch.as_tensor(value)
    return tensor[:, None] if tensor.ndim else tensor
