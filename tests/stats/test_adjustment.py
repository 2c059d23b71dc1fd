"""Logit adjustment after the fact, against its definition and a choice by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from benchmark.stats.accuracy import accuracies, confusion_matrix, mean_accuracy, overall_accuracy
from benchmark.stats.adjustment import TAUS, adjusted, choose_tau, right_by_tau

COUNTS = (50, 30, 4)


def made(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Logits that know their training set's shares, and labels of equal classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    own = 2 * np.eye(3)[labels] + np.log(np.array(COUNTS) / sum(COUNTS))
    return rng.normal(size=(n, 3)) + own, labels


def test_the_grid() -> None:
    assert TAUS[0] == 0
    assert 1.0 in TAUS
    assert TAUS[-1] == 1.5
    np.testing.assert_allclose(np.diff(TAUS), 0.05)


def test_shares_are_taken_off() -> None:
    logits, _ = made(0)
    shares = np.array(COUNTS) / 84
    np.testing.assert_allclose(adjusted(logits, COUNTS, 0.7), logits - 0.7 * np.log(shares))
    assert (adjusted(logits, COUNTS, 0) == logits).all()
    # At 1, Bayes' rule: the posterior over equal classes.
    posterior = softmax(logits, axis=1) / shares
    np.testing.assert_allclose(
        log_softmax(adjusted(logits, COUNTS, 1), axis=1),
        np.log(posterior / posterior.sum(axis=1, keepdims=True)),
    )


def test_torch_says_the_same() -> None:
    torch = pytest.importorskip("torch")
    from methods.functional import logit_adjustment

    logits, _ = made(1)
    theirs = logits - logit_adjustment(torch.tensor(COUNTS, dtype=torch.float64), 0.35).numpy()
    np.testing.assert_allclose(adjusted(logits, COUNTS, 0.35), theirs)


@given(st.integers(0, 50), st.sampled_from(TAUS))
def test_accuracies_are_those_of_the_confusion_matrix(seed: int, tau: float) -> None:
    logits, labels = made(seed)
    right = right_by_tau(logits, labels, COUNTS, (tau,))
    matrix = confusion_matrix(labels, adjusted(logits, COUNTS, tau).argmax(axis=1), 3)
    overall, mean = accuracies(labels, right, 3)
    assert overall[0] == pytest.approx(overall_accuracy(matrix))
    assert mean[0] == pytest.approx(mean_accuracy(matrix))


@given(st.integers(0, 200))
def test_the_smallest_of_the_best_is_chosen(seed: int) -> None:
    logits, labels = made(seed, 24)

    def exact(tau: float) -> Fraction:
        right = (logits - tau * np.log(np.array(COUNTS) / 84)).argmax(axis=1) == labels
        return sum((Fraction(int(right[labels == c].sum()), 8) for c in range(3)), Fraction(0))

    assert choose_tau(logits, labels, COUNTS) == max(TAUS, key=lambda tau: (exact(tau), -tau))
    assert choose_tau(logits, labels, COUNTS, TAUS[::-1]) == choose_tau(logits, labels, COUNTS)


def test_equal_classes_need_no_correction_and_rare_ones_do() -> None:
    logits, labels = made(3, 600)
    assert choose_tau(logits, labels, (9, 9, 9)) == 0
    assert 0.5 <= choose_tau(logits, labels, COUNTS) <= 1.5


def test_a_class_without_images_counts_for_nothing() -> None:
    overall, mean = accuracies([0, 0, 2], [[True, False, True]], 3)
    assert (overall[0], mean[0]) == pytest.approx((2 / 3, 0.75))


def test_what_does_not_fit_is_refused() -> None:
    logits, labels = made(0)
    with pytest.raises(ValueError, match="a positive count for each of 3 classes"):
        adjusted(logits, (5, 0, 1), 1)
    with pytest.raises(ValueError, match="a positive count for each of 3 classes"):
        adjusted(logits, (5, 1), 1)
    with pytest.raises(ValueError, match="no images"):
        choose_tau(logits[:0], labels[:0], COUNTS)
