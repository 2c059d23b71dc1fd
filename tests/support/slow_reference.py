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


def log_sum_exp(values: Vector) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(v - top) for v in values))


def focal_loss(logits: Matrix, labels: Sequence[int], gamma: float, weights: Vector) -> float:
    losses = []
    for z, y in zip(logits, labels, strict=True):
        p = softmax(z)
        wrong = sum(p[k] for k in range(len(z)) if k != y)  # 1 - p_y, free of cancellation
        losses.append(weights[y] * wrong**gamma * (log_sum_exp(z) - z[y]))
    return sum(losses) / len(losses)


def sigmoid_focal_loss(
    logits: Matrix, labels: Sequence[int], gamma: float, weights: Vector
) -> float:
    total = 0.0
    for z, y in zip(logits, labels, strict=True):
        for k in range(len(z)):
            p = 1 / (1 + math.exp(-z[k]))
            truth = p if k == y else 1 - p
            total -= weights[y] * (1 - truth) ** gamma * math.log(truth)
    return total / len(labels)


def ldam_margins(counts: Sequence[int], max_margin: float) -> list[float]:
    raw = [1 / math.sqrt(math.sqrt(n)) for n in counts]  # as the authors write it
    return [m * max_margin / max(raw) for m in raw]


def cosines(features: Matrix, weight: Matrix) -> list[list[float]]:
    def one(a: Vector, b: Vector) -> float:
        lengths = math.hypot(*a) * math.hypot(*b)
        return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0

    return [[one(f, w) for w in weight] for f in features]


def ldam_loss(
    rows: Matrix, labels: Sequence[int], margins: Vector, scale: float, weights: Vector
) -> float:
    total = 0.0
    for row, y in zip(rows, labels, strict=True):
        z = [scale * (c - (margins[y] if k == y else 0.0)) for k, c in enumerate(row)]
        total += weights[y] * (log_sum_exp(z) - z[y])
    return total / sum(weights[y] for y in labels)


def deferred_weights(counts: Sequence[int], beta: float, epoch: int, start: float) -> list[float]:
    return [1.0] * len(counts) if epoch < start else effective_number_weights(counts, beta)


def balanced_softmax_loss(logits: Matrix, labels: Sequence[int], counts: Sequence[int]) -> float:
    losses = []
    for z, y in zip(logits, labels, strict=True):
        terms = [n * math.exp(v) for n, v in zip(counts, z, strict=True)]
        losses.append(-math.log(terms[y] / sum(terms)))
    return sum(losses) / len(losses)


def logit_adjustment(counts: Sequence[int], tau: float) -> list[float]:
    return [math.log((n / sum(counts)) ** tau) for n in counts]


def shifted_loss(logits: Matrix, labels: Sequence[int], scale: Vector, shift: Vector) -> float:
    losses = []
    for row, y in zip(logits, labels, strict=True):
        z = [v / s + t for v, s, t in zip(row, scale, shift, strict=True)]
        losses.append(log_sum_exp(z) - z[y])
    return sum(losses) / len(losses)


def vector_scale(counts: Sequence[int], gamma: float) -> list[float]:
    return [math.exp(gamma * (math.log(max(counts)) - math.log(n))) for n in counts]


def tau_normalized(weight: Matrix, tau: float) -> list[list[float]]:
    lengths = [math.hypot(*row) for row in weight]
    return [
        [v / length**tau if length else 0.0 for v in row]
        for row, length in zip(weight, lengths, strict=True)
    ]


def label_aware_smoothing(counts: Sequence[int], head: float, tail: float) -> list[float]:
    most, least = max(counts), min(counts)
    if most == least:
        return [(head + tail) / 2] * len(counts)
    # Through the cosine of what is missing to the most frequent class.
    shares = [math.cos(math.pi / 2 * (most - n) / (most - least)) for n in counts]
    return [(1 - s) * tail + s * head for s in shares]


def uniform_smooth_labels(labels: Sequence[int], k: int, smoothing: Vector) -> list[list[float]]:
    return [
        [1 - s + s / k if c == y else s / k for c in range(k)]
        for y, s in zip(labels, smoothing, strict=True)
    ]


def sampling_probabilities(counts: Sequence[int], power: float) -> list[float]:
    raw = [math.exp(power * math.log(n)) for n in counts]
    return [r / sum(raw) for r in raw]


def progressive_sampling_probabilities(
    counts: Sequence[int], epoch: int, epochs: int
) -> list[float]:
    natural = [n / sum(counts) for n in counts]
    if epochs == 1:
        return natural
    left = epochs - 1 - epoch
    return [(left * p + epoch / len(counts)) / (epochs - 1) for p in natural]


def mixup(images: Matrix, permutation: Sequence[int], lam: float) -> list[list[float]]:
    return [
        [lam * a + (1 - lam) * b for a, b in zip(images[i], images[j], strict=True)]
        for i, j in enumerate(permutation)
    ]


def mixup_targets(
    labels: Sequence[int], permutation: Sequence[int], lam: Vector, k: int
) -> list[list[float]]:
    rows = []
    for i, j in enumerate(permutation):
        row = [0.0] * k
        row[labels[i]] += lam[i]
        row[labels[j]] += 1 - lam[i]
        rows.append(row)
    return rows


def remix_lambda(
    labels: Sequence[int],
    permutation: Sequence[int],
    counts: Sequence[int],
    lam: float,
    kappa: float,
    tau: float,
) -> list[float]:
    result = []
    for i, j in enumerate(permutation):
        own, other = counts[labels[i]], counts[labels[j]]
        if own >= kappa * other and lam < tau:
            result.append(0.0)
        elif other >= kappa * own and 1 - lam < tau:
            result.append(1.0)
        else:
            result.append(lam)
    return result


def bilateral_alpha_between(epoch: float, max_epoch: int) -> float:
    past = (epoch - 1) / max_epoch
    return (1 - past) * (1 + past)


def decay_over(steps: int, decay: float, usual_steps: int) -> float:
    memory = (1 - decay) * usual_steps  # how many memories of the teacher the usual training lasts
    return sorted((0.0, (steps - memory) / steps, decay))[1]


def deferral_start(epochs: int, share: float) -> int:
    weighted = [e for e in range(epochs) if e >= share * epochs - 1e-9]
    return weighted[0] if weighted else epochs - 1
