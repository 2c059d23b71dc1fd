"""Class counts: what a formula takes of the training set.

Shapes: B batch, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Counts = Tensor | Sequence[int] | Sequence[float]


def positive_counts(counts: Counts) -> Tensor:
    """Return class counts as float64 (K,); a class without images has no weight to give."""
    tensor = torch.as_tensor(counts, dtype=torch.float64)
    if tensor.ndim != 1 or not bool((tensor > 0).all()):
        raise ValueError(f"class counts must be positive, one per class, got {tensor.tolist()}")
    return tensor


def like(values: Tensor, counts: Counts) -> Tensor:
    """Return weights in the dtype of floating counts, else in float32."""
    floating = isinstance(counts, Tensor) and counts.is_floating_point()
    return values.to(counts.dtype if floating else torch.float32)  # type: ignore[union-attr]
