"""The fast path computes what the plain one does: grey stem, sampling grid, mirror, erasing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from benchmark.data import augment as aug
from benchmark.data.synthetic import synthetic_faces
from benchmark.models.dlib_face import DlibFace
from benchmark.models.dlib_file import Layer, read_weights
from benchmark.models.grey import FirstConv
from benchmark.protocols import load_protocol
from benchmark.protocols.protocol import AugmentSpec, ImageSpec

MEANS = {
    "three means": ((122.782, 117.001, 104.298), (256.0, 256.0, 256.0)),
    "ImageNet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "one mean": ((122.4, 122.4, 122.4), (61.2, 61.2, 61.2)),
    "one mean, three deviations": ((120.0, 120.0, 120.0), (50.0, 60.0, 70.0)),
}
STEPS, BATCH = 20, 8


def view(image: ImageSpec, augment: AugmentSpec, n: int = BATCH, seed: int = 0) -> Tensor:
    faces = synthetic_faces(np.arange(n) % 7, seed=seed, size=32)
    host, device = (torch.Generator().manual_seed(seed) for _ in range(2))
    return aug.training_view(
        torch.from_numpy(faces), image, augment, flip=True, host=host, device=device
    )


@pytest.mark.parametrize("name", MEANS)
def test_the_folded_stem_is_the_plain_one(name: str) -> None:
    mean, deviation = MEANS[name]
    image = ImageSpec(size=40, mean=mean, deviation=deviation)
    erasing = load_protocol("compact").augment.model_copy(update={"erase": 1.0})
    images = view(image, erasing)
    assert bool((images == 0).flatten(1).any(1).all()), "every image has an erased rectangle"
    torch.manual_seed(0)
    plain = FirstConv(3, 16, 7, 2, 3)  # its padding crosses every border
    folded = FirstConv(3, 16, 7, 2, 3)
    folded.load_state_dict(plain.state_dict())
    folded.expect_grey(mean, deviation)
    assert len(folded.kept) == (1 if name.startswith("one") else 2)
    ours, theirs = folded(images), plain(images)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    weight = torch.randn_like(theirs)
    (ours * weight).mean().backward()
    (theirs * weight).mean().backward()
    assert plain.weight.grad is not None
    torch.testing.assert_close(folded.weight.grad, plain.weight.grad, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def layers() -> list[Layer]:
    return read_weights()


def loss_curve(layers: list[Layer], *, folded: bool, lr: float = 1e-4) -> list[float]:
    """Fine-tune the face network in float32 for some steps and return the losses."""
    protocol = load_protocol("compact", ["image.size=64"])
    backbone = DlibFace(layers)
    faces = torch.from_numpy(synthetic_faces(np.arange(32) % 7, seed=1, size=32))
    backbone.calibrate([aug.evaluation_view(faces, protocol.image)])
    if folded:
        backbone.expect_grey(protocol.image)
    torch.manual_seed(0)
    network = nn.Sequential(backbone, nn.Linear(backbone.channels, 7)).train()
    # Not Adam, which makes a whole step of a gradient that is nothing but rounding.
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9)
    labels = torch.arange(BATCH) % 7
    losses = []
    for step in range(STEPS):
        loss = F.cross_entropy(network(view(protocol.image, protocol.augment, seed=step)), labels)
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(network.parameters(), protocol.training.clip_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_training_with_the_folded_stem_follows_the_plain_one(layers: list[Layer]) -> None:
    folded, plain = loss_curve(layers, folded=True), loss_curve(layers, folded=False)
    assert folded == pytest.approx(plain, abs=1e-4)
    assert min(plain) < plain[0], "it learns"


matrices = st.lists(st.floats(-2, 2, width=32), min_size=6, max_size=24).map(
    lambda values: torch.tensor(values[: len(values) // 6 * 6]).view(-1, 2, 3)
)


@given(matrices, st.integers(1, 64))
@settings(max_examples=60)
def test_the_sampling_grid_is_torchs(theta: Tensor, size: int) -> None:
    expected = F.affine_grid(theta, [len(theta), 1, size, size], align_corners=False)
    torch.testing.assert_close(aug.affine_grid(theta, size), expected, rtol=0, atol=1e-6)


@given(st.integers(0, 1000), st.sampled_from([16, 24, 40]), st.booleans())
@settings(max_examples=30)
def test_mirroring_alone_is_the_warp_it_replaces(seed: int, size: int, erase: bool) -> None:
    image = ImageSpec(size=size, mean=(0.0, 0.0, 0.0), deviation=(1.0, 1.0, 1.0))
    paper = load_protocol("paper").augment
    spec = paper.model_copy(update={"noise": 0.0, "erase": 0.5 if erase else 0.0})
    faces = torch.from_numpy(synthetic_faces([0, 1, 2, 3, 4, 5], seed=seed, size=24))
    host = torch.Generator().manual_seed(seed)
    theta = aug.draw_affine(6, spec, flip=True, generator=host)
    boxes = aug.draw_boxes(6, size, spec, generator=host)
    assert theta is not None
    expected = aug.normalise(aug.warp(aug.to_planes(faces), theta, size), image)
    if boxes is not None:
        expected = expected * erased_mask(boxes, size)
    host = torch.Generator().manual_seed(seed)
    ours = aug.training_view(faces, image, spec, flip=True, host=host, device=host)
    torch.testing.assert_close(ours, expected, rtol=0, atol=0.02)  # on 0..255


@given(st.integers(0, 1000), st.sampled_from([16, 33]))
@settings(max_examples=20)
def test_a_gpu_erases_the_same_pixels(seed: int, size: int) -> None:
    spec = load_protocol("paper").augment
    boxes = aug.draw_boxes(8, size, spec, generator=torch.Generator().manual_seed(seed))
    assert boxes is not None
    view = torch.randn(8, 3, size, size)
    masked = view.clone().masked_fill_(aug.box_mask(boxes, size)[:, None], 0)
    assert torch.equal(masked, aug.erase(view, boxes))
    assert torch.equal(masked == 0, (erased_mask(boxes, size) == 0).expand(-1, 3, -1, -1))


def erased_mask(boxes: Tensor, size: int) -> Tensor:
    """0 where a box is and 1 elsewhere, float32 (B, 1, size, size), pixel by pixel."""
    mask = torch.ones(len(boxes), 1, size, size)
    for image, (top, bottom, left, right) in zip(mask, boxes.tolist(), strict=True):
        for row in range(size):
            for column in range(size):
                if top <= row < bottom and left <= column < right:
                    image[0, row, column] = 0
    return mask
