"""The variance of a difference of weighted recalls, by images and seeds, and what follows from it.

Two answerers a and b (methods, training sets, or two classes of one method) answered the same n
test images of each class, a row of answers a seed, S of each. What is estimated is the sum over
classes of w_a times a's recall less w_b times b's, averaged over seeds.

Images and seeds are two crossed samples (two-way error components: Searle, Casella, McCulloch,
Variance Components, 1992, chapter 4). With m_i the mean over seeds of w_a x_is - w_b y_is, the
variance of the estimate has two parts.

Images: the variance of m_i within each class, over n, summed over classes. A class on which the two
never differ would say that it never could, so each class is lent two images before the variance is
taken, one that a alone got right and one that b alone did, with n + 2 in place of n throughout.
The estimate itself stays as measured. For one class of two networks that is the variance of Bonett
and Price ("Adjusted Wald confidence interval for a difference of binomial proportions based on
paired data", Journal of Educational and Behavioral Statistics 37, 2012) with one degree of freedom
taken off; for two classes of one network that of Agresti and Caffo (The American Statistician 54,
2000), likewise. Half as much (Agresti and Min, Statistics in Medicine 24, 2005) is too little for
18 images (0.90). Counted out exactly for one class and one seed, recalls from 2 to 98 % and answers
that go together from not at all to wholly, an interval at 0.95 holds the true difference with a
probability of at least 0.934, 0.940 and 0.948 for 18, 83 and 1000 images (without the lent ones
0.38, 0.84 and 0.945), and, where at least five images are expected to differ and five not to, of at
most 0.980, 0.982 and 0.962. No rule of this kind was found that keeps 0.93 and stays below 0.97
with 18 images. Where one recall is near 0 and the other near 1 the probability nears 1, and below
10 images it may fall to 0.875. With several seeds the lent images count in each, which is too
careful where seeds differ in single answers alone: 0.2 to 2 % false alarms at 0.05 instead of 5.

Seeds: the variance of a's accuracies over seeds and that of b's, each over S, less the share of
both that is chance of single answers and stands in the images' part already (what rows and columns
of answers leave, over the number of answers); never less than 0. Without the subtraction single
answers would count twice. The seeds of a and b enter as independent samples: a shared seed number
ties two trainings together hardly at all, and twice the degrees of freedom keep the test honest
with 2 or 3 seeds.

The images' part is a sum over many and its distribution taken as normal; the seeds' has S - 1
degrees of freedom for each of a and b. Student's t with Welch and Satterthwaite's degrees of
freedom (Satterthwaite, Biometrics Bulletin 2, 1946); with one seed the normal distribution.

Each class's parts are worked out once, as forms in the weights of a and of b, then put together for
any weighting of the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.stats import CONFIDENCE

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LENT = 2
"""Images lent to each class: one that a alone got right, one that b alone did."""
_LENT_ROWS = np.array([[LENT / 2], [0.0], [LENT / 2]])  # a's squares, products, b's squares


@dataclass(frozen=True)
class ClassParts:
    """What each class adds to the variance of a difference between a and b.

    The last two hold a form in the two weights of a class, w_a of a and w_b of b:
    w_a^2 times the first row, less 2 w_a w_b times the second, plus w_b^2 times the third.

    Attributes:
        labels: (K,) the classes that have images.
        sizes: (K,) their images.
        recalls: (2, S, K) of a and of b.
        images: (3, K) variance from the choice of the class's images.
        answers: (3, K) the share of the seeds' variance that is chance of single answers.
    """

    labels: NDArray[Any]
    sizes: Floats
    recalls: Floats
    images: Floats
    answers: Floats


@dataclass(frozen=True)
class Contrast:
    """A difference with its uncertainty.

    Attributes:
        estimate: a minus b, averaged over seeds.
        low: lower end of its interval at :data:`benchmark.stats.CONFIDENCE`.
        high: upper end.
        p: two-sided. With one seed it knows only the test images.
        error: standard error of the estimate: test images and, from two seeds on, seeds.
        error_images: standard error from the choice of test images alone.
        freedom: degrees of freedom of ``error``.
    """

    estimate: float
    low: float
    high: float
    p: float
    error: float
    error_images: float
    freedom: float


def image_variance(
    labels: ArrayLike, shares_a: ArrayLike, shares_b: ArrayLike, weights: ArrayLike
) -> float:
    """Return the variance of a difference that comes from the choice of test images alone.

    Args:
        labels: integers (n,) in 0..K-1.
        shares_a: (n,) share of a's seeds that recognised each image.
        shares_b: (n,) likewise of b's seeds, which may be others.
        weights: (K,) what each class's recall counts for.
    """
    truth = np.asarray(labels)
    shares = np.stack([np.asarray(shares_a), np.asarray(shares_b)]).astype(np.float64)
    order = np.argsort(truth, kind="stable")
    of_labels, classes = _classes(truth[order])
    counts = np.asarray(weights, dtype=np.float64)[of_labels]
    rows = classes.image_rows(shares[:, order])
    return float(_form(rows, np.stack([counts, counts])[None]).sum())


def class_parts(truth: NDArray[Any], a: Bools, b: Bools) -> ClassParts:
    """Return the parts of all classes from labels (n,) and answers (S, n)."""
    if np.any(truth[1:] < truth[:-1]):
        order = np.argsort(truth, kind="stable")
        truth, a, b = truth[order], a[:, order], b[:, order]
    labels, classes = _classes(truth)
    seeds, n = len(a), classes.sizes
    recalls = np.stack([classes.sums(a), classes.sums(b)]) / n
    mean = np.stack([a.sum(axis=0), b.sum(axis=0)]) / seeds  # (2, n)
    answers = np.zeros((3, len(n)))
    if seeds > 1:
        # The squares that rows and columns leave, by sums; products of answers are their "and".
        both = np.stack([a.sum(axis=0), (a & b).sum(axis=0), b.sum(axis=0)])
        left = classes.sums(both) - seeds * classes.sums(_products(mean))
        centre = classes.sums(mean) / n
        left -= n * _products(recalls - centre[:, None]).sum(axis=1)
        answers = left / ((seeds - 1) * np.maximum(n - 1, 1) * n * seeds)
        answers[:, n == 1] = 0
    return ClassParts(labels, n, recalls, classes.image_rows(mean), answers)


@dataclass(frozen=True)
class _Classes:
    """Images sorted by class: where each class starts, and how many it has, both (K,)."""

    starts: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def sizes(self) -> Floats:
        return self.counts.astype(np.float64)

    def sums(self, values: NDArray[Any]) -> Floats:
        """Return the sum over each class, (..., K), of values (..., n)."""
        return np.asarray(np.add.reduceat(values, self.starts, axis=-1, dtype=np.float64))

    def image_rows(self, mean: Floats) -> Floats:
        """Return the form (3, K) of the images' part from shares (2, n) that were right."""
        n = self.sizes + LENT
        sums = self.sums(mean) + LENT / 2
        squares = self.sums(_products(mean)) + _LENT_ROWS
        return np.asarray((squares - _products(sums) / n) / (n - 1) / n, dtype=np.float64)


