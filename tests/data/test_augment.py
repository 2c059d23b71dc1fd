"""Images on their way to the network: sizes, borders, mirrors, randomness that can be replayed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark.data import augment as aug
from benchmark.protocols.protocol import AugmentSpec, ImageSpec

NOTHING = AugmentSpec(
    flip=0, rotation=0, zoom=0, shift=0, noise=0, noise_variance=0, erase=0,
    erase_shape="sides", erase_range=(0.1, 0.5),
)  # fmt: skip
IMAGE = ImageSpec(size=32, mean=(120.0, 110.0, 100.0), deviation=(50.0, 60.0, 70.0))


def pixels(n: int = 4, size: int = 16, colour: bool = False) -> Tensor:
    shape = (n, size, size, 3) if colour else (n, size, size)
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def view(images: Tensor, spec: AugmentSpec, *, flip: bool = True, seed: int = 0) -> Tensor:
    return aug.training_view(
        images,
        IMAGE,
        spec,
        flip=flip,
        host=torch.Generator().manual_seed(seed),
        device=torch.Generator().manual_seed(seed),
    )


def with_values(**changes: object) -> AugmentSpec:
    return AugmentSpec.model_validate(NOTHING.model_dump() | changes)


@pytest.mark.parametrize("colour", [False, True])
def test_without_augmentation_training_sees_what_evaluation_sees(colour: bool) -> None:
    images = pixels(colour=colour)
    plain = aug.evaluation_view(images, IMAGE)
    assert plain.shape == (4, 3, 32, 32)
    torch.testing.assert_close(view(images, NOTHING), plain)
    planes = images.permute(0, 3, 1, 2) if colour else images[:, None].expand(-1, 3, -1, -1)
    enlarged = F.interpolate(planes.float(), (32, 32), mode="bilinear")
    for channel, (mean, deviation) in enumerate(zip(IMAGE.mean, IMAGE.deviation, strict=True)):
        torch.testing.assert_close(plain[:, channel], (enlarged[:, channel] - mean) / deviation)


@pytest.mark.parametrize("shape", [(16, 400), (400, 16)])
def test_the_side_that_shrinks_has_no_aliasing_where_the_other_grows(
    shape: tuple[int, int],
) -> None:
    stripes = torch.zeros(1, 1, *shape)
    stripes[..., ::2] = 255 * (shape[1] > shape[0])
    stripes[..., ::2, :] += 255 * (shape[0] > shape[1])
    seen = aug.resize(stripes, 32)[0, 0, 4:-4, 4:-4]
    assert float(seen.std()) < 8
    assert float(seen.mean()) == pytest.approx(127.5, abs=8)


def test_an_identity_warp_is_a_resize() -> None:
    planes = aug.to_planes(pixels())
    identity = torch.eye(2, 3).expand(4, 2, 3)
    torch.testing.assert_close(aug.warp(planes, identity, 32), aug.resize(planes, 32))
    smaller = aug.to_planes(pixels(size=64))
    torch.testing.assert_close(aug.warp(smaller, identity, 32), aug.resize(smaller, 32))


def test_a_certain_flip_is_the_mirror_image() -> None:
    images = pixels()
    flipped = view(images, with_values(flip=1))
    torch.testing.assert_close(flipped, aug.evaluation_view(images, IMAGE).flip(-1))
    untouched = view(images, with_values(flip=1), flip=False)
    torch.testing.assert_close(untouched, aug.evaluation_view(images, IMAGE))


def test_a_shift_moves_by_a_fraction_of_the_side() -> None:
    planes = torch.zeros(1, 1, 32, 32)
    planes[..., 16] = 1
    theta = torch.tensor([[[1.0, 0, 2 * 0.25], [0, 1, 0]]])  # as draw_affine writes a quarter
    assert int(aug.warp(planes, theta, 32)[0, 0, 5].argmax()) == 8


@given(st.integers(0, 1000))
@settings(max_examples=25)
def test_affine_draws_stay_in_their_ranges(seed: int) -> None:
    spec = with_values(flip=0.5, rotation=0.3, zoom=0.1, shift=0.2)
    generator = torch.Generator().manual_seed(seed)
    theta = aug.draw_affine(50, spec, flip=True, generator=generator)
    assert theta is not None
    scale = torch.linalg.vector_norm(theta[:, 1, :2], dim=1)
    mirrored = torch.linalg.det(theta[:, :, :2]) < 0
    assert bool((scale.sub(1).abs() <= 0.1 + 1e-6).all())
    assert bool((theta[:, :, 2].abs() <= 0.4 + 1e-6).all())
    assert bool((torch.atan2(theta[:, 0, 1].abs(), theta[:, 1, 1]) <= 0.3 + 1e-6).all())
    assert 5 <= int(mirrored.sum()) <= 45
    # The other draws do not depend on whether images are mirrored.
    again = torch.Generator().manual_seed(seed)
    unflipped = aug.draw_affine(50, spec, flip=False, generator=again)
    assert unflipped is not None
    torch.testing.assert_close(unflipped[~mirrored], theta[~mirrored])


@pytest.mark.parametrize(("shape", "low", "high"), [("sides", 0.15, 0.45), ("area", 0.02, 0.25)])
def test_erased_boxes_have_the_size_asked_for(shape: str, low: float, high: float) -> None:
    spec = with_values(erase=0.5, erase_shape=shape, erase_range=(low, high))
    boxes = aug.draw_boxes(4000, 100, spec, generator=torch.Generator().manual_seed(1))
    assert boxes is not None
    height, width = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    erased = height > 0
    assert 0.45 < erased.float().mean() < 0.55
    assert not width[~erased].any()
    assert int(boxes.min()) >= 0
    assert int(boxes.max()) <= 100
    if shape == "sides":
        for side in (height[erased], width[erased]):
            assert 14 <= int(side.min()) <= 17
            assert 43 <= int(side.max()) <= 46
    else:
        area = (height * width)[erased] / 100**2
        assert float(area.min()) > 0.01
        assert float(area.max()) < 0.27
        ratio = (height / width)[erased]
        assert float(ratio.min()) > 0.25
        assert float(ratio.max()) < 3.8


def test_erasing_leaves_the_mean_colour() -> None:
    ones = torch.ones(2, 3, 8, 8)
    erased = aug.erase(ones, torch.tensor([[1, 3, 2, 6], [0, 0, 0, 0]]))
    assert erased[1].all()
    expected = torch.ones(8, 8)
    expected[1:3, 2:6] = 0
    assert torch.equal(erased[0], expected.expand(3, 8, 8))


def test_noise_has_the_variance_asked_for_and_stays_in_range() -> None:
    grey = torch.full((200, 1, 16, 16), 128.0)
    host, device = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    noisy = aug.add_noise(grey, with_values(noise=0.5, noise_variance=30), host=host, device=device)
    changed = (noisy != grey).flatten(1).any(1)
    assert 70 < int(changed.sum()) < 130
    assert float(noisy[changed].var()) == pytest.approx(30, rel=0.05)
    black = torch.zeros(4, 1, 8, 8)
    spec = with_values(noise=1, noise_variance=30)
    assert float(aug.add_noise(black, spec, host=host, device=device).min()) == 0


def test_the_same_seed_gives_the_same_view() -> None:
    spec = with_values(
        flip=0.5, rotation=0.2, zoom=0.1, shift=0.1, erase=0.5, noise=0.5, noise_variance=9
    )
    images = pixels()
    assert torch.equal(view(images, spec, seed=3), view(images, spec, seed=3))
    assert not torch.equal(view(images, spec, seed=3), view(images, spec, seed=4))
