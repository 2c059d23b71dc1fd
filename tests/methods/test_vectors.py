"""The formulas against inputs and outputs of the original authors' functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from methods import functional as fn

pytestmark = pytest.mark.vectors


class Case:
    """The arrays of one case as tensors; `leaf` gives one that collects a gradient."""

    def __init__(self, folder: Path, file: str, name: str) -> None:
        with np.load(folder / f"{file}.npz", allow_pickle=False) as arrays:
            self.arrays = {
                key.split("/", 1)[1]: arrays[key]
                for key in arrays.files
                if key.startswith(f"{name}/")
            }
        assert self.arrays, f"no case {name} in {file}"

    def __getitem__(self, key: str) -> Tensor:
        return torch.from_numpy(np.asarray(self.arrays[key]))

    def leaf(self, key: str) -> Tensor:
        return self[key].clone().requires_grad_()

    def number(self, key: str) -> float:
        return float(self.arrays[key])


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual.double(), expected.double(), rtol=1e-5, atol=1e-6)


def test_mek_weights(vectors: Path) -> None:
    case = Case(vectors, "mek", "balance")
    close(fn.inverse_frequency_weights(case["counts"]), case["formula"])


@pytest.mark.parametrize("name", ["case0", "case1_n1"])
def test_mek_loss(vectors: Path, name: str) -> None:
    case = Case(vectors, "mek", name)
    logits, maps, mirrored = case.leaf("logits"), case.leaf("hm"), case.leaf("hm1")
    weights = case["balance_weight"].float()
    targets = fn.rebalanced_smooth_labels(case["labels"], weights, case.number("smooth"))
    smoothed = fn.soft_cross_entropy(logits, targets)
    consistency = fn.attention_consistency(maps, mirrored, weights)
    close(targets, case["smoothed_target"])
    close(smoothed, case["loss_lsr"])
    close(consistency, case["ac_term"])
    total = smoothed + case.number("lam") * consistency
    close(total, case["loss_total"])
    total.backward()
    for tensor, key in ((logits, "grad_logits"), (maps, "grad_hm"), (mirrored, "grad_hm1")):
        assert tensor.grad is not None
        close(tensor.grad, case[key])


def test_eac_loss(vectors: Path) -> None:
    case = Case(vectors, "eac", "case0")
    logits, maps, mirrored = case.leaf("logits"), case.leaf("hm1"), case.leaf("hm2")
    consistency = fn.attention_consistency(maps, mirrored)
    total = F.cross_entropy(logits, case["labels"]) + case.number("lam") * consistency
    close(consistency, case["ac"])
    close(total, case["loss_total"])
    total.backward()
    for tensor, key in ((logits, "grad_logits"), (maps, "grad_hm1"), (mirrored, "grad_hm2")):
        assert tensor.grad is not None
        close(tensor.grad, case[key])


def test_eac_maps(vectors: Path) -> None:
    case = Case(vectors, "eac", "cam0")
    features, weight = case.leaf("features"), case.leaf("fc_weight")
    maps = fn.class_attention_maps(features, weight)
    close(maps, case["hm"])
    maps.backward(case["cotangent"])
    assert weight.grad is None
    assert features.grad is not None
    close(features.grad, case["grad_features"])


@pytest.mark.parametrize("name", ["case0", "case3_equal"])
def test_rul_loss(vectors: Path, name: str) -> None:
    case = Case(vectors, "rul", name)
    mu, log_variance = case.leaf("mu"), case.leaf("logvar")
    partner = case["perm"]
    mixed = fn.uncertainty_mixup(mu, log_variance.exp(), partner)
    close(mixed, case["mixed"])
    logits = F.linear(mixed, case["fc_weight"], case["fc_bias"])
    labels = case["labels"]
    loss = 0.5 * F.cross_entropy(logits, labels) + 0.5 * F.cross_entropy(logits, labels[partner])
    close(loss, case["loss"])
    loss.backward()
    assert mu.grad is not None
    assert log_variance.grad is not None
    close(mu.grad, case["grad_mu"])
    close(log_variance.grad, case["grad_logvar"])


@pytest.mark.parametrize("name", ["rank0_m0.15", "rank9_active_m0.15"])
def test_scn_loss(vectors: Path, name: str) -> None:
    case = Case(vectors, "scn", name)
    features = case.leaf("features")
    importance = torch.sigmoid(F.linear(features, case["alpha_weight"], case["alpha_bias"]))
    logits = importance * F.linear(features, case["fc_weight"], case["fc_bias"])
    rank = fn.rank_regularization(importance, case.number("beta"), case.number("margin_1"))
    total = F.cross_entropy(logits, case["labels"]) + rank
    close(rank, case["rr_loss"])
    close(total, case["loss_total"])
    total.backward()
    assert features.grad is not None
    close(features.grad, case["grad_features"])


@pytest.mark.parametrize("name", ["relabel0_many", "relabel1_none", "relabel2_one"])
def test_scn_relabel(vectors: Path, name: str) -> None:
    case = Case(vectors, "scn", name)
    labels = case["label_before"].clone()
    index = case["indexes"]
    labels[index] = fn.relabel(case["softmax"], case["targets"], case.number("margin_2"))
    assert torch.equal(labels, case["label_after"])


@pytest.mark.parametrize("name", ["sls0_7cls_eps0.3", "sls1_7cls_eps0.35", "sls2_one_above_eps0.3"])
def test_soft_targets(vectors: Path, name: str) -> None:
    case = Case(vectors, "soft", name)
    student = case.leaf("student_logits")
    targets = fn.soft_label_smoothing(
        case["teacher_logits"].softmax(dim=1), case.number("tau"), case.number("eps")
    )
    close(targets, case["smoothed_target"])
    loss = F.kl_div(student.log_softmax(dim=1), targets, reduction="batchmean")
    close(loss, case["loss"])
    loss.backward()
    assert student.grad is not None
    close(student.grad, case["grad_student"])


def test_soft_ramp_and_decay(vectors: Path) -> None:
    case = Case(vectors, "soft", "ramp_sigmoid_len5")
    values = [fn.sigmoid_rampup(int(epoch), 5) for epoch in case["epoch"]]
    close(torch.tensor(values, dtype=torch.float64), case["value"])
    warm = Case(vectors, "soft", "ema_warm")
    first = int(warm.number("first_call_global_step"))
    assert fn.ema_decay(first, 0.999) == warm.number("first_alpha")
    reached = int(warm.number("reaches_decay_at_step"))
    assert fn.ema_decay(reached, 0.999) == 0.999 > fn.ema_decay(reached - 1, 0.999)


def test_bbn(vectors: Path) -> None:
    alpha = Case(vectors, "bbn", "alpha_E60")
    values = [fn.bilateral_alpha(int(epoch), 60) for epoch in alpha["epoch"]]
    close(torch.tensor(values, dtype=torch.float64), alpha["alpha"])
    for name in ("rev_raf", "rev_equal"):
        case = Case(vectors, "bbn", name)
        close(fn.reversed_sampling_probabilities(case["counts"]), case["prob"])


def test_cb(vectors: Path) -> None:
    case = Case(vectors, "cb", "w_raf")
    for beta, weights in zip(case["betas"], case["weights"], strict=True):
        close(fn.effective_number_weights(case["counts"], float(beta)), weights)
    for name in ("loss0_raf_0.9999", "loss3_beta0_plain_ce"):
        case = Case(vectors, "cb", name)
        logits = case.leaf("logits")
        weights = case["class_weights"].float()
        loss = fn.weighted_cross_entropy(logits, case["labels"], weights)
        close(loss, case["loss"])
        loss.backward()
        assert logits.grad is not None
        close(logits.grad, case["grad_logits"])
