"""Which try is chosen, as a pure function of what each answered on the same validation images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.stats.accuracy import accuracies, accuracy_weights
from benchmark.stats.paired import contrast

Right = Sequence[NDArray[np.bool_]]
"""Whether a try was right: for each training set bool (S, n), a row a seed."""


@dataclass(frozen=True)
class Standing:
    """How a try stands beside the best one.

    Attributes:
        score: its mean accuracy, averaged over its runs, in 0..1.
        behind: the best try's score less its own.
        error: standard error of that difference, from the choice of images and, where there are
            several seeds, from those (:func:`benchmark.stats.paired.contrast`).
    """

    score: float
    behind: float
    error: float

    @property
    def tied(self) -> bool:
        """Whether it is not worse than the best one by more than a standard error."""
        return self.behind <= self.error


@dataclass(frozen=True)
class Choice:
    """What was chosen among tries.

    Attributes:
        chosen: its place.
        best: the place of the one with the largest score.
        standings: one for each try; None for one that came to nothing.
    """

    chosen: int
    best: int
    standings: tuple[Standing | None, ...]


def choose(
    labels: NDArray[Any], answers: Sequence[Right | None], departures: Sequence[float]
) -> Choice | None:
    """Choose among tries: of the best and those that tie with it the smallest departure.

    Departures count to two digits, as they are shown; of equal ones the better score is chosen.

    Ties within one standard error go to what departs less from the defaults, as Breiman, Friedman,
    Olshen and Stone (Classification and Regression Trees, 1984, section 3.4.3) prefer the simpler
    of such trees; the error is that of the difference, since all tries answer the same images.
    Scores and differences are averaged over training sets, which are no repetitions of one another;
    as the images are the same ones, so are the errors.

    Args:
        labels: integers (n,) of the validation images.
        answers: of each try; None for one that came to nothing.
        departures: how far each try lies from the defaults.

    Returns:
        None where no try came to anything.
    """
    classes = int(np.max(labels)) + 1
    known = {place: right for place, right in enumerate(answers) if right is not None}
    if not known:
        return None
    scores = {
        place: float(np.mean([accuracies(labels, of, classes)[1] for of in right]))
        for place, right in known.items()
    }
    # What differs by rounding alone is equal: sums in another order, points that are mirror images.
    apart = [round(departure, 2) for departure in departures]
    best = max(scores, key=lambda place: (round(scores[place], 12), -apart[place], -place))
    sizes = np.bincount(labels, minlength=classes)
    weights = accuracy_weights(sizes, "mean")

    def standing(place: int) -> Standing:
        if place == best:
            return Standing(scores[place], 0.0, 0.0)
        pairs = zip(known[best], known[place], strict=True)
        found = [contrast(labels, first, other, weights, weights) for first, other in pairs]
        behind = max(0.0, float(np.mean([one.estimate for one in found])))  # of equals -1e-17
        return Standing(scores[place], behind, float(np.mean([one.error for one in found])))

    standings = {place: standing(place) for place in known}
    tied = [place for place, one in standings.items() if one.tied]
    chosen = min(tied, key=lambda place: (apart[place], -scores[place], place))
    return Choice(chosen, best, tuple(standings.get(place) for place in range(len(answers))))