def _classes(truth: NDArray[Any]) -> tuple[NDArray[Any], _Classes]:
    """Return the labels (K,) there are, and their classes, of labels (n,) in ascending order."""
    labels, starts, counts = np.unique(truth, return_index=True, return_counts=True)
    return labels, _Classes(starts.astype(np.int64), counts.astype(np.int64))


def _products(of: Floats) -> Floats:
    """Return a's squares, products of a and b, and b's squares, (3, ...), of values (2, ...)."""
    return np.stack([of[0] * of[0], of[0] * of[1], of[1] * of[1]])


def _form(rows: Floats, weights: Floats) -> Floats:
    """Return a class's form, (C, K), of its rows (3, K) for weights (C, 2, K); never negative."""
    a, b = weights[:, 0], weights[:, 1]
    squares = a * a * rows[0] + b * b * rows[2]
    form = squares - 2 * (a * b * rows[1])
    # What is left where all but the rounding cancels is none.
    return np.where(form > 1e-13 * squares, form, 0.0)


def contrasts(parts: ClassParts, weights: Floats) -> list[Contrast]:
    """Return the difference for each weighting.

    Args:
        parts: of K classes.
        weights: (C, 2, K), what each recall of a and of b counts for.
    """
    from scipy.special import stdtr, stdtrit

    by_seed = np.einsum("cwk,wsk->wcs", weights, parts.recalls)
    estimates = (by_seed[0] - by_seed[1]).mean(axis=1)
    images = _form(parts.images, weights).sum(axis=1)
    squares = np.zeros(len(estimates))
    variance, seeds = images, by_seed.shape[2]
    if seeds > 1:
        of_seeds = by_seed.var(axis=2, ddof=1) / seeds  # (2, C)
        answers = _form(parts.answers, weights).sum(axis=1)
        variance = images + np.maximum(of_seeds.sum(axis=0) - answers, 0)
        squares = (of_seeds**2).sum(axis=0) / (seeds - 1)
    error = np.sqrt(variance)
    moves = error > 0  # unless nothing counts
    freedom = np.divide(variance**2, squares, out=np.full(len(error), np.inf), where=squares > 0)
    # Where parts are subtracted the formula can fall below what the seeds alone would have.
    freedom = np.maximum(freedom, seeds - 1)
    distance = np.divide(np.abs(estimates), error, out=np.zeros(len(error)), where=moves)
    p_values, reach = 2 * stdtr(freedom, -distance), -stdtrit(freedom, (1 - CONFIDENCE) / 2)
    half = np.where(moves, reach, 0.0) * error
    columns = (
        estimates,
        estimates - half,
        estimates + half,
        np.where(moves, p_values, 1.0),
        error,
        np.sqrt(images),
        freedom,
    )
    return [Contrast(*map(float, row)) for row in zip(*columns, strict=True)]
