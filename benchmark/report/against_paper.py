"""Published numbers beside measured ones: different fields, never mixed."""

from __future__ import annotations

import math

import pandas as pd

from benchmark.analysis.groups import Entry, Factor
from benchmark.analysis.measurements import Measurements
from benchmark.data.dataset import Part
from benchmark.data.known import KNOWN
from benchmark.paper import published
from benchmark.paper.published import RECALL_PREFIX
from benchmark.report.scope import Scope
from benchmark.report.sheet import MISSING, Number, Row, percent
from benchmark.stats.intervals import intervals


def against_paper(
    blocks: tuple[tuple[Row, ...], ...], scope: Scope, measured: Measurements
) -> tuple[tuple[Row, ...], ...]:
    """Put the published numbers, the differences and their intervals beside the measured ones.

    Both networks answered the same test images. With s_m and s_q the standard errors of a measured
    and a published share over draws of the images of a class, and r the correlation over images of
    "the one is right" with "the other is right", the variance of the difference is

        s_m^2 + s_q^2 - 2 r s_m s_q.

    No table tells r, so that interval cannot be given. What is given is the interval of the
    measured number, moved by the published one as by a constant: it says which published numbers
    fit to what this training gives on test images drawn like these and, with several seeds, with
    other seeds. Its variance, s_m^2, is that of the difference where r = s_q / (2 s_m), a half if
    both shares are equal. Where r is larger it is too wide for the difference of the two methods,
    where r is smaller too narrow, for equal shares by a factor of sqrt(2) at r = 0. The same holds
    for the accuracies, whose variances and covariances are sums over classes with squared weights.
    Between any two of the eight methods of results/ferplus-compact r is 0.50 to 0.82 for overall
    accuracy, and 0.19 to 0.92 (median 0.45) for mean accuracy, which hangs on few images. On these
    very images the two networks differ by what is printed, up to its rounding: that is no estimate.
    """
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
            for limits in [limits_of(entry, measured)]
        )
        for rows, block in zip(blocks, scope.parts, strict=True)
    )


def published_row(dataset: str, entry: Entry) -> dict[str, float]:
    """Return the paper's numbers of an entry's method at its factor by column, or nothing."""
    number = published_table(dataset, entry.factor)
    alike = entry.decoration is None or entry.decoration.published
    if number is None or not alike:
        return {}
    table = published.results(number)
    same = table["factor"].isna() if entry.factor is None else table["factor"] == entry.factor
    found = table[same & (table["method"] == entry.method)]
    numbers = [str(c) for c in table if c not in ("method", "title", "factor", "venue")]
    return {c: float(found[c].iloc[0]) for c in numbers} if len(found) else {}


def limits_of(entry: Entry, measured: Measurements) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each of an entry's numbers in percent, by column."""
    if not entry.runs:
        return {}
    found = intervals(measured.confusions(entry))
    ends = zip(entry.first.classes, *found.recalls, strict=True)
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
        f"Difference: measured minus published. {_images_note(frame)} Its 95 % interval is that "
        "of the measured number less the published one, taken as fixed: it holds sampling of the "
        "test images (Wilson's score interval of each recall) and, with several seeds, the "
        "variance over them."
    ]
    scratch = (frame["weights"] == "scratch").any()
    if is_paper_protocol(frame):
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


def _images_note(frame: pd.DataFrame) -> str:
    """Return whether both numbers are of the same test images, and what that means for them."""
    (dataset,) = set(frame["dataset"])
    of_paper = sum(KNOWN[dataset].counts[Part.TEST])
    measured = sorted({int(n) for n in frame["test_images"]})
    if measured != [of_paper]:
        listed = " or ".join(map(str, measured))
        return f"Published numbers are of {of_paper} test images, measured ones of {listed}."
    return (
        f"Both are of the same {of_paper} test images; which of them the published network "
        "recognised is not known, so there is no interval of the difference between two methods: "
        "it would be narrower than this one where both mostly err on the same images, and up to "
        "1.4 times as wide where they do not."
    )


def is_paper_protocol(frame: pd.DataFrame) -> bool:
    """Whether all rows of a frame follow the paper's protocol as it stands."""
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
