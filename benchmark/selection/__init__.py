"""Which epoch is reported: named rules over stored histories, a file each, applied when reporting.

A file ``<name>.py``, of which ``_`` becomes ``-``, declares as plain values at its top:

``HELP``     which epoch it is, for ``--select``;
``NOTE``     the same below a table;
``NEEDS``    what a record has to have for it, where not all have that;
``BY_VALIDATION``  True where it looks at validation images, whose numbers are then too good;
``BY_TEST``  True where it looks at the test set, and every number gets a dagger;
``FINAL``    True where it is the last epoch, whose weights are the ones that are kept;
``PLACE``    where it stands among the others; the first is the default;

and ``choose(history)``, which returns the index of the epoch, None where the history cannot say.

Switching the rule trains nothing again. The rules also say which epochs' logits training keeps: a
rule that is added chooses epochs of older records whose logits may not be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from benchmark.offered import Offer, offers

if TYPE_CHECKING:
    from benchmark.store.record import Epoch


class Rule(NamedTuple):
    """What a file of this folder declares.

    Attributes:
        name: as ``--select`` takes it.
        help: which epoch it is.
        note: the same below a table.
        by_test: whether it looks at the test set.
        by_validation: whether it looks at the validation set.
        final: whether it is the last epoch of every record.
        needs: what a record has to have; empty where every record has it.
    """

    name: str
    help: str
    note: str
    by_test: bool
    by_validation: bool
    final: bool
    needs: str
    offer: Offer

    def choose(self, history: Sequence[Epoch]) -> int | None:
        """Return the index of the epoch, None where the history cannot say."""
        index: int | None = self.offer.function("choose")(history)
        return index


@cache
def rules() -> dict[str, Rule]:
    """Return every rule by its name, the default first."""
    found = {}
    for file, offer in offers(__name__).items():
        name, facts = file.replace("_", "-"), offer.facts
        found[name] = Rule(
            name=name,
            help=facts["HELP"],
            note=facts["NOTE"],
            by_test=facts.get("BY_TEST", False),
            by_validation=facts.get("BY_VALIDATION", False),
            final=facts.get("FINAL", False),
            needs=facts.get("NEEDS", ""),
            offer=offer,
        )
    return found


def chooses_nothing(rule: str) -> str:
    """Return why a rule chooses no epoch of any record at hand, and what to do."""
    return f"no record at hand has {rules()[rule].needs}: --select {rule} chooses nothing; use last"


def lacking(rule: str) -> str:
    """Return what a cell has not that is left out of a report, behind 'has' or 'have'."""
    needs = rules()[rule].needs
    return f"not what --select {rule} needs, {needs}" if needs else "no validation split"


def first_best(scores: Sequence[float]) -> int:
    """Return the index of the largest score, the first of equals."""
    return max(range(len(scores)), key=lambda i: scores[i])
