"""The formulas of the long-tailed rows against the original authors' functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_vectors import Case, close
from torch import Tensor

from methods import functional as fn

pytestmark = pytest.mark.vectors


def cases(folder: Path, family: str, prefix: str) -> list[Case]:
    """Return all cases of a file whose name begins so."""
    file = f"longtail_{family}"
    with np.load(folder / f"{file}.npz", allow_pickle=False) as arrays:
        names = sorted({key.split("/", 1)[0] for key in arrays.files})
    chosen = [Case(folder, file, name) for name in names if name.startswith(prefix)]
    assert chosen, prefix
    return chosen


def optional(case: Case, key: str) -> Tensor | None:
    return case[key].float() if key in case.arrays else None


def same(case: Case, loss: Tensor, leaf: Tensor, key: str) -> None:
    close(loss, case["loss"])
    loss.backward()
    assert leaf.grad is not None
    close(leaf.grad, case[key])


def test_focal(vectors: Path) -> None:
    for prefix in ("soft", "weighted"):
        for case in cases(vectors, "focal", prefix):
            logits = case.leaf("logits")
            weights = optional(case, "class_weights")
            loss = fn.focal_loss(logits, case["labels"], case.number("gamma"), weights)
            same(case, loss, logits, "grad_logits")
    for case in cases(vectors, "focal", "sigmoid"):
        logits = case.leaf("logits")
        weights = optional(case, "class_weights")
        loss = fn.sigmoid_focal_loss(logits, case["labels"], case.number("gamma"), weights)
        same(case, loss, logits, "grad_logits")


def test_ldam(vectors: Path) -> None:
    for prefix in ("margins", "loss"):
        for case in cases(vectors, "ldam", prefix):
            margins = fn.ldam_margins(case["counts"], case.number("max_margin"))
            close(margins, case["margins"])
            if prefix == "loss":
                cosines = case.leaf("cosines")
                scale, weights = case.number("scale"), optional(case, "class_weights")
                loss = fn.ldam_loss(cosines, case["labels"], margins, scale, weights)
                same(case, loss, cosines, "grad_cosines")


def test_cosines(vectors: Path) -> None:
    for case in cases(vectors, "ldam", "cosine"):
        features, weight = case.leaf("features"), case.leaf("weight")
        cosines = fn.cosine_logits(features, weight)
        close(cosines, case["cosines"])
        cosines.backward(case["cotangent"])
        assert features.grad is not None
        assert weight.grad is not None
        close(features.grad, case["grad_features"])
        close(weight.grad, case["grad_weight"])


def test_deferred_weights(vectors: Path) -> None:
    for case in cases(vectors, "ldam", "drw"):
        for epoch, weights in zip(case["epochs"].tolist(), case["weights"], strict=True):
            beta, start = case.number("beta"), case.number("start")
            close(fn.deferred_weights(case["counts"], beta, epoch, start), weights)


def test_balanced_softmax(vectors: Path) -> None:
    for case in cases(vectors, "prior", "balanced"):
        logits = case.leaf("logits")
        loss = fn.balanced_softmax_loss(logits, case["labels"], case["counts"])
        same(case, loss, logits, "grad_logits")


def test_logit_adjustment(vectors: Path) -> None:
    for case in cases(vectors, "prior", "adjusted"):
        logits = case.leaf("logits")
        adjustment = fn.logit_adjustment(case["counts"], case.number("tau"))
        close(adjustment, case["adjustment"])
        close(case["logits"] - adjustment, case["posthoc_logits"])
        loss = fn.logit_adjusted_loss(logits, case["labels"], adjustment)
        same(case, loss, logits, "grad_logits")


def test_vector_scaling(vectors: Path) -> None:
    for case in cases(vectors, "prior", "vs"):
        logits = case.leaf("logits")
        scale, shift = fn.vector_scaling(case["counts"], case.number("gamma"), case.number("tau"))
        close(scale, case["scale"])
        close(shift, case["shift"])
        loss = fn.vector_scaling_loss(logits, case["labels"], scale, shift)
        same(case, loss, logits, "grad_logits")


def test_tau_normalized(vectors: Path) -> None:
    for case in cases(vectors, "decoupled", "tau"):
        weight, bias = case["weight"], case["bias"]
        for number, tau in enumerate(case["taus"].tolist()):
            close(fn.tau_normalized(weight, tau), case["normalized"][number])
            stored, norms = case["stored_logits"], case["weight_norms"]
            found = fn.tau_normalized_logits(stored, norms, bias, tau)
            close(found, case["logits"][number])


def test_label_aware_smoothing(vectors: Path) -> None:
    for case in cases(vectors, "decoupled", "aware"):
        logits, labels = case.leaf("logits"), case["labels"]
        head, tail = case.number("head"), case.number("tail")
        smoothing = fn.label_aware_smoothing(case["counts"], head, tail)
        close(smoothing, case["smoothing"])
        targets = fn.smooth_labels(labels, logits.shape[1], smoothing[labels])
        same(case, fn.soft_cross_entropy(logits, targets), logits, "grad_logits")


def test_sampling(vectors: Path) -> None:
    for case in cases(vectors, "sampling", "power"):
        for power, expected in zip(case["powers"].tolist(), case["probability"], strict=True):
            close(fn.sampling_probabilities(case["counts"], power), expected)
    for case in cases(vectors, "sampling", "progressive"):
        epochs = int(case.number("epochs"))
        for epoch, expected in enumerate(case["probability"]):
            close(fn.progressive_sampling_probabilities(case["counts"], epoch, epochs), expected)


def test_mixing(vectors: Path) -> None:
    for case in cases(vectors, "mixing", "smooth"):
        logits = case.leaf("logits")
        classes, smoothing = int(case.number("num_classes")), case.number("smoothing")
        targets = fn.smooth_labels(case["labels"], classes, smoothing)
        close(targets, case["targets"])
        same(case, fn.soft_cross_entropy(logits, targets), logits, "grad_logits")
    for prefix in ("mixup", "remix"):
        for case in cases(vectors, "mixing", prefix):
            logits, labels, partner = case.leaf("logits"), case["labels"], case["permutation"]
            lam, shares = case.number("lam"), case.number("lam")
            close(fn.mixup(case["images"], partner, lam), case["mixed"])
            if prefix == "remix":
                kappa, tau = case.number("kappa"), case.number("tau")
                shares = fn.remix_lambda(labels, partner, case["counts"], lam, kappa, tau)
                close(shares, case["lam_labels"])
            targets = fn.mixup_targets(labels, partner, shares, int(case.number("num_classes")))
            same(case, fn.soft_cross_entropy(logits, targets), logits, "grad_logits")
