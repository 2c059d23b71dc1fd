"""Checking a dataset before it is trained on: counts, bad files, images on both sides of a line."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data import ferplus, rafdb
from benchmark.data.dataset import EMOTIONS, Part
from benchmark.data.imbalance import PUBLISHED
from benchmark.data.load import find_source
from benchmark.data.source import Block, Index, Problem

# Images of each class outside training, in the order of the dataset's classes. FERPlus: the
# denominators of the published recalls; its validation set is what the majority rule keeps of
# fer2013new.csv. RAF-DB: the test set of its authors. The training counts stand with the sets.
EXPECTED = {
    (ferplus.NAME, Part.VALIDATION): (1182, 865, 415, 351, 287, 62, 24),
    (ferplus.NAME, Part.TEST): (1090, 893, 396, 384, 273, 83, 18),
    (rafdb.NAME, Part.VALIDATION): (0,) * len(rafdb.CLASSES),
    (rafdb.NAME, Part.TEST): (1185, 680, 478, 329, 160, 162, 74),
}

LINES = ((Part.TRAIN, Part.TEST), (Part.TRAIN, Part.VALIDATION), (Part.VALIDATION, Part.TEST))
"""The pairs of parts that should share no image."""


class Severity(StrEnum):
    """How much a finding matters: an error makes the set another one than the published."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One row of a report.

    Attributes:
        severity: error, warning or info.
        check: ``count``, ``file``, ``duplicate`` or ``note``.
        subject: the file, or the part and class.
        message: what was found.
    """

    severity: Severity
    check: str
    subject: str
    message: str


@dataclass(frozen=True)
class VerifyReport:
    """What was found in a dataset, errors first.

    Attributes:
        name: the dataset.
        images: the number of images looked at.
        findings: errors, then warnings, then information.
    """

    name: str
    images: int
    findings: tuple[Finding, ...]

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(f for f in self.findings if f.severity == severity)

    @property
    def ok(self) -> bool:
        """Whether there are no errors; warnings may remain."""
        return not self.of(Severity.ERROR)


@dataclass(frozen=True, eq=False)
class _Labelled:
    """Labels and names of a dataset, from its index or from the finished value."""

    name: str
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    parts: NDArray[np.int8]
    sources: tuple[str, ...]

    def describe(self, image: int) -> str:
        source = self.sources[image] if self.sources else f"image {image}"
        return f"{source} ({self.classes[self.labels[image]]})"


def verify_dataset(name: str, root: Path | str | None = None) -> VerifyReport:
    """Read every image of a dataset and report what is wrong with it; the cache is not used.

    Args:
        name: the dataset, as for ``load_dataset``.
        root: the folder that holds its files.

    Raises:
        InputError: the files are not there, or a label file is wrong as a whole.
    """
    index = find_source(name, root).read_index()
    blocks, data, notes = index.pixels.blocks(), _labelled(name, index), index.notes
    digests, problems = _digests(blocks)
    findings = [
        *count_findings(name, data.classes, data.labels, data.parts),
        *(Finding(Severity.ERROR, "file", p.source, p.reason) for p in problems),
        *_duplicate_findings(data, digests),
        *(Finding(Severity.INFO, "note", name, note) for note in notes),
    ]
    order = list(Severity)
    findings.sort(key=lambda finding: order.index(finding.severity))  # stable: else as found
    return VerifyReport(name, len(data.labels), tuple(findings))


def _labelled(name: str, data: Index) -> _Labelled:
    return _Labelled(name, data.classes, data.labels, data.parts, data.sources)


def _digests(blocks: Iterator[Block]) -> tuple[dict[int, bytes], list[Problem]]:
    """Return a hash of the pixels of every readable image, and the problems of the others."""
    digests: dict[int, bytes] = {}
    problems: list[Problem] = []
    for block in blocks:
        bad = {problem.index for problem in block.problems}
        problems += block.problems
        for i, image in enumerate(block.images, start=block.start):
            if i not in bad:
                digests[i] = hashlib.sha256(image.tobytes()).digest()
    return digests, problems


def expected_counts(name: str, part: Part) -> dict[str, int] | None:
    """Return the published images of each class in one part, or None for any other dataset."""
    if part == Part.TRAIN and name in PUBLISHED:
        return PUBLISHED[name].counts
    if (name, part) not in EXPECTED:
        return None
    classes = EMOTIONS if name == ferplus.NAME else rafdb.CLASSES
    return dict(zip(classes, EXPECTED[name, part], strict=True))


def count_findings(
    name: str, classes: tuple[str, ...], labels: NDArray[np.int64], parts: NDArray[np.int8]
) -> list[Finding]:
    """Compare the images of each part and class with the published numbers.

    Args:
        name: the dataset; one without published numbers only has its totals reported.
        classes: the class names.
        labels: int64, (N,).
        parts: int8, (N,).
    """
    findings = []
    for part in Part:
        found = np.bincount(labels[parts == part], minlength=len(classes)).tolist()
        expected = expected_counts(name, part)
        title = part.name.lower()
        counts = dict(zip(classes, found, strict=True))
        if expected is None:
            findings.append(_info(title, f"{sum(found)} images"))
        elif counts == expected:
            findings.append(_info(title, f"{sum(found)} images, each class as published"))
        else:
            findings += [
                Finding(
                    Severity.ERROR,
                    "count",
                    f"{title} {emotion}",
                    f"{counts[emotion]} images, published are {number}",
                )
                for emotion, number in expected.items()
                if counts[emotion] != number
            ]
    return findings


def _info(subject: str, message: str) -> Finding:
    return Finding(Severity.INFO, "count", subject, message)


def _duplicate_findings(data: _Labelled, digests: dict[int, bytes]) -> list[Finding]:
    """Report images whose pixels are the same: each across a line, by number inside a part."""
    same: dict[bytes, list[int]] = defaultdict(list)
    for image, digest in digests.items():
        same[digest].append(image)
    groups = [images for images in same.values() if len(images) > 1]
    findings = []
    for one, other in LINES:
        across = [g for g in groups if {one, other} <= {Part(data.parts[i]) for i in g}]
        findings += [_across_line(data, group, one, other) for group in across]
        findings.append(_line_summary(data, across, one, other))
    for part in Part:
        inside = [[i for i in g if data.parts[i] == part] for g in groups]
        findings.append(_inside_summary(data, [g for g in inside if len(g) > 1], part))
    return findings


def _across_line(data: _Labelled, group: list[int], one: Part, other: Part) -> Finding:
    first = [data.describe(i) for i in group if data.parts[i] == one]
    second = [data.describe(i) for i in group if data.parts[i] == other]
    contradict = _contradict(data, [i for i in group if data.parts[i] in (one, other)])
    return Finding(
        Severity.WARNING,
        "duplicate",
        f"{one.name.lower()}/{other.name.lower()}",
        f"{', '.join(first)} and {', '.join(second)} are the same image"
        + ("; the labels differ" if contradict else ""),
    )


def _contradict(data: _Labelled, group: Sequence[int]) -> bool:
    return len({int(data.labels[i]) for i in group}) > 1


def _line_summary(data: _Labelled, across: list[list[int]], one: Part, other: Part) -> Finding:
    pairs = [[i for i in g if data.parts[i] in (one, other)] for g in across]
    differ = sum(_contradict(data, group) for group in pairs)
    held = sum(int((data.parts[group] == other).sum()) for group in pairs)
    text = f"{len(across)} pictures stand on both sides, with other labels for {differ} of them"
    return Finding(
        Severity.INFO,
        "duplicate",
        f"{one.name.lower()}/{other.name.lower()}",
        f"{text}; {held} {other.name.lower()} images" if across else "no picture on both sides",
    )


def _inside_summary(data: _Labelled, groups: list[list[int]], part: Part) -> Finding:
    surplus = sum(len(group) - 1 for group in groups)
    differ = sum(_contradict(data, group) for group in groups)
    text = (
        f"{len(groups)} pictures stand more than once ({surplus} images too many), with "
        f"contradicting labels for {differ} of them"
    )
    return Finding(
        Severity.INFO,
        "duplicate",
        part.name.lower(),
        text if groups else "no picture more than once",
    )
