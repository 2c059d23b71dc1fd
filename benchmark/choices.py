"""The names that options offer, for whoever must not import what they stand for."""

from __future__ import annotations

from typing import Literal

SYNTHETIC = "synthetic"
DATASETS = (SYNTHETIC, "ferplus", "ferplus-8", "raf-db", "folder")
IMAGES: tuple[Literal["all", "clean", "no-near-copies"], ...] = ("all", "clean", "no-near-copies")
"""Which images count: :data:`benchmark.data.marks.Images`."""
