"""Another reading of the records of a row: a row of its own below it, of no other training.

A decoration is a plain value that an entry carries beside its records. No cell and no record knows
of it: it changes what is read, never what is stored or what that is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tau = float | Literal["val"]
"""How far logits are corrected; ``val``: chosen for each record on its validation images."""

CHOSEN: Literal["val"] = "val"


@dataclass(frozen=True)
class Decoration:
    """How the records of an entry are read where that is not the plain way.

    Attributes:
        suffix: what stands behind the entry's title.
        rule: the selection rule; None for that of the plain rows.
        tau: of the adjustment of :mod:`benchmark.stats.adjustment`; None where logits are taken as
            they are.
        contests: whether its rows may be the best of a column.
        published: whether numbers of the paper stand beside its rows.
    """

    suffix: str
    rule: str | None = None
    tau: Tau | None = None
    contests: bool = True
    published: bool = False


def rule_of(decoration: Decoration | None, rule: str) -> str:
    """Return a decoration's selection rule, or that of the plain rows where it has none."""
    return rule if decoration is None or decoration.rule is None else decoration.rule


def adjustment(tau: Tau) -> Decoration:
    """Return the row whose logits are adjusted after training."""
    return Decoration(f" + LA (τ={tau if tau == CHOSEN else shown_tau(tau)})", tau=tau)


def shown_tau(tau: float) -> str:
    """Return a tau as people write it: 1, 0.35."""
    return str(float(tau)).removesuffix(".0")


BEST_TEST_EPOCH = Decoration(", best test epoch †", rule="oracle", contests=False, published=True)
"""The row of the epoch that much of the literature reports."""
