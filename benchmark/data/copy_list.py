"""The copies of a dataset, within its parts and across them: sums by class, and names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from benchmark.data.copies import THRESHOLD, Kind, Pair, Prints, exact_pairs, near_pairs
from benchmark.data.dataset import Part
from benchmark.data.evidence import Finding, Severity
from benchmark.data.source import Index
from benchmark.words import count

MOST_WITHIN = 60_000
"""Images of one part up to which all its pairs are looked at: a minute or two on two cores."""

COLUMNS = ("kind", "correlation", "part", "image", "class", "other part", "other image",
           "other class")  # fmt: skip


@dataclass(frozen=True)
class Copy:
    """A pair and the parts in which its two images stand."""

    pair: Pair
    part: Part
    other: Part


def copies_in(index: Index, prints: Prints) -> list[Copy]:
    """Return every pair of copies, each once and as the strongest kind that it is.

    Args:
        index: labels and parts.
        prints: of all images that can be used.
    """
    found = []
    for other, part in combinations_with_replacement(Part, 2):
        ones, others = (np.flatnonzero(index.parts == p) for p in (part, other))
        if not len(ones) or not len(others):
            continue
        pairs = {(p.one, p.other): p for p in exact_pairs(prints, ones, others)}
        if part != other or len(ones) <= MOST_WITHIN:
            for pair in near_pairs(prints, ones, others):
                pairs.setdefault((pair.one, pair.other), pair)
        found += [Copy(pair, part, other) for pair in pairs.values()]
    return found


def copy_findings(index: Index, copies: Sequence[Copy]) -> list[Finding]:
    """Sum up by kind and class how many images of a part are copies of images of a part."""
    lines = []
    for other, part in combinations_with_replacement(Part, 2):
        here = [c.pair for c in copies if (c.part, c.other) == (part, other)]
        subject = (
            part.name.lower() if part == other else f"{part.name.lower()}/{other.name.lower()}"
        )
        for kind in Kind:
            images = sorted({pair.one for pair in here if pair.kind == kind})
            if images:
                lines.append(Finding(Severity.INFO, "copies", subject, _sum(index, kind, images)))
        if part == other and int((index.parts == part).sum()) > MOST_WITHIN:
            text = f"near copies were not looked for within more than {MOST_WITHIN} images"
            lines.append(Finding(Severity.INFO, "copies", subject, text))
    return lines


_MEANS = {
    Kind.EXACT: "with the pixels of another",
    Kind.MIRRORED: "with the mirrored pixels of another",
    Kind.NEAR: f"nearly another (correlation from {THRESHOLD} on)",
    Kind.NEAR_MIRRORED: f"nearly another, mirrored (correlation from {THRESHOLD} on)",
}


def _sum(index: Index, kind: Kind, images: Sequence[int]) -> str:
    of_class = np.bincount(index.labels[images], minlength=len(index.classes))
    named = zip(index.classes, of_class.tolist(), strict=True)
    by_class = ", ".join(f"{name} {number}" for name, number in named if number)
    return f"{count(len(images), 'image')} {_MEANS[kind]}: {by_class}"


def names_csv(index: Index, copies: Sequence[Copy]) -> str:
    """Return every pair as a line of CSV: kind, correlation, and both images with their classes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_lines(index, copies))
    return text.getvalue()


def _lines(index: Index, copies: Sequence[Copy]) -> Iterator[tuple[str, ...]]:
    for copy in copies:
        pair = copy.pair
        one, other = (
            (part.name.lower(), _name(index, image), index.classes[index.labels[image]])
            for part, image in ((copy.part, pair.one), (copy.other, pair.other))
        )
        yield (pair.kind.value, f"{pair.correlation:.4f}", *one, *other)


def _name(index: Index, image: int) -> str:
    return index.sources[image] if index.sources else f"image {image}"
