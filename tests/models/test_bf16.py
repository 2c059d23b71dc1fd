"""bf16 computed in float32 against the same in float64, rounded where bf16 rounds.

torch's own bf16 is no reference: where no kernel of the CPU multiplies it, sums are kept in bf16.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.models import two_by_two
from benchmark.models.bf16 import cpu_has_bf16, rounded_products
from benchmark.models.dlib_face import DlibFace

CPU = torch.device("cpu")
LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "7 x 7": (lambda: nn.Conv2d(3, 16, 7, stride=2, padding=3, bias=False), (4, 3, 20, 20)),
    "3 x 3": (lambda: nn.Conv2d(16, 24, 3, padding=1), (4, 16, 5, 5)),
    "2 x 2 maps": (lambda: nn.Conv2d(16, 24, 3, padding=1, bias=False), (4, 16, 2, 2)),
    "2 x 2 maps, a bias": (lambda: nn.Conv2d(16, 24, 3, padding=1), (4, 16, 2, 2)),
    "2 x 2 maps, groups": (lambda: nn.Conv2d(16, 16, 3, padding=1, groups=16), (4, 16, 2, 2)),
    "linear": (lambda: nn.Linear(16, 24), (4, 16)),
}


def _computed(layer: nn.Module, inputs: Tensor) -> list[Tensor]:
    """Return a layer's outputs and the gradients of inputs and parameters."""
    inputs = inputs.clone().requires_grad_()
    with rounded_products(CPU):
        outputs = layer(inputs)
    outputs.float().square().sum().backward()
    assert inputs.grad is not None
    gradients = [parameter.grad for parameter in layer.parameters()]
    return [outputs.detach(), inputs.grad, *(found for found in gradients if found is not None)]


def _expected(layer: nn.Module, inputs: Tensor) -> list[Tensor]:
    """Return what :func:`_computed` does: numbers rounded to bf16, products in float64."""
    layer = copy.deepcopy(layer).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(parameter.bfloat16())
    rounded = inputs.bfloat16().double().requires_grad_()
    exact = layer(rounded)
    outputs = exact.detach().bfloat16()
    asked = (2 * outputs.float()).bfloat16().double()
    gradients = torch.autograd.grad(exact, [rounded, *layer.parameters()], asked)
    return [outputs, *(gradient.bfloat16().float() for gradient in gradients)]


@pytest.mark.parametrize("name", LAYERS)
def test_layers_give_what_bf16_gives(name: str) -> None:
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    layer, inputs = make(), torch.randn(shape)
    expected, own = _expected(layer, inputs), _computed(layer, inputs)
    assert len(own) == len(expected) == 2 + len(list(layer.parameters()))
    for ours, exact in zip(own, expected, strict=True):
        assert ours.dtype == exact.dtype
        scale = float(exact.float().abs().max())
        # A sum in another order may fall to the next bf16, which is at most 2**-7 away.
        assert float((ours.float() - exact.float()).abs().max()) <= 2**-7 * scale
        # Nearly all fall to the same; float32 without rounding falls to few of them.
        assert float((ours == exact).float().mean()) > 0.9


def test_only_what_autocast_rounds_is_rounded() -> None:
    torch.manual_seed(0)
    layer, inputs = nn.Conv2d(4, 4, 3), torch.randn(2, 4, 6, 6)
    with rounded_products(CPU), torch.autocast("cpu", enabled=False):
        inside = layer(inputs)
    assert torch.equal(inside, layer(inputs))


def test_arguments_may_be_named() -> None:
    torch.manual_seed(0)
    inputs, weight = torch.randn(4, 16), torch.randn(8, 16)
    with rounded_products(CPU):
        by_place = F.linear(inputs, weight)
        assert torch.equal(F.linear(inputs, weight=weight), by_place)
        assert torch.equal(F.linear(input=inputs, weight=weight), by_place)
    assert torch.equal(by_place, F.linear(bf16(inputs), bf16(weight)).bfloat16())


def bf16(numbers: Tensor) -> Tensor:
    return numbers.bfloat16().float()


@pytest.mark.parametrize("capable", [True, False])
def test_an_older_torch_is_asked_in_its_own_way(
    monkeypatch: pytest.MonkeyPatch, capable: bool
) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: capable, raising=False)
    assert cpu_has_bf16() is capable


def test_a_cpu_that_torch_knows_nothing_of_is_left_to_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("get_capabilities", "_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert cpu_has_bf16()


def test_a_compiled_network_is_judged_as_it_is_when_loaded() -> None:
    """What is compiled has kernels of its own, in training alone."""
    torch.manual_seed(0)
    network = DlibFace()
    network.compute_dtype, network.multiplies_rounded = torch.bfloat16, True
    images = torch.randn(4, 3, 64, 64)
    loaded = network.eval().maps(images)
    network._compiled = network.features
    assert torch.equal(network.maps(images), loaded)
    network.train()
    with network.autocast(images):
        layer = torch.conv2d(images, torch.ones(1, 3, 1, 1))
    assert torch.equal(layer, torch.conv2d(images.bfloat16(), torch.ones(1, 3, 1, 1).bfloat16()))


def test_a_second_derivative_is_refused_and_not_wrong() -> None:
    maps = torch.randn(2, 3, 2, 2, requires_grad=True)
    filters = torch.randn(4, 3, 3, 3, requires_grad=True)
    (first,) = torch.autograd.grad(
        two_by_two.convolve(maps, filters).square().sum(), maps, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.square().sum().backward()


def test_a_network_trains_as_in_bf16() -> None:
    torch.manual_seed(0)
    network = DlibFace()
    network.compute_dtype = torch.bfloat16
    images = torch.randn(8, 3, 64, 64)
    found = []
    for rounded in (False, True):
        network.multiplies_rounded = rounded
        network.zero_grad()
        maps = network.maps(images)
        maps.square().mean().backward()
        gradient = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
        found.append((maps.detach(), gradient))
    (maps, gradient), (own_maps, own_gradient) = found
    assert maps.dtype == own_maps.dtype == torch.float32
    assert float((maps - own_maps).norm() / maps.norm()) < 0.02
    assert float((gradient - own_gradient).norm() / gradient.norm()) < 0.2


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
@settings(deadline=None)
def test_maps_of_two_by_two_are_convolved(batch: int, inputs: int, outputs: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = {"generator": generator, "dtype": torch.float64, "requires_grad": True}
    maps = torch.randn(batch, inputs, 2, 2, **shape)  # type: ignore[call-overload]
    filters = torch.randn(outputs, inputs, 3, 3, **shape)  # type: ignore[call-overload]
    assert two_by_two.convolves(maps, filters, None, (1, 1), (1, 1), (1, 1), 1)
    own, plain = two_by_two.convolve(maps, filters), torch.conv2d(maps, filters, padding=1)
    torch.testing.assert_close(own, plain)
    asked = torch.randn(own.shape, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(
        torch.autograd.grad(own, (maps, filters), asked),
        torch.autograd.grad(plain, (maps, filters), asked),
    )


@pytest.mark.parametrize(
    "given_",
    [
        (None, 2, 1), (None, 1, 0), (None, 1, 1, 2), (None, 1, 1, 1, 2), (torch.zeros(4), 1, 1),
        (None, (1, 1), "same"),
    ],
)  # fmt: skip
def test_other_convolutions_are_left_to_torch(given_: tuple[object, ...]) -> None:
    assert not two_by_two.convolves(torch.zeros(1, 4, 2, 2), torch.zeros(4, 4, 3, 3), *given_)
