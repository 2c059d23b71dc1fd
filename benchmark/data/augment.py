"""Images from uint8 to what a network is fed: batched tensor operations on the device.

Small random parameters (angles, boxes) are drawn on the host, so they are the same on every
device; pixel noise is drawn where the images are.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.data.transfer import move
from benchmark.protocols.protocol import AugmentSpec, ImageSpec

_ASPECT = (0.3, 3.3)  # torchvision's RandomErasing default, kept by the authors' code


def to_planes(images: Tensor) -> Tensor:
    """Turn uint8 (B, H, W) or (B, H, W, 3) into float32 (B, 1 or 3, H, W) on the scale 0..255."""
    planes = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
    return planes.float()


def resize(planes: Tensor, size: int) -> Tensor:
    """Resample (B, C, H, W) bilinearly to (B, C, size, size), without aliasing when it shrinks."""
    if planes.shape[-2:] == (size, size):
        return planes
    shrinks = size < max(planes.shape[-2:])  # a side that grows is the same either way
    return F.interpolate(planes, (size, size), mode="bilinear", antialias=shrinks)


def normalise(planes: Tensor, spec: ImageSpec) -> Tensor:
    """Return (x - mean) / deviation, float32 (B, 3, H, W); grey is repeated to three channels."""
    n, _, height, width = planes.shape
    channels = planes.expand(-1, 3, -1, -1).unbind(1)
    view = planes.new_empty(n, 3, height, width)
    # Numbers of the host, as a tensor of them would have to be copied to the device at every step.
    values = zip(view.unbind(1), channels, spec.mean, spec.deviation, strict=True)
    for out, channel, mean, deviation in values:
        # One pass over what is the largest array of a batch.
        torch.add(torch.tensor(-mean / deviation), channel, alpha=1 / deviation, out=out)
    return view


def evaluation_view(images: Tensor, spec: ImageSpec) -> Tensor:
    """Return un-augmented images, float32 (B, 3, S, S), of uint8 (B, H, W[, 3])."""
    return normalise(resize(to_planes(images), spec.size), spec)


def training_view(
    images: Tensor,
    image: ImageSpec,
    augment: AugmentSpec,
    *,
    flip: bool,
    host: torch.Generator,
    device: torch.Generator,
) -> Tensor:
    """Return one random view of each image, float32 (B, 3, S, S).

    Noise is added at the source's own size; mirror, rotation, zoom and shift are one resampling
    that also enlarges; erased pixels become the mean colour, which is zero after normalisation.

    Args:
        images: uint8 (B, H, W) or (B, H, W, 3).
        image: size and normalisation.
        augment: probabilities and ranges.
        flip: whether to mirror at random; a method with a mirrored view of its own may not want it.
        host: generator of the parameters.
        device: generator of pixel noise, on the images' device.
    """
    n, size = len(images), image.size
    planes = add_noise(to_planes(images), augment, host=host, device=device)
    theta = draw_affine(n, augment, flip=flip, generator=host)
    boxes = draw_boxes(n, size, augment, generator=host)
    if theta is None:
        planes = resize(planes, size)
    elif not (augment.rotation or augment.zoom or augment.shift):
        mirrored = move(theta[:, 0, 0] < 0, planes.device)
        planes = resize(mirror(planes, mirrored), size)
    else:
        planes = warp(planes, move(theta, planes.device), size)
    view = normalise(planes, image)
    return view if boxes is None else erase(view, boxes)


def add_noise(
    planes: Tensor, spec: AugmentSpec, *, host: torch.Generator, device: torch.Generator
) -> Tensor:
    """Add Gaussian noise to a random choice of images, clipped to 0..255."""
    if spec.noise == 0 or spec.noise_variance == 0:
        return planes
    chosen = torch.rand(len(planes), generator=host) < spec.noise
    noise = torch.randn(planes.shape, generator=device, device=planes.device)
    scale = move(chosen, planes.device).float() * math.sqrt(spec.noise_variance)
    return (planes + noise * scale[:, None, None, None]).clamp_(0, 255)


def draw_affine(
    n: int, spec: AugmentSpec, *, flip: bool, generator: torch.Generator
) -> Tensor | None:
    """Draw the sampling matrices of n images, float32 (n, 2, 3), or None if nothing moves.

    A matrix maps output to input coordinates on -1..1, as ``F.affine_grid`` wants it.
    """
    flips = flip and spec.flip > 0
    if not (flips or spec.rotation or spec.zoom or spec.shift):
        return None
    # All five numbers are always drawn, so that one setting does not shift the others' draws.
    u = torch.rand(n, 5, generator=generator)
    angle, zoom, dx, dy = (2 * u[:, :4] - 1).unbind(1)
    angle, zoom = angle * spec.rotation, 1 + zoom * spec.zoom
    sign = torch.where(u[:, 4] < spec.flip, -1.0, 1.0) if flips else torch.ones(n)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    # A shift by a fraction of the side is twice that on -1..1.
    row_x = torch.stack([sign * cos, -sin, 2 * spec.shift * dx], dim=1)
    row_y = torch.stack([sign * sin, cos, 2 * spec.shift * dy], dim=1)
    return torch.stack([row_x, row_y], dim=1)


def mirror(planes: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the images of (B, C, H, W) where ``chosen``, bool (B,): a warp without a grid."""
    return torch.where(chosen[:, None, None, None], planes.flip(-1), planes)


