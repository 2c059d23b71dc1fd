"""Published numbers beside measured ones: different fields, never mixed."""

from __future__ import annotations

import math

import pandas as pd

from benchmark.analysis.groups import Entry, Factor
from benchmark.report import published
from benchmark.report.evidence import Evidence
from benchmark.report.frame import RECALL_PREFIX
from benchmark.report.scope import Scope
from benchmark.report.sheet import MISSING, Number, Row, percent
from benchmark.stats.intervals import intervals


def beside(
    blocks: tuple[tuple[Row, ...], ...], scope: Scope, evidence: Evidence
) -> tuple[tuple[Row, ...], ...]:
    """Put the published numbers, the differences and their intervals beside the measured ones."""
    return tuple(
        tuple(
            Row(
                row.labels,
                tuple(
                    _against(number, paper.get(column, math.nan), limits.get(column))
                    for number, column in zip(row.numbers, scope.layout.values, strict=True)
                ),
                row.name,
            )
            for row, entry in zip(rows, block, strict=True)
            for paper in [published_row(scope.dataset, entry)]
            for limits in [limits_of(entry, evidence)]
        )
        for rows, block in zip(blocks, scope.blocks, strict=True)
    )


def published_row(dataset: str, entry: Entry) -> dict[str, float]:
    """Return the paper's numbers of an entry's method at its factor by column, or nothing."""
    number = published_table(dataset, entry.factor)
    if number is None:
        return {}
    table = published.results(number)
    same = table["factor"].isna() if entry.factor is None else table["factor"] == entry.factor
    found = table[same & (table["method"] == entry.method)]
    numbers = [str(c) for c in table if c not in ("method", "title", "factor", "venue")]
    return {c: float(found[c].iloc[0]) for c in numbers} if len(found) else {}


def limits_of(entry: Entry, evidence: Evidence) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each of an entry's numbers in percent, by column."""
    if not entry.runs:
        return {}
    ids = list(entry.ids.values())
    found = intervals([evidence.confusion(identity) for identity in ids])
    names = evidence.records[ids[0]].classes
    ends = zip(names, *found.recalls, strict=True)
    limits = {f"{RECALL_PREFIX}{name}": (float(low), float(high)) for name, low, high in ends}
    limits |= {"overall": found.overall, "mean": found.mean}
    return {column: (100 * low, 100 * high) for column, (low, high) in limits.items()}


def _against(number: Number, paper: float, limits: tuple[float, float] | None) -> Number:
    if math.isnan(paper):
        return number
    if number.text == MISSING or limits is None:
        return Number(published=percent(paper))
    # The printed numbers are subtracted, so that the line adds up for whoever checks it.
    return Number(
        number.text,
        number.spread,
        _signed(limits[0] - paper),
        _signed(limits[1] - paper),
        best=number.best,
        second=number.second,
        published=percent(paper),
        difference=_signed(float(number.text) - paper),
    )


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"  # + 0.0 so that none is printed as -0.00


def against_notes(frame: pd.DataFrame) -> list[str]:
    """Return what the published numbers beside the measured ones are and are not."""
    notes = [
        "Published: Tables 1 to 3 of the MEK paper (NeurIPS 2023), which give no uncertainty. "
        "Difference: measured minus published. Its 95 % interval holds the uncertainty of the "
        "measured number alone: sampling of the test images (Wilson's score interval of each "
        "recall) and, with several seeds, the variance over them."
    ]
    scratch = (frame["weights"] == "scratch").any()
    if _is_paper_protocol(frame):
        text = "The protocol follows the paper's ResNet-18 rows"
        notes.append(
            f"{text}, but starts from scratch, where the paper starts from face-recognition "
            "weights."
            if scratch
            else f"{text}."
        )
    else:
        notes.append(
            "The protocol is not the paper's: a difference says nothing of whether its numbers "
            "can be reproduced."
        )
    return notes


def _is_paper_protocol(frame: pd.DataFrame) -> bool:
    from benchmark.protocols import load_protocol

    paper = load_protocol("paper")
    heads = frame[["protocol", "version", "values"]].drop_duplicates()
    return heads.values.tolist() == [[paper.name, paper.version, paper.values_hash]]


def has_published(dataset: str, factor: Factor) -> bool:
    """Whether the paper has results of this dataset at this factor."""
    return published_table(dataset, factor) is not None


def published_table(dataset: str, factor: Factor) -> int | None:
    """Return the number of the paper's table for this dataset and factor, None if there is none."""
    for number, name in published.RESULT_TABLES.items():
        factors = published.results(number)["factor"]
        inside = factors.isna().any() if factor is None else (factors == factor).any()
        if name == dataset and inside:
            return number
    return None
