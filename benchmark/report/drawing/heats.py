"""A face under the heat of a class's map: the parts of ``figure attention``."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from numpy.typing import NDArray

FINE = 96  # pixels of a drawn map
LEVELS = (0.5, 0.75)  # of the scale: a thin and a thick line, which print without colour
COLOURS = "YlOrRd"  # light to dark, so that it reads without colour as well
LABEL, MINOR = "#c91f16", "#1b7f3b"
_VEIL = 0.55  # opacity of the heat over the face


def enlarged(heats: NDArray[np.float64], size: int = FINE) -> NDArray[np.float64]:
    """Return a map (h, w) at size x size, bilinear between the middles of its places."""
    for axis in (0, 1):
        side = heats.shape[axis]
        at = (np.arange(size) + 0.5) * side / size - 0.5
        middles = np.arange(side)

        def between(line: NDArray[Any], at: Any = at, middles: Any = middles) -> Any:
            return np.interp(at, middles, line)

        heats = np.apply_along_axis(between, axis, heats)
    return heats


def bare(axes: Axes) -> None:
    """Leave nothing of the axes but what is drawn in them."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def draw_face(axes: Axes, pixels: NDArray[np.uint8]) -> None:
    """Draw a face as it is."""
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=(0, 1, 1, 0))


def draw_heat(
    axes: Axes, pixels: NDArray[np.uint8], heats: NDArray[np.float64], scale: Normalize
) -> AxesImage:
    """Draw a face under a map's heat, with a line at each of ``LEVELS``.

    Args:
        axes: to draw in.
        pixels: uint8 (H, W) or (H, W, 3).
        heats: (h, w), in multiples of even heat.
        scale: the same for all panels.
    """
    draw_face(axes, pixels)
    fine = enlarged(heats)
    drawn = axes.imshow(fine, cmap=COLOURS, norm=scale, alpha=_VEIL, extent=(0, 1, 1, 0))
    places = (np.arange(FINE) + 0.5) / FINE
    top = float(scale.vmax or 1)
    for level, width in zip(LEVELS, (0.5, 1.1), strict=True):
        if fine.min() < level * top < fine.max():
            axes.contour(places, places, fine, [level * top], colors="black", linewidths=width)
    return drawn


def frame(axes: Axes) -> None:
    """Frame the panel of the class that the network takes the face for."""
    axes.spines[:].set(visible=True, linewidth=1.6, color="black")


def name_class(axes: Axes, name: str, label: bool, minor: bool) -> None:
    """Name a column; the label is red, the minor class green, and words say so as well."""
    words = [word for word, is_so in (("label", label), ("minor class", minor)) if is_so]
    colour = LABEL if label else MINOR if minor else "black"
    weight = "bold" if words else "normal"
    axes.set_title(f"{name}\n{', '.join(words)}", size=6.5, color=colour, weight=weight)
