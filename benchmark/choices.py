"""The names that options offer, for whoever must not import what they stand for."""

from __future__ import annotations

from typing import Literal, get_args

SYNTHETIC = "synthetic"
Images = Literal["all", "clean", "no-near-copies"]
"""Which images count: all; without exact copies; without mirrored and near ones, too."""

IMAGES: tuple[Images, ...] = get_args(Images)

FIGURE_FORMATS = ("pdf", "svg", "png")

CELLS_OPTION = "--cells"
"""Hands a job of a sweep its cells, in a file that is gone when the sweep ends."""
