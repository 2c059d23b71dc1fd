"""Where a hyper-parameter is looked for when values are chosen."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True)
class Space(ABC):
    """A range and how points are spread over it.

    Attributes:
        low: its lower end.
        high: its upper end.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse a range that has no inside."""
        if not self.low < self.high:
            raise ValueError(f"a search space needs low < high, got {self.low} and {self.high}")

    def at(self, share: float) -> float:
        """Return the value at a share of the range, to three digits.

        0 is its lower end, 1 its upper one; what is less or more lies beyond.
        """
        low, high = self.scale(self.low), self.scale(self.high)
        return self.rounded(self.unscale(low + share * (high - low)))

    def place(self, value: float) -> float:
        """Return at which share of the range a value lies: below 0 or above 1 beyond its ends."""
        low, high = self.scale(self.low), self.scale(self.high)
        return (self.scale(value) - low) / (high - low)

    def rounded(self, value: float) -> float:
        """Return a value to three digits: nobody can tell more by tries."""
        return float(f"{value:.3g}")

    @abstractmethod
    def scale(self, value: float) -> float:
        """Return the value on the scale on which points are spread evenly."""

    @abstractmethod
    def unscale(self, place: float) -> float:
        """Return the value at a place of that scale."""


class Linear(Space):
    """Evenly spread values."""

    def scale(self, value: float) -> float:
        """Return the value itself."""
        return value

    def unscale(self, place: float) -> float:
        """Return the place itself."""
        return place

    def __str__(self) -> str:
        """Return the range in words."""
        return f"{self.low:g} to {self.high:g}"


class Log(Space):
    """Evenly spread orders of magnitude."""

    def scale(self, value: float) -> float:
        """Return the logarithm."""
        return math.log(value)

    def unscale(self, place: float) -> float:
        """Return the exponential."""
        return math.exp(place)

    def __str__(self) -> str:
        """Return the range in words."""
        return f"{self.low:g} to {self.high:g}, log"


class LogToOne(Space):
    """Evenly spread orders of magnitude of what is missing to 1."""

    def scale(self, value: float) -> float:
        """Return -log(1 - value)."""
        return -math.log1p(-value)

    def unscale(self, place: float) -> float:
        """Return 1 - exp(-place)."""
        return -math.expm1(-place)

    def rounded(self, value: float) -> float:
        """Return a value of which three digits of what is missing to 1 are kept."""
        return round(1 - float(f"{1 - value:.3g}"), 12)

    def __str__(self) -> str:
        """Return the range in words."""
        return f"{self.low:g} to {self.high:g}, log of what is missing to 1"
