"""Drawn faces: head, hair, brows, eyes, nose, mouth and folds, moved by facial action units.

The face frame has its origin between eyes and nose tip, x to the right and y down; the image spans
-1..1 in both. Every part is a signed distance that a soft step of one pixel turns into coverage.

What each action unit does follows Ekman, Friesen & Hager, "Facial Action Coding System: The
Manual", 2002. How far it moves a part here was chosen by eye.

On the pixels only +, -, *, / and square root are used, which IEEE 754 rounds correctly, so that the
same faces come out on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
"""Arrays of this module are float32; scalars of Python do not widen them."""

ACTION_UNITS = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    12: "lip corner puller",
    15: "lip corner depressor",
    16: "lower lip depressor",
    20: "lip stretcher",
    23: "lip tightener",
    26: "jaw drop",
}
"""The action units that can be drawn, by their number in FACS."""

TRAITS: dict[str, tuple[float, float]] = {
    # identity, in units of the face frame
    "head_width": (0.62, 0.76),
    "head_height": (0.86, 0.98),
    "jaw_taper": (0.10, 0.32),
    "hairline": (-0.78, -0.52),
    "hair_curve": (0.1, 0.9),
    "hair_length": (-0.2, 0.9),
    "brow_height": (-0.33, -0.25),
    "brow_thickness": (0.018, 0.045),
    "brow_arch": (0.0, 0.06),
    "brow_tilt": (-0.03, 0.03),
    "eye_distance": (0.28, 0.34),
    "eye_width": (0.13, 0.18),
    "eye_opening": (0.055, 0.085),
    "nose_length": (0.22, 0.32),
    "nose_width": (0.09, 0.14),
    "mouth_height": (0.50, 0.57),
    "mouth_width": (0.21, 0.29),
    "mouth_bend": (-0.025, 0.025),
    "lip_thickness": (0.03, 0.065),
    "folds": (0.0, 0.35),
    "eye_bags": (0.0, 0.25),
    "glasses": (-11.00, 1.00),  # the rims' opacity; nobody below 0 wears any
    "beard": (-7.00, 1.00),  # likewise
    # tones: 0 is black, 1 white; brows, lips and irises are fractions of the skin's
    "skin": (0.50, 0.82),
    "hair": (0.05, 0.55),
    "background": (0.15, 0.75),
    "brow_tone": (0.25, 0.65),
    "lip_tone": (0.60, 0.88),
    "iris_tone": (0.10, 0.45),
    # Pose, as little as a detector's alignment leaves; a thousand faces would not teach a network
    # more. Roll as the tangent of half the angle, yaw and pitch as shifts of the features.
    "roll": (-0.04, 0.04),
    "shift_x": (-0.03, 0.03),
    "shift_y": (-0.03, 0.03),
    "scale": (1.16, 1.32),
    "yaw": (-0.06, 0.06),
    "pitch": (-0.03, 0.03),
    "asymmetry": (-0.05, 0.05),
    "gaze": (-0.04, 0.04),
    # light: the fall-off over the face from the side and from above
    "light_x": (-0.28, 0.28),
    "light_y": (-0.20, 0.12),
}
"""What varies between two faces with the same expression, each with its range."""


def middle_traits(count: int) -> dict[str, Floats]:
    """Return the traits of ``count`` average faces, each trait float32 of shape (count,)."""
    return {k: np.full(count, (lo + hi) / 2, np.float32) for k, (lo, hi) in TRAITS.items()}


def _step(inside: Floats, softness: Floats) -> Floats:
    """Return the coverage of a shape from the signed distance to its edge, positive inside."""
    scaled = inside / softness
    scaled += 0.5
    return np.clip(scaled, 0, 1, out=scaled)


def _bump(x: Floats, y: Floats) -> Floats:
    """Return a soft spot, 1 at the origin and 0 beyond the unit circle."""
    bump: Floats = np.maximum(1 - x * x - y * y, 0)
    bump *= bump
    return bump


def _blend(canvas: Floats, tone: Floats | float, coverage: Floats) -> None:
    """Lay a tone over the canvas, in place."""
    canvas += coverage * (tone - canvas)


def _shade(canvas: Floats, depth: Floats) -> None:
    """Darken the canvas by a fraction, in place; a negative depth lights it."""
    canvas *= 1 - depth


class _Painter:
    """A chunk of faces on their canvas: traits and units as (n, 1, 1), pixels as (n, S, S)."""

    def __init__(self, traits: Mapping[str, Floats], units: Mapping[int, Floats], size: int):
        self.trait = {k: v.astype(np.float32)[:, None, None] for k, v in traits.items()}
        self.au = {k: v.astype(np.float32)[:, None, None] for k, v in units.items()}
        t = self.trait
        grid = ((np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1).astype(np.float32)
        # Rotation by rational functions of the half angle's tangent: no libm, hence the same bits
        # everywhere.
        half = t["roll"]
        cos, sin = (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)
        x = (grid[None, None, :] - t["shift_x"]) / t["scale"]
        y = (grid[None, :, None] - t["shift_y"]) / t["scale"]
        self.head_x: Floats = cos * x + sin * y
        self.head_y: Floats = cos * y - sin * x
        self.pixel: Floats = 2 / size / t["scale"]
        # Turning the head moves the features over the skull; one side is seen foreshortened.
        x = self.head_x - t["yaw"]
        x = x * (1 + t["yaw"] * x)
        self.x = x
        self.y: Floats = self.head_y - t["pitch"] + t["asymmetry"] * 0.5 * x
        self.side: Floats = np.abs(x)  # the face is symmetric: both halves are drawn at once
        self.canvas: Floats = np.empty((len(half), size, size), np.float32)

    def line(self, distance: Floats, width: Floats | float) -> Floats:
        """Return the coverage of a line; thinner than a pixel, it grows faint, not ragged."""
        half = np.maximum(0.5 * width, 0.5 * self.pixel)
        covered = _step(half - np.abs(distance), self.pixel)
        covered *= 0.5 * width / half
        return covered

    def head(self) -> None:
        """Background, hair and the shaded skin."""
        t, x, y = self.trait, self.head_x, self.head_y
        below = np.maximum(y, 0)
        width = t["head_width"] * (1 - t["jaw_taper"] * below * below)
        height = t["head_height"] + np.where(y > 0, 0.07 * self.au[26], 0)
        u, v = x / width, y / height
        radius = np.sqrt(u * u + v * v)
        edge = (1 - radius) * t["head_width"]
        self.canvas[:] = t["background"] * (1 - 0.12 * y)
        neck = np.minimum(t["head_width"] * 0.62 - np.abs(x), y - 0.5)
        _blend(self.canvas, t["skin"] * 0.55, _step(neck, self.pixel))
        mane = np.minimum(edge + 0.11, t["hair_length"] - y)
        _blend(self.canvas, t["hair"], _step(mane, self.pixel * 2))
        light = 1 - t["light_x"] * u - t["light_y"] * v - 0.30 * (u * u + v * v)
        _blend(self.canvas, t["skin"] * (light + 0.12), _step(edge, self.pixel))
        fringe = np.minimum(t["hairline"] + t["hair_curve"] * x * x - y, edge + 0.10)
        strands = t["hair"] * (1 + 0.25 * u)
        _blend(self.canvas, strands, _step(fringe, self.pixel * 3))

    def brows(self) -> None:
        """Brows: a slanted arch whose inner end, outer end and bow move apart (AU 1, 2, 4)."""
        t, au = self.trait, self.au
        inner_x = t["eye_distance"] - 0.20 - 0.05 * au[4]
        length = 0.40
        along = np.clip((self.side - inner_x) / length, 0, 1)
        lift = 0.03 * au[5] - 0.05 * au[9] - 0.02 * au[6]
        inner = t["brow_height"] - t["brow_tilt"] - lift
        # Together with AU 1 the corrugator no longer lowers the inner end, it only draws it in.
        sink = 0.12 * au[4] * (1 - 0.8 * au[1])
        inner = inner - 0.15 * au[1] + sink
        outer = t["brow_height"] + t["brow_tilt"] - lift * 0.5
        outer = outer - 0.15 * au[2] + 0.03 * au[4]
        bow = t["brow_arch"] + 0.05 * au[2] - 0.06 * au[4]
        curve = inner + along * (outer - inner) - bow * 4 * along * (1 - along)
        thick = t["brow_thickness"] * (1 - 0.6 * along)
        shape = np.minimum(self.side - inner_x, inner_x + length - self.side)
        shape = np.minimum(shape, thick - np.abs(self.y - curve))
        _blend(self.canvas, t["skin"] * t["brow_tone"], _step(shape, self.pixel * 1.3))

    def eyes(self) -> None:
        """Sockets, sclera, iris and lid lines; AU 5 lifts, AU 6, 7 and 9 narrow the opening."""
        t, au = self.trait, self.au
        x = self.side - t["eye_distance"]
        u = x / t["eye_width"]
        bow = np.maximum(1 - u * u, 0)
        upper = t["eye_opening"] + 0.065 * au[5] - 0.025 * au[7]
        upper = upper - 0.012 * (au[6] + au[9] + au[4])
        lower = 0.6 * t["eye_opening"] + 0.01 * au[5]
        lower = lower - 0.035 * au[7] - 0.03 * au[6]
        lower = lower - 0.02 * au[9]
        _shade(self.canvas, 0.22 * _bump(x * 3.6, self.y * 4))
        above = self.y + np.maximum(upper, 0.008) * bow
        below = np.maximum(lower, 0.004) * bow - self.y
        inside = _step(1 - np.abs(u), self.pixel / t["eye_width"])
        opening = inside * _step(np.minimum(above, below), self.pixel)
        _blend(self.canvas, np.minimum(t["skin"] * 1.25, 0.95), opening)
        iris_x = self.x - np.where(self.x > 0, t["eye_distance"], -t["eye_distance"]) - t["gaze"]
        radius = np.sqrt(iris_x * iris_x + self.y * self.y)
        iris = _step(0.072 - radius, self.pixel)
        _blend(self.canvas, t["skin"] * t["iris_tone"], iris * opening)
        _shade(self.canvas, 0.6 * inside * self.line(above, 0.035))
        _shade(self.canvas, 0.3 * inside * self.line(below, 0.02))
        # The cheek that AU 6 pushes up folds the skin beneath the lower lid and at its outer end.
        bag = self.y - 0.13 - 0.05 * (bow - 1) + 0.03 * au[6]
        depth = t["eye_bags"] + 0.45 * au[6] + 0.2 * au[7]
        wide = _step(1.2 - np.abs(u), self.pixel / t["eye_width"])
        _shade(self.canvas, depth * wide * self.line(bag, 0.03))

    def nose(self) -> None:
        """Bridge, wings and nostrils; AU 9 lifts the wings and wrinkles the bridge."""
        t, au = self.trait, self.au
        base = t["nose_length"] - 0.05 * au[9]
        wing = t["nose_width"] + 0.02 * (au[9] + au[12])
        side = np.where(t["light_x"] > 0, self.x, -self.x)
        v = (self.y - base * 0.45) / (base * 0.75)
        _shade(self.canvas, 0.22 * _bump((side - 0.07) * 12, v))
        tip = (self.y - base + 0.05) * 10
        _shade(self.canvas, -0.12 * _bump(self.x / wing, tip))
        y = self.y - base
        nostril = _bump((self.side - wing * 0.6) * 18, y * 26)
        _shade(self.canvas, 0.65 * nostril)
        _shade(
            self.canvas,
            0.35 * _bump((self.side - wing) * 24, (y + 0.03) * 14),
        )
        # Transverse wrinkles over the bridge: ripples from a triangle wave.
        phase = (self.y - self.side * 0.6) * 11
        ripple = np.abs(phase - np.rint(phase)) * 2
        bridge = _bump(self.x * 6, (self.y + 0.03) * 6)
        _shade(self.canvas, 0.7 * au[9] * ripple * bridge)

    def mouth(self) -> None:
        """Lips, opening and teeth; all of AU 9, 12, 15, 16, 20, 23 and 26 meet here."""
        t, au = self.trait, self.au
        half = t["mouth_width"] + 0.09 * au[12] + 0.10 * au[20]
        half = half - 0.05 * au[23] - 0.03 * au[26]
        half = half - 0.02 * au[15]
        corner = t["mouth_bend"] - 0.15 * au[12] + 0.13 * au[15]
        corner = corner + 0.06 * au[20]
        gape_up = 0.02 * (au[12] + au[20]) + 0.03 * au[9]
        gape_up = gape_up + 0.03 * au[26]
        gape_down = 0.17 * au[26] + 0.03 * au[20]
        gape_down = gape_down + 0.075 * au[16] + 0.035 * au[12]
        tight = (1 - 0.65 * au[23]) * (1 - 0.25 * (au[20] + au[12]) / 2)
        upper_lip = t["lip_thickness"] * tight * 0.8
        lower_lip = t["lip_thickness"] * tight * (1 - 0.3 * au[16])
        u = self.x / half
        bend = np.minimum(u * u, 1)
        bow = 1 - bend
        y = self.y - t["mouth_height"] - corner * (bend - 0.5)
        y = y + 0.03 * au[9] * bow
        ends = _step(half - self.side, self.pixel)
        lips = np.minimum(y + (gape_up + upper_lip) * bow, (gape_down + lower_lip) * bow - y)
        _blend(self.canvas, t["skin"] * t["lip_tone"], ends * _step(lips, self.pixel))
        _shade(self.canvas, 0.45 * ends * self.line(y - gape_down * bow, 0.022))
        opening = np.minimum(y + gape_up * bow, gape_down * bow - y)
        opened = ends * _step(opening, self.pixel) * np.minimum((gape_up + gape_down) * 25, 1)
        _blend(self.canvas, 0.06, opened)
        show = 0.045 + 0.02 * (au[12] + au[20]) - 0.02 * au[26]
        teeth = np.minimum(show - gape_up * bow - y, opening)
        _blend(self.canvas, 0.88, opened * _step(teeth, self.pixel))
        under = (y - gape_down - lower_lip - 0.06) * 14
        _shade(self.canvas, (0.22 + 0.2 * au[23]) * _bump(u * 2, under))
        self._folds(half, corner)

    def beard(self) -> None:
        """A shadow over chin, cheeks and upper lip of those who wear one."""
        t = self.trait
        y = (self.y - 0.62) * 2.2
        spot = _bump(self.side / t["head_width"] * 0.9, y)
        _shade(self.canvas, 0.55 * np.maximum(t["beard"], 0) * spot)

    def glasses(self) -> None:
        """Round rims and a bridge on those who wear them."""
        t = self.trait
        x = self.side - t["eye_distance"]
        rim = np.sqrt(x * x + self.y * self.y) - 0.21
        bridge = np.maximum(self.side - t["eye_distance"] + 0.2, 0)
        bridge = np.sqrt(bridge * bridge + self.y * self.y)
        worn = np.maximum(t["glasses"], 0)
        _shade(self.canvas, worn * np.maximum(self.line(rim, 0.04), self.line(bridge, 0.04)))

    def _folds(self, mouth: Floats, corner: Floats) -> None:
        """Nasolabial folds (AU 9, 12, 6, 20) and the pouch at the lip corner (AU 15)."""
        t, au = self.trait, self.au
        start = t["nose_length"] - 0.04 - 0.06 * au[9]
        stop = t["mouth_height"] + corner * 0.5
        along = (self.y - start) / np.maximum(stop - start, 0.1)
        reach = np.clip(along, 0, 1)
        top = t["nose_width"] + 0.03
        curve = top + (mouth + 0.05 - top) * reach * (2 - reach)
        depth = t["folds"] + 0.35 * au[12] + 0.40 * au[9]
        depth = depth + 0.15 * (au[6] + au[20])
        ends = np.clip(np.minimum(along, 1 - along) * 6 + 0.5, 0, 1)
        fold = ends * self.line(self.side - curve, 0.035)
        _shade(self.canvas, np.minimum(depth, 0.6) * fold)
        y = self.y - t["mouth_height"] - corner * 0.5 - 0.03
        pouch = _bump((self.side - mouth - 0.02) * 16, y * 12)
        _shade(self.canvas, 0.5 * au[15] * pouch)
        # AU 6 and 12 raise the cheek to a bulge that catches the light.
        cheek = _bump((self.side - 0.36) * 6, (self.y - 0.22) * 8)
        _shade(self.canvas, -0.12 * (au[6] + 0.5 * au[12]) * cheek)

    def brow_folds(self) -> None:
        """Furrows between the brows (AU 4) and across the forehead (AU 1 and 2)."""
        t, au = self.trait, self.au
        y = self.y - t["brow_height"]
        furrow = self.line(self.side - 0.05, 0.03)
        furrow = furrow * np.clip(1 - np.abs(y) * 8, 0, 1)
        _shade(self.canvas, 0.45 * au[4] * furrow)
        phase = (y - 0.10 * self.side) * 9
        ripple = np.abs(phase - np.rint(phase)) * 2
        # AU 1 alone wrinkles the middle of the forehead, AU 2 its sides.
        centre = _bump(self.side * 3, (y + 0.25) * 7)
        flank = _bump((self.side - 0.35) * 4, (y + 0.25) * 7)
        _shade(self.canvas, 0.3 * ripple * (au[1] * centre + au[2] * flank))


def draw_faces(traits: Mapping[str, Floats], units: Mapping[int, Floats], size: int) -> Floats:
    """Draw faces without any disturbance of the camera.

    Args:
        traits: all of ``TRAITS``, float32, (N,) each.
        units: the intensity of all of ``ACTION_UNITS`` in 0..1, float32, (N,) each.
        size: height and width in pixels.

    Returns:
        float32, (N, size, size), about 0 (black) to 1 (white), not clipped.
    """
    painter = _Painter(traits, units, size)
    painter.head()
    painter.eyes()
    painter.brow_folds()
    painter.brows()
    painter.nose()
    painter.beard()
    painter.mouth()
    painter.glasses()
    return painter.canvas
