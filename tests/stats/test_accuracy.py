"""Accuracies, macro F1, ranks and calibration against references written from their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmark.stats.accuracy import (
    accuracies,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
    mean_accuracy,
    overall_accuracy,
    rank_means,
    recalls,
    recalls_of,
)

matrices = st.lists(
    st.lists(st.integers(0, 30), min_size=5, max_size=5), min_size=5, max_size=5
).map(lambda m: np.array(m) + np.eye(5, dtype=int))


pairs = st.integers(2, 8).flatmap(
    lambda k: st.tuples(
        st.just(k),
        st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=60),
    )
)


@given(pairs)
def test_metrics_count_as_a_person_would(case: tuple[int, list[tuple[int, int]]]) -> None:
    k, answers = case
    labels, predictions = (np.array(column) for column in zip(*answers, strict=True))
    matrix = confusion_matrix(labels, predictions, k)
    assert matrix.sum() == len(answers)
    for true in range(k):
        for predicted in range(k):
            assert matrix[true, predicted] == answers.count((true, predicted))
    right = sum(t == p for t, p in answers)
    assert overall_accuracy(matrix) == pytest.approx(right / len(answers))
    of_class = [[t == p for t, p in answers if t == c] for c in range(k)]
    for c, hits in enumerate(of_class):
        expected = np.mean(hits) if hits else np.nan
        np.testing.assert_allclose(recalls(matrix)[c], expected)
    if all(of_class):
        assert mean_accuracy(matrix) == pytest.approx(np.mean([np.mean(h) for h in of_class]))


@given(pairs)
def test_answers_give_the_very_numbers_of_their_matrix(
    case: tuple[int, list[tuple[int, int]]],
) -> None:
    k, answers = case
    labels, predictions = (np.array(column) for column in zip(*answers, strict=True))
    matrix = confusion_matrix(labels, predictions, k)
    overall, mean = accuracies(labels, np.stack([labels == predictions] * 2), k)
    each = recalls_of(labels, np.stack([labels == predictions] * 2), k)
    np.testing.assert_array_equal(each, np.stack([recalls(matrix)] * 2))
    assert overall.tolist() == [overall_accuracy(matrix)] * 2
    present = np.bincount(labels, minlength=k) > 0
    assert mean == pytest.approx(recalls(matrix)[present].mean(), rel=1e-15)


def test_a_half_of_a_hundredth_is_not_lost_to_floats() -> None:
    labels = np.repeat([0, 1], [2880 - 451, 451])
    overall, _ = accuracies(labels, np.arange(2880) < 2430, 2)
    assert float(100 * overall) == 84.375


@given(hnp.arrays(np.int64, (7, 7), elements=st.integers(0, 50)))
def test_accuracies_lie_within_the_recalls(matrix: np.ndarray) -> None:
    matrix = matrix + np.eye(7, dtype=np.int64)
    for accuracy in (overall_accuracy(matrix), mean_accuracy(matrix)):
        assert recalls(matrix).min() - 1e-12 <= accuracy <= recalls(matrix).max() + 1e-12


def test_confusion_refuses_what_is_no_class() -> None:
    with pytest.raises(ValueError, match=r"0\.\.2"):
        confusion_matrix(np.array([0, 3]), np.array([0, 0]), 3)


@given(matrices)
def test_macro_f1_is_the_mean_of_harmonic_means(matrix: np.ndarray) -> None:
    scores = []
    for c in range(5):
        recall = matrix[c, c] / matrix[c].sum()
        precision = matrix[c, c] / matrix[:, c].sum()
        scores.append(2 * precision * recall / (precision + recall))
    assert macro_f1(matrix) == pytest.approx(np.mean(scores))


def test_ranks() -> None:
    recall = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.2]
    matrix = np.diag([round(10 * r) for r in recall])
    matrix[:, 0] += 10 - np.diag(matrix)
    matrix[0, 0] = 9
    matrix[0, 1] = 1
    means = rank_means(matrix, (7, 6, 5, 4, 3, 2, 1))
    assert (means.head, means.middle, means.tail) == pytest.approx((0.85, 0.6, 0.3))
    turned = rank_means(matrix, (1, 2, 3, 4, 5, 6, 7))
    assert (turned.head, turned.tail) == (means.tail, means.head)
    with pytest.raises(ValueError, match="2 counts for 7"):
        rank_means(matrix, (1, 2))


def test_calibration_by_hand_and_by_loops() -> None:
    rng = np.random.default_rng(2)
    logits, labels = rng.normal(size=(500, 4)) * 2, rng.integers(0, 4, 500)
    powers = np.exp(logits)
    shares = powers / powers.sum(axis=1, keepdims=True)
    total = 0.0
    for number in range(15):
        low, high = number / 15, (number + 1) / 15
        chosen = [i for i in range(500) if low < shares[i].max() <= high]
        if chosen:
            accuracy = np.mean([shares[i].argmax() == labels[i] for i in chosen])
            total += len(chosen) / 500 * abs(accuracy - np.mean([shares[i].max() for i in chosen]))
    assert expected_calibration_error(logits, labels) == pytest.approx(total)
    sure = np.array([[800.0, 0.0], [800.0, 0.0]], dtype=np.float32)  # exp(800) is infinite
    assert expected_calibration_error(sure, np.array([0, 1])) == pytest.approx(0.5)
