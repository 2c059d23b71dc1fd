"""Class attention maps of every method, against what their heads are known to compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import slow_reference as slow
import torch
from torch import Tensor

import methods
from methods import functional as fn
from methods import registry
from methods.bbn import BBN
from methods.contract import step, toy_batch, toy_labels, toy_method
from methods.ldam import LDAM
from methods.rul import RUL
from methods.scn import SCN
from methods.soft import SOFT

BUILT_IN = list(registry.BUILT_IN)
ODD = {"scn", "bbn", "rul", "soft", "ldam", "tau_norm"}
IMAGES = 3


def trained(name: str) -> Any:
    """Return a method in eval mode after two steps: norms and teachers are no longer as new."""
    method = methods.get(name)
    built = toy_method(method).train()
    if any(p.requires_grad for p in built.parameters()):
        optimizer = torch.optim.SGD([p for p in built.parameters() if p.requires_grad], lr=0.05)
        batch = toy_batch(method, torch.arange(64), toy_labels(64, 7), 7)
        for number in range(2):
            step(built, batch, optimizer, number)
    return built.eval()


def images() -> Tensor:
    return torch.randn(IMAGES, 3, 16, 16, generator=torch.Generator().manual_seed(3))


def close(maps: Tensor, expected: Tensor | list[Any]) -> None:
    torch.testing.assert_close(maps, torch.as_tensor(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name not in ODD])
def test_a_linear_head_has_the_maps_of_its_weights(name: str) -> None:
    built = trained(name)
    with torch.no_grad():
        features = built.backbone.maps(images())
        logits = built.predict(images())
    maps = built.attention(images())
    close(maps, fn.class_attention_maps(features, built.head.weight))
    close(maps.mean(dim=(2, 3)) + built.head.bias, logits)


def by_slopes(features: Tensor, slopes: Callable[[list[float]], list[list[float]]]) -> list[Any]:
    """Return maps from the slope of each logit by each channel of the averaged features."""
    found = []
    for sample in features.tolist():
        pooled = [sum(map(sum, channel)) / 16 for channel in sample]
        found += slow.class_attention_maps([sample], slopes(pooled))
    return found


def features_of(backbone: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = backbone.maps(images())
    return found


def test_scn_scales_its_logits_by_an_importance_that_the_features_decide_too() -> None:
    built: SCN = trained("scn")
    weight, bias = built.head.weight.tolist(), built.head.bias.tolist()
    importance, offset = built.importance.weight.tolist()[0], float(built.importance.bias.item())

    def slopes(pooled: list[float]) -> list[list[float]]:
        drive = sum(u * p for u, p in zip(importance, pooled, strict=True)) + offset
        alpha = float(torch.sigmoid(torch.tensor(drive)))
        rows = []
        for row, of in zip(weight, bias, strict=True):
            logit = sum(w * p for w, p in zip(row, pooled, strict=True)) + of
            pairs = zip(row, importance, strict=True)
            rows.append([alpha * w + alpha * (1 - alpha) * u * logit for w, u in pairs])
        return rows

    close(built.attention(images()), by_slopes(features_of(built.backbone), slopes))


def test_ldam_compares_directions() -> None:
    built: LDAM = trained("ldam")

    def slopes(pooled: list[float]) -> list[list[float]]:
        length = sum(p * p for p in pooled) ** 0.5
        rows = []
        for row in built.weight.tolist():
            size = sum(w * w for w in row) ** 0.5
            pairs = list(zip(row, pooled, strict=True))
            cosine = sum(w * p for w, p in pairs) / size / length
            rows.append([30 * (w / size - cosine * p / length) / length for w, p in pairs])
        return rows

    close(built.attention(images()), by_slopes(features_of(built.backbone), slopes))


def test_tau_norm_normalises_its_rows() -> None:
    built = trained("tau_norm")
    weight = fn.tau_normalized(built.head.weight, built.hyper.tau)
    maps = fn.class_attention_maps(features_of(built.backbone), weight)
    close(built.attention(images()), maps)


def test_soft_is_asked_as_it_answers_by_its_teacher() -> None:
    built: SOFT = trained("soft")
    features = features_of(built.teacher_backbone).tolist()
    close(
        built.attention(images()),
        slow.class_attention_maps(features, built.teacher_head.weight.tolist()),
    )


def test_both_branches_of_bbn_add_up() -> None:
    built: BBN = trained("bbn")
    weight = built.classifier.weight
    parts = []
    with torch.no_grad():
        trunk = built.backbone.maps(images())
        for block, of in ((built.conventional, weight[:, :8]), (built.rebalancing, weight[:, 8:])):
            parts.append(slow.class_attention_maps(block(trunk).tolist(), of.tolist()))
    close(built.attention(images()), torch.tensor(parts[0]) + torch.tensor(parts[1]))


def test_rul_reads_every_place_by_weights_of_its_own() -> None:
    built: RUL = trained("rul")
    head = built.mu
    assert head.norm.running_var is not None
    assert head.map_norm.running_var is not None
    rows = built.classifier.weight.double()
    scale = head.norm.weight / (head.norm.running_var + head.norm.eps).sqrt()
    spread = (head.map_norm.running_var + head.map_norm.eps).sqrt().tolist()
    into = head.linear.weight.double().reshape(-1, 8, 4, 4)
    features = features_of(built.backbone).double()
    expected = torch.zeros(IMAGES, 7, 4, 4, dtype=torch.float64)
    for k in range(7):
        by_place = sum(rows[k, d] * scale[d] * into[d] for d in range(len(into)))
        for c in range(8):
            expected[:, k] += 16 * features[:, c] * by_place[c] / spread[c]
    close(built.attention(images()), expected.float())


@pytest.mark.parametrize("name", BUILT_IN)
def test_maps_are_the_same_whoever_asks(name: str) -> None:
    built = trained(name)
    maps = built.attention(images())
    with torch.inference_mode():
        assert torch.equal(built.attention(images()), maps)
        built.predict(images())  # nobody watches any more
    one = torch.cat([built.attention(image[None]) for image in images()])
    torch.testing.assert_close(one, maps, rtol=1e-4, atol=1e-5)
    assert not maps.requires_grad
    assert maps.dtype == torch.float32
    assert all(p.grad is None or p.requires_grad for p in built.parameters())


def test_logits_that_no_feature_map_leads_to_have_no_maps() -> None:
    with pytest.raises(ValueError, match="no feature map"):
        fn.gradient_attention_maps(torch.zeros(2, 3), [])
    leaf = torch.ones(2, 4, 3, 3, requires_grad=True)
    with pytest.raises(ValueError, match="no feature map"):
        fn.gradient_attention_maps(torch.ones(2, 3, requires_grad=True) * 2, [leaf])
