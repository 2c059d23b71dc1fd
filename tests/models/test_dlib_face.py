"""dlib's network against dlib, against its own affine layers, and as a backbone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError
from benchmark.models.dlib_face import (
    MIN_PIXELS,
    PIXEL_MEAN,
    PIXEL_SCALE,
    DlibEmbedding,
    DlibFace,
)
from benchmark.models.dlib_file import (
    Add,
    Affine,
    Conv,
    FullyConnected,
    Input,
    Layer,
    Pool,
    find_weights,
    read_weights,
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Batches are tiny here: threads would mostly wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def layers() -> list[Layer]:
    return read_weights()


@pytest.fixture
def backbone(layers: list[Layer]) -> DlibFace:
    return DlibFace(layers)


def draw(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth random images, uint8 (count, height, width, 3): noise alone has no contrast."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 8, 8, generator=random) * 255
    smooth = F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 255)
    return smooth.permute(0, 2, 3, 1).contiguous().byte().numpy()


def normalise(pixels: np.ndarray) -> Tensor:
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    return (images - torch.tensor(PIXEL_MEAN).view(1, 3, 1, 1)) / PIXEL_SCALE


def images(count: int = 2, side: int = 64, seed: int = 0) -> Tensor:
    return normalise(draw(count, side, side, seed))


def affine_features(layers: Sequence[Layer], maps: Tensor) -> Tensor:
    """Walk the file's layers in float64, padded as the backbone is, up to the last down block."""
    maps = maps.double()
    convs, shortcut = 0, maps
    for layer in layers:
        match layer:
            case Conv(filters, bias, stride, _):
                if convs == 27:
                    return maps
                if convs % 2 == 1:
                    shortcut = maps
                convs += 1
                filters, bias = filters.astype(np.float64), bias.astype(np.float64)
                maps = F.conv2d(
                    maps,
                    torch.from_numpy(filters),
                    torch.from_numpy(bias),
                    stride,
                    filters.shape[2] // 2,
                )
            case Affine(scale, shift):
                scale, shift = scale.astype(np.float64), shift.astype(np.float64)
                maps = maps * torch.from_numpy(scale).view(1, -1, 1, 1)
                maps = maps + torch.from_numpy(shift).view(1, -1, 1, 1)
            case Pool("max", size, stride, _):
                maps = F.max_pool2d(maps, size, stride)
            case Pool("average", size, stride, _):
                shortcut = F.avg_pool2d(shortcut, size, stride)
            case Add():
                shape = [max(sizes) for sizes in zip(maps.shape, shortcut.shape, strict=True)]
                total = maps.new_zeros(shape)
                for part in (maps, shortcut):
                    total[:, : part.shape[1], : part.shape[2], : part.shape[3]] += part
                maps = total
            case Input():
                pass
            case _:
                maps = maps.relu()
    raise AssertionError("the last down block is missing")


