"""Mean and variance of feature maps, gathered over batches."""

from __future__ import annotations

import torch
from torch import Tensor


class Moments:
    """Count, mean and sum of squared deviations per channel, float64, over batches of maps.

    Batches are merged as in Chan, Golub & LeVeque, "Algorithms for computing the sample variance",
    The American Statistician, 1983, which does not cancel where means are large.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(())
        self.squares = torch.zeros(())

    def add(self, maps: Tensor) -> None:
        """Take in maps (B, C, h, w)."""
        variance, mean = torch.var_mean(maps.double(), dim=(0, 2, 3), correction=0)
        count = maps.numel() // maps.shape[1]
        if self.count == 0:
            self.count, self.mean, self.squares = count, mean, variance * count
            return
        total = self.count + count
        difference = mean - self.mean
        self.squares = (
            self.squares + variance * count + difference.square() * (self.count * count / total)
        )
        self.mean = self.mean + difference * (count / total)
        self.count = total