def warp(planes: Tensor, theta: Tensor, size: int) -> Tensor:
    """Resample (B, C, H, W) through theta (B, 2, 3) to (B, C, size, size), borders repeated."""
    if size < max(planes.shape[-2:]):
        planes = resize(planes, size)  # shrink first: a grid samples points, not areas
    return F.grid_sample(
        planes, affine_grid(theta, size), padding_mode="border", align_corners=False
    )


def affine_grid(theta: Tensor, size: int) -> Tensor:
    """Return the points to sample, float32 (B, size, size, 2), x before y on -1..1.

    The same as ``F.affine_grid(..., align_corners=False)``, which multiplies a matrix of three
    columns for every pixel; a row's and a column's share added up are many times faster.

    Args:
        theta: float32 (B, 2, 3), from :func:`draw_affine`.
        size: height and width of the view.
    """
    centers = torch.arange(1, 2 * size, 2, device=theta.device) / size - 1
    across = theta[:, :, 0, None] * centers + theta[:, :, 2, None]  # (B, 2, size)
    down = theta[:, :, 1, None] * centers
    return across.transpose(1, 2)[:, None] + down.transpose(1, 2)[:, :, None]


def draw_boxes(
    n: int, size: int, spec: AugmentSpec, *, generator: torch.Generator
) -> Tensor | None:
    """Draw one rectangle an image, int64 (n, 4): top, bottom, left, right; empty where spared."""
    if spec.erase == 0:
        return None
    u = torch.rand(n, 5, generator=generator)
    low, high = spec.erase_range
    if spec.erase_shape == "sides":
        height, width = (low + (high - low) * u[:, :2]).unbind(1)
    else:
        area = low + (high - low) * u[:, 0]
        log_low, log_high = (math.log(bound) for bound in _ASPECT)
        aspect = torch.exp(log_low + (log_high - log_low) * u[:, 1])
        height, width = torch.sqrt(area * aspect), torch.sqrt(area / aspect)
    sides = (torch.stack([height, width], dim=1).clamp(max=1.0) * size).round().long()
    start = (u[:, 2:4] * (size - sides + 1)).floor().long()
    sides = sides * (u[:, 4] < spec.erase).long()[:, None]
    stop = start + sides
    return torch.stack([start[:, 0], stop[:, 0], start[:, 1], stop[:, 1]], dim=1)


def erase(view: Tensor, boxes: Tensor) -> Tensor:
    """Set the rectangles (B, 4) of a normalised view (B, C, H, W) to zero, the mean colour.

    The view itself is changed. On a CPU the boxes are written one by one, a tenth of the time of a
    mask; elsewhere that would be as many kernels, and their places are those of the step, which a
    CUDA graph could not repeat.
    """
    if not view.is_cpu:
        mask = box_mask(move(boxes, view.device), view.shape[-1])
        return view.masked_fill_(mask[:, None], 0)
    for image, (top, bottom, left, right) in zip(view, boxes.tolist(), strict=True):
        if top < bottom:
            image[:, top:bottom, left:right] = 0
    return view


def box_mask(boxes: Tensor, size: int) -> Tensor:
    """Return where the rectangles (B, 4) are, bool (B, size, size)."""
    places = torch.arange(size, device=boxes.device)
    top, bottom, left, right = boxes[:, :, None].unbind(1)  # (B, 1) each
    rows = (places >= top) & (places < bottom)
    columns = (places >= left) & (places < right)
    return rows[:, :, None] & columns[:, None, :]
