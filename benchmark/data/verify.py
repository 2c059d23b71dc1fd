"""Checking a dataset before it is trained on: counts, bad files, images on both sides of a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data.copies import Prints
from benchmark.data.copy_list import copies_in, copy_findings, names_csv
from benchmark.data.dataset import Part
from benchmark.data.evidence import (
    LINES,
    Finding,
    Reading,
    Severity,
    contradict,
    crosses,
    judge,
    within,
)
from benchmark.data.holdout import counts_with, parted
from benchmark.data.known import KNOWN
from benchmark.data.load import find_source
from benchmark.data.source import Index, Problem
from benchmark.words import count


@dataclass(frozen=True)
class VerifyReport:
    """What was found in a dataset, errors first.

    Attributes:
        name: the dataset.
        images: the number of images looked at.
        findings: errors, then warnings, then information.
        copies: every pair of images that are copies, as CSV with their names.
    """

    name: str
    images: int
    findings: tuple[Finding, ...]
    copies: str

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(f for f in self.findings if f.severity == severity)

    @property
    def ok(self) -> bool:
        """Whether there are no errors; warnings may remain."""
        return not self.of(Severity.ERROR)


def verify_dataset(
    name: str, root: Path | str | None = None, *, resize: int | None = None
) -> VerifyReport:
    """Read every image of a dataset and report what is wrong with it; the cache is not used.

    Args:
        name: the dataset, as for ``load_dataset``.
        root: the folder that holds its files.
        resize: as for ``load_dataset``.

    Raises:
        InputError: the files are not there, or a label file is wrong as a whole.
    """
    source = find_source(name, root, resize=resize)
    index = source.read_index()
    reading, prints = Reading(), Prints()
    for block in reading.over(index.pixels):
        prints.add_block(block)
    copies = copies_in(index, prints)
    notes = (*index.notes, *reading.notes, *source.notes)
    findings = [
        *count_findings(name, index.classes, index.labels, index.parts),
        *(Finding(Severity.ERROR, "file", p.source, _fault(p)) for p in reading.problems),
        *judge(name, index, reading),
        *_same_picture_findings(index, reading.repeated()),
        *copy_findings(index, copies),
        *(Finding(Severity.INFO, "note", name, note) for note in notes),
    ]
    order = list(Severity)
    findings.sort(key=lambda finding: order.index(finding.severity))  # stable: else as found
    return VerifyReport(name, len(index.labels), tuple(findings), names_csv(index, copies))


def _fault(problem: Problem) -> str:
    return f"{problem.reason}; {problem.remedy}" if problem.remedy else problem.reason


def expected_counts(name: str, part: Part) -> dict[str, int] | None:
    """Return the images of each class in one part that follow from the published ones.

    None for any dataset that has none published.
    """
    base, fraction = parted(name)
    if base not in KNOWN:
        return None
    known = KNOWN[base]
    if fraction is None:
        return known.of(part)
    return dict(zip(known.classes, counts_with(known.counts, fraction)[part], strict=True))


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
    held_out = parted(name)[1] is not None
    same, but = (
        ("as follows from the published numbers", "from the published numbers follow")
        if held_out
        else ("as published", "published are")
    )
    for part in Part:
        found = np.bincount(labels[parts == part], minlength=len(classes)).tolist()
        expected = expected_counts(name, part)
        title = part.name.lower()
        counts = dict(zip(classes, found, strict=True))
        if expected is None:
            findings.append(_info(title, count(sum(found), "image")))
        elif counts == expected:
            findings.append(_info(title, f"{count(sum(found), 'image')}, each class {same}"))
        else:
            findings += [
                Finding(
                    Severity.ERROR,
                    "count",
                    f"{title} {emotion}",
                    f"{count(counts[emotion], 'image')}, {but} {number}",
                )
                for emotion, number in expected.items()
                if counts[emotion] != number
            ]
    return findings


def _info(subject: str, message: str) -> Finding:
    return Finding(Severity.INFO, "count", subject, message)


def _same_picture_findings(index: Index, groups: Sequence[list[int]]) -> list[Finding]:
    """Name the pictures that stand in two parts, and those of one part whose labels differ."""
    findings = []
    for one, other in LINES:
        for group in (g for g in groups if crosses(index, g, one, other)):
            sides = [", ".join(_named(index, within(index, group, p))) for p in (one, other)]
            subject = f"{one.name.lower()}/{other.name.lower()}"
            findings.append(_same(index, within(index, group, one, other), sides, subject))
    for part in Part:
        inside = (within(index, group, part) for group in groups)
        findings += [
            _same(index, group, _named(index, group), part.name.lower())
            for group in inside
            if contradict(index, group)
        ]
    return findings


def _same(index: Index, group: Sequence[int], names: Sequence[str], subject: str) -> Finding:
    differ = "; the labels differ" if contradict(index, group) else ""
    text = f"{' and '.join(names)} are the same image{differ}"
    return Finding(Severity.WARNING, "duplicate", subject, text)


def _named(index: Index, images: Sequence[int]) -> list[str]:
    return [
        f"{index.sources[i] if index.sources else f'image {i}'} ({index.classes[index.labels[i]]})"
        for i in images
    ]