def largest_difference(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return float((one - other).abs().max() / other.abs().max())


def test_pixel_mean_is_the_files(layers: list[Layer]) -> None:
    first = layers[0]
    assert isinstance(first, Input)
    assert np.float32(first.mean).tolist() == np.float32(PIXEL_MEAN).tolist()


NOISE = np.random.default_rng(1).integers(0, 256, (2, 150, 150, 3), dtype=np.uint8)
BLACK_AND_WHITE = np.stack([np.full_like(NOISE[0], tone) for tone in (0, 255)])


@pytest.mark.parametrize(
    ("chips", "tolerance"),
    [
        (draw(3, 150, 150), 1e-6),
        (NOISE, 1e-6),
        # Far from any face, float32 itself is this coarse: against the network in float64, dlib
        # was off by 1.3e-6 on white and this one by 1.5e-6 on black.
        (BLACK_AND_WHITE, 5e-6),
    ],
    ids=["smooth", "noise", "flat"],
)
def test_embeddings_equal_dlibs(layers: list[Layer], chips: np.ndarray, tolerance: float) -> None:
    dlib = pytest.importorskip("dlib", reason="dlib, the test oracle, is not installed")
    oracle = dlib.face_recognition_model_v1(str(find_weights()))
    expected = np.array([oracle.compute_face_descriptor(chip, 0) for chip in chips])
    with torch.no_grad():
        found = DlibEmbedding(layers)(normalise(chips)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=tolerance)


@pytest.mark.vectors
def test_embeddings_equal_the_reference_vectors(layers: list[Layer]) -> None:
    folder = os.environ.get("FER_BENCH_VECTORS")
    if not folder:
        pytest.skip("FER_BENCH_VECTORS does not name the folder of the reference vectors")
    vectors = np.load(Path(folder) / "dlib.npz", allow_pickle=False)
    with torch.no_grad():
        found = DlibEmbedding(layers)(normalise(vectors["x"])).numpy()
    np.testing.assert_allclose(found, vectors["d"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [(48, 48), (112, 112), (75, 100)])
def test_features_equal_the_affine_networks(
    layers: list[Layer], backbone: DlibFace, size: tuple[int, int]
) -> None:
    batch = normalise(draw(2, *size))
    with torch.no_grad():
        found = backbone.eval().maps(batch).double()
    assert largest_difference(found, affine_features(layers, batch)) < 1e-5


def test_calibration_keeps_the_function(layers: list[Layer], backbone: DlibFace) -> None:
    batch = images()
    expected = affine_features(layers, batch)
    for seed in (1, 2):  # the second time from other statistics
        backbone.calibrate([images(6, 64, seed), images(3, 64, seed + 10)])
        with torch.no_grad():
            found = backbone.eval().maps(batch).double()
        assert largest_difference(found, expected) < 1e-5


def test_calibration_takes_the_statistics_of_all_images(backbone: DlibFace) -> None:
    batches = [images(5), images(0), images(2, seed=3), images(1, seed=4)]
    stem = backbone.network.stem
    output = F.conv2d(torch.cat(batches).double(), stem.conv.weight.double(), None, 2, 3)
    backbone.calibrate(iter(batches))
    assert stem.norm.running_mean is not None
    assert stem.norm.running_var is not None
    torch.testing.assert_close(stem.norm.running_mean, output.mean((0, 2, 3)).float())
    variance = output.var((0, 2, 3), correction=0).float()
    torch.testing.assert_close(stem.norm.running_var, variance)


def test_after_calibration_train_mode_begins_where_eval_mode_is(backbone: DlibFace) -> None:
    batch = images(8)
    backbone.calibrate([batch])
    with torch.no_grad():
        expected = backbone.eval().maps(batch)
        found = backbone.train().maps(batch)
    assert largest_difference(found, expected) < 1e-4


def test_calibration_restores_the_mode_of_every_module(backbone: DlibFace) -> None:
    backbone.train()
    backbone.network.stem.eval()
    before = [module.training for module in backbone.modules()]
    backbone.calibrate([images(1)])
    assert [module.training for module in backbone.modules()] == before
    assert not backbone.network.stem.conv._forward_hooks


def test_calibration_is_in_float32_whatever_the_compute_dtype(layers: list[Layer]) -> None:
    exact, fast = DlibFace(layers), DlibFace(layers)
    fast.compute_dtype = torch.bfloat16
    for backbone in (exact, fast):
        backbone.calibrate([images()])
    torch.testing.assert_close(fast.state_dict(), exact.state_dict(), rtol=0, atol=0)


def test_calibration_takes_grey_images(layers: list[Layer]) -> None:
    grey, repeated = DlibFace(layers), DlibFace(layers)
    grey.calibrate([images()[:, :1]])
    repeated.calibrate([images()[:, :1].repeat(1, 3, 1, 1)])
    torch.testing.assert_close(grey.state_dict(), repeated.state_dict())


@pytest.mark.parametrize("batches", [[], [torch.zeros(0, 3, 64, 64)]])
def test_calibration_without_images_is_an_input_error(
    backbone: DlibFace, batches: list[Tensor]
) -> None:
    backbone.train()
    with pytest.raises(InputError, match="got none"):
        backbone.calibrate(batches)
    assert backbone.network.training


def test_calibration_on_damaged_images_changes_nothing(backbone: DlibFace) -> None:
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    with pytest.raises(InputError, match="not finite"):
        backbone.calibrate([torch.full((1, 3, 64, 64), torch.nan)])
    torch.testing.assert_close(backbone.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((48, 48), (2, 2)),
        ((100, 100), (3, 3)),
        ((112, 112), (4, 4)),
        ((150, 150), (5, 5)),
        ((224, 224), (7, 7)),
        ((97, 130), (3, 4)),
    ],
)
def test_one_image_in_training_under_bfloat16_and_channels_last(
    backbone: DlibFace, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    backbone.to(memory_format=torch.channels_last)
    backbone.compute_dtype = torch.bfloat16
    batch = normalise(draw(1, *size)).contiguous(memory_format=torch.channels_last)
    maps = backbone.train().maps(batch)
    assert maps.shape == (1, backbone.channels, *expected)
    assert maps.dtype == torch.float32
    assert bool((maps >= 0).all())
    maps.mean().backward()


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_gradients_reach_every_parameter(backbone: DlibFace, dtype: torch.dtype | None) -> None:
    backbone.calibrate([images(4)])
    backbone.compute_dtype = dtype
    backbone.train()(images(4)).square().sum().backward()
    without = [
        name
        for name, parameter in backbone.named_parameters()
        if parameter.grad is None or not bool(parameter.grad.any())
    ]
    assert without == []


def test_the_smallest_image_and_a_smaller_one(backbone: DlibFace) -> None:
    smallest = torch.zeros(2, 3, MIN_PIXELS, MIN_PIXELS)
    assert backbone.maps(smallest).shape == (2, 256, 1, 1)
    with pytest.raises(InputError, match="at least 21 x 21 pixels, not 20 x 21"):
        backbone.maps(smallest[:, :, 1:])


def test_a_state_travels(layers: list[Layer], backbone: DlibFace) -> None:
    other = DlibFace(layers)
    backbone.calibrate([images()])
    backbone.train()(images())
    other.load_state_dict(backbone.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(
            other.eval().maps(images()), backbone.eval().maps(images()), rtol=0, atol=0
        )


def test_replacing_the_last_block_takes_effect(backbone: DlibFace) -> None:
    blocks = backbone.eval().last_stage_blocks()
    assert len(blocks) == 3
    entered: list[Tensor] = []
    blocks[-1].register_forward_hook(lambda _block, inputs, _output: entered.append(inputs[0]))
    with torch.no_grad():
        before = backbone.maps(images())
        blocks[-1] = nn.Identity()
        after = backbone.maps(images())
    assert not torch.equal(before, after)
    torch.testing.assert_close(after, entered[0])


def test_the_last_block_is_residual_and_keeps_the_shape(backbone: DlibFace) -> None:
    block = backbone.eval().last_stage_blocks()[-1]
    for parameter in block.second.norm.parameters():
        nn.init.zeros_(parameter)
    maps = torch.rand(2, 256, 4, 4)
    torch.testing.assert_close(block(maps), maps)


def test_another_network_is_an_input_error(layers: list[Layer]) -> None:
    with pytest.raises(InputError, match="another network"):
        DlibFace(layers[:10])
    place, conv = next((i, layer) for i, layer in enumerate(layers) if isinstance(layer, Conv))
    wider = replace(conv, filters=np.zeros((32, 3, 9, 9), np.float32))
    with pytest.raises(InputError, match=r"filters \(32, 3, 9, 9\) instead of \(32, 3, 7, 7\)"):
        DlibFace([*layers[:place], wider, *layers[place + 1 :]])
    with pytest.raises(InputError, match="does not end in 128 values"):
        DlibEmbedding([layer for layer in layers if not isinstance(layer, FullyConnected)])
