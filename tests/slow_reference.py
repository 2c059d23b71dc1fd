"""The formulas once more, as plain loops over Python floats: slow, and written from the papers."""

from __future__ import annotations

import math
from collections.abc import Sequence

Vector = Sequence[float]
Matrix = Sequence[Vector]
Maps = Sequence[Sequence[Matrix]]  # [sample][class][row][column]


def softmax(logits: Vector) -> list[float]:
    top = max(logits)
    exps = [math.exp(z - top) for z in logits]
    return [e / sum(exps) for e in exps]


def inverse_frequency_weights(counts: Sequence[int]) -> list[float]:
    return [sum(counts) / (10 * n) for n in counts]


def effective_number_weights(counts: Sequence[int], beta: float) -> list[float]:
    raw = [1 / sum(beta**j for j in range(n)) for n in counts]  # (1-b)/(1-b^n) as a series
    return [w * len(counts) / sum(raw) for w in raw]


def smooth_labels(labels: Sequence[int], weights: Vector, smoothing: float) -> list[list[float]]:
    rows = []
    for y in labels:
        others = sum(w for k, w in enumerate(weights) if k != y)
        rows.append(
            [1 - smoothing if k == y else smoothing * w / others for k, w in enumerate(weights)]
        )
    return rows


def cross_entropy(logits: Matrix, targets: Matrix) -> float:
    total = 0.0
    for z, t in zip(logits, targets, strict=True):
        p = softmax(z)
        total -= sum(t[k] * math.log(p[k]) for k in range(len(z)))
    return total / len(logits)


def class_balanced_loss(logits: Matrix, labels: Sequence[int], weights: Vector) -> float:
    losses = [-weights[y] * math.log(softmax(z)[y]) for z, y in zip(logits, labels, strict=True)]
    return sum(losses) / len(losses)


def attention_consistency(maps: Maps, mirrored: Maps, weights: Vector | None) -> float:
    total = 0.0
    for one, two in zip(maps, mirrored, strict=True):
        for k in range(len(one)):
            height, width = len(one[k]), len(one[k][0])
            squares = [
                (one[k][i][j] - two[k][i][width - 1 - j]) ** 2
                for i in range(height)
                for j in range(width)
            ]
            mean = sum(squares) / len(squares)
            total += mean / len(one) if weights is None else weights[k] * mean
    return total / len(maps)


def rank_regularization(importance: Vector, beta: float, margin: float) -> float:
    high = int(len(importance) * beta)
    if high in (0, len(importance)):
        return 0.0
    ranked = sorted(importance, reverse=True)
    top, rest = ranked[:high], ranked[high:]
    return max(0.0, margin - (sum(top) / len(top) - sum(rest) / len(rest)))


def class_attention_maps(features: Maps, weight: Matrix) -> list[list[list[list[float]]]]:
    return [
        [
            [
                [
                    sum(row[c] * sample[c][i][j] for c in range(len(row)))
                    for j in range(len(sample[0][0]))
                ]
                for i in range(len(sample[0]))
            ]
            for row in weight
        ]
        for sample in features
    ]


def sigmoid_rampup(epoch: float, length: float) -> float:
    if length <= 0 or epoch >= length:
        return 1.0
    return math.e ** (-5 * ((length - epoch) / length) ** 2)


def ema_decay(step: int, decay: float) -> float:
    warm = step / (step + 1)
    return warm if warm < decay else decay


def bilateral_alpha(epoch: int, max_epoch: int) -> float:
    past = (epoch - 1) / max_epoch
    return (1 - past) * (1 + past)


def reversed_sampling_probabilities(counts: Sequence[int]) -> list[float]:
    weights = [max(counts) / n for n in counts]  # as the authors write it
    return [w / sum(weights) for w in weights]


def relabel(probabilities: Matrix, labels: Sequence[int], margin: float) -> list[int]:
    new = []
    for p, y in zip(probabilities, labels, strict=True):
        best = max(range(len(p)), key=lambda k: p[k])
        new.append(best if p[best] - p[y] > margin else y)
    return new


def uncertainty_mixup(
    features: Matrix, uncertainty: Vector, permutation: Sequence[int]
) -> list[list[float]]:
    rows = []
    for i, j in enumerate(permutation):
        a, b = uncertainty[i], uncertainty[j]
        rows.append(
            [(a * x + b * y) / (a + b) for x, y in zip(features[i], features[j], strict=True)]
        )
    return rows


def soft_label_smoothing(probabilities: Matrix, tau: float, epsilon: float) -> list[list[float]]:
    rows = []
    for p in probabilities:
        chosen = {k for k in range(len(p)) if p[k] > tau} or {
            max(range(len(p)), key=lambda k: p[k])
        }
        inside = sum(p[k] for k in chosen)
        spread = epsilon if len(chosen) < len(p) else 0.0
        rest = spread / max(1, len(p) - len(chosen))
        rows.append([(1 - spread) * p[k] / inside if k in chosen else rest for k in range(len(p))])
    return rows
