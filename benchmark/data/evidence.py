"""What one pass over a dataset's pixels tells, and what it says of the labels beside them."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from benchmark.data.dataset import Part
from benchmark.data.known import KNOWN, dataset_title
from benchmark.data.source import Block, Index, Pixels, Problem
from benchmark.words import count, short

LINES = ((Part.TRAIN, Part.TEST), (Part.TRAIN, Part.VALIDATION), (Part.VALIDATION, Part.TEST))
"""The pairs of parts that should share no image."""

MOST_CONTRADICTIONS = Fraction(1, 10)
"""Of the repeated pictures of a set whose real copy has no contradiction. Single images that were
exchanged or labelled anew stay below it; labels dealt out at random contradict each other for 1
minus the sum of the squared class shares, three in four on FERPlus."""

HONEST_RATE = 0.01
"""More contradictions among repeated pictures than the real FERPlus can have by its 0 of 905: at
this rate, 905 without one have a chance of 0.0001."""
BY_CHANCE = 0.001
"""Contradictions that honest labels show more seldom than this are no chance: of 2 repeated
pictures both, of 19 three, of 30 four."""

FEW_LABELS = 100  # of one part: chance alone moves kappa by about 0.05 there
CHANCE_KAPPA = 0.2
"""Below it two annotations agree slightly at best (Landis and Koch, Biometrics 1977), which two
labellings of the same faces never do; labels that were dealt out at random give 0."""


_STRANGERS = "the labels are not those of these pictures"


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
        check: ``count``, ``file``, ``duplicate``, ``pictures``, ``labels`` or ``note``.
        subject: the file, or the part and class.
        message: what was found.
    """

    severity: Severity
    check: str
    subject: str
    message: str


@dataclass(eq=False)
class Reading:
    """What is kept of the pixels that pass by.

    Attributes:
        digests: SHA-256 of the pixels of each image that can be used.
        problems: the images that cannot.
        treated: how many images were changed on the way, by what was done.
        second: the other annotation's labels block by block, where there is one.
    """

    digests: dict[int, bytes] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    treated: Counter[str] = field(default_factory=Counter)
    second: list[NDArray[np.int64]] = field(default_factory=list)

    def over(self, pixels: Pixels) -> Iterator[Block]:
        """Yield the blocks as they come, and take note of them."""
        for block in pixels.blocks():
            bad = {problem.index for problem in block.problems}
            for i, image in enumerate(block.images, start=block.start):
                if i not in bad:
                    self.digests[i] = hashlib.sha256(image.data).digest()
            self.problems += block.problems
            self.treated.update(block.treated)
            if block.second_labels is not None:
                self.second.append(block.second_labels)
            yield block

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to images on the way, with their number."""
        return tuple(f"{what}: {count}" for what, count in sorted(self.treated.items()))

    def repeated(self) -> list[list[int]]:
        """Return the images whose pixels are the same, each picture that stands more than once."""
        same: dict[bytes, list[int]] = defaultdict(list)
        for image, digest in self.digests.items():
            same[digest].append(image)
        return [images for images in same.values() if len(images) > 1]


def picture_digest(index: Index, digests: dict[int, bytes]) -> str:
    """Return the SHA-256 (hex) of parts, labels and pixels of all images that are settled.

    The two layouts of FERPlus agree on these: a file name that stands on two rows is one picture in
    the folders and two in the CSV file.
    """
    whole = hashlib.sha256()
    for image, (part, label) in enumerate(zip(index.parts, index.labels, strict=True)):
        if image not in index.unsettled:
            whole.update(bytes((part, label)) + digests.get(image, b""))
    return whole.hexdigest()


def judge(name: str, index: Index, reading: Reading) -> list[Finding]:
    """Return what pictures and labels say of each other: an error where they are strangers.

    Three witnesses that know nothing of each other: repeated pictures and their labels, the digest
    of the real set, and another annotation of the same images.

    Args:
        name: the dataset.
        index: its labels and parts.
        reading: of all its pixels.
    """
    real = known_pictures(name, index, reading)
    return [
        *([real] if real else []),
        *repeat_findings(name, index, reading.repeated()),
        *agreement_findings(index, reading, proved=real is not None and real.severity == "info"),
    ]


def known_pictures(name: str, index: Index, reading: Reading) -> Finding | None:
    """Say whether pictures and labels are those of the real set; None where nobody knows it."""
    known = KNOWN.get(name)
    if known is None or not known.pictures:
        return None
    found = picture_digest(index, reading.digests)
    if found == known.pictures:
        message = (
            f"pictures and labels are those of the real {dataset_title(name)} ({short(found)})"
        )
        return Finding(Severity.INFO, "pictures", name, message)
    message = (
        f"pictures or labels are not those of the real {dataset_title(name)}: their digest is "
        f"{short(found)}, not {short(known.pictures)}"
    )
    return Finding(Severity.WARNING, "pictures", name, message)


def repeat_findings(name: str, index: Index, groups: Sequence[list[int]]) -> list[Finding]:
    """Sum up the pictures that stand more than once, in two parts and in one.

    Args:
        name: the dataset; what is too many contradictions depends on it.
        index: its labels and parts.
        groups: the images of each repeated picture.
    """
    return [
        *(_line_summary(name, index, groups, one, other) for one, other in LINES),
        *(_part_summary(name, index, groups, part) for part in Part),
    ]


def _line_summary(
    name: str, index: Index, groups: Sequence[list[int]], one: Part, other: Part
) -> Finding:
    across = [within(index, g, one, other) for g in groups if crosses(index, g, one, other)]
    subject = f"{one.name.lower()}/{other.name.lower()}"
    differ = sum(contradict(index, group) for group in across)
    held = sum(int((index.parts[group] == other).sum()) for group in across)
    pictures = count(len(across), "picture stands", "pictures stand")
    text = f"{pictures} on both sides, with other labels for {differ} of them"
    images = count(held, f"{other.name.lower()} image")
    text = f"{text}; {images}" if across else "no picture on both sides"
    strange = _strange(name, len(across), differ)
    severity = Severity.ERROR if strange else Severity.INFO  # each such picture is a warning
    return Finding(severity, "duplicate", subject, text + strange)


def _part_summary(name: str, index: Index, groups: Sequence[list[int]], part: Part) -> Finding:
    inside = [g for g in (within(index, g, part) for g in groups) if len(g) > 1]
    surplus = sum(len(group) - 1 for group in inside)
    differ = sum(contradict(index, group) for group in inside)
    pictures = count(len(inside), "picture stands", "pictures stand")
    text = (
        f"{pictures} more than once ({count(surplus, 'image')} too many), with "
        f"contradicting labels for {differ} of them"
    )
    strange = _strange(name, len(inside), differ)
    severity = Severity.ERROR if strange else Severity.WARNING if differ else Severity.INFO
    text = text if inside else "no picture more than once"
    return Finding(severity, "duplicate", part.name.lower(), text + strange)


def within(index: Index, group: Sequence[int], *parts: Part) -> list[int]:
    """Return the images of a group that stand in some parts."""
    return [image for image in group if index.parts[image] in parts]


def crosses(index: Index, group: Sequence[int], one: Part, other: Part) -> bool:
    """Whether a picture stands in both parts."""
    return {one, other} <= {Part(index.parts[image]) for image in group}


def contradict(index: Index, group: Sequence[int]) -> bool:
    """Whether the same picture bears several labels."""
    return len({int(index.labels[image]) for image in group}) > 1


def _strange(name: str, repeated: int, differ: int) -> str:
    """Say that labels are not those of the pictures, if so many of the repeated ones contradict."""
    known = KNOWN.get(name)
    if known is None or not known.consistent or differ <= MOST_CONTRADICTIONS * repeated:
        return ""
    from scipy.special import bdtrc  # exact, and asked for by broken sets alone

    if bdtrc(differ - 1, repeated, HONEST_RATE) >= BY_CHANCE:
        return ""
    return f": {_STRANGERS}, as the real {dataset_title(name)} has no such contradiction"


def agreement_findings(index: Index, reading: Reading, *, proved: bool) -> list[Finding]:
    """Hold the labels against another annotation of the same images, part by part.

    Args:
        index: labels and parts.
        reading: holds the other annotation, if there is one.
        proved: whether the pictures are known to be the right ones, so that it is the other
            annotation that is wrong.
    """
    if not reading.second:
        return []
    second = np.concatenate(reading.second)
    findings = []
    for part in Part:
        both = (index.parts == part) & (second >= 0)
        ours, theirs = index.labels[both], second[both]
        if len(ours) < FEW_LABELS or len(np.unique(theirs)) < 2:  # one value says nothing
            continue
        kappa = cohen_kappa(ours, theirs)
        text = (
            f"the labels agree with the column 'emotion' for {100 * np.mean(ours == theirs):.1f} % "
            f"of {len(ours)} images (kappa {kappa:.2f})"
        )
        severity = Severity.INFO
        if kappa < CHANCE_KAPPA:
            severity = Severity.WARNING if proved else Severity.ERROR
            blame = "the column is not that of these pictures" if proved else _STRANGERS
            text += f", which is near chance: {blame}"
        findings.append(Finding(severity, "labels", part.name.lower(), text))
    return findings


def cohen_kappa(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Return the agreement of two labellings beyond that of chance: 1 full, 0 as by chance.

    Source: Cohen, "A Coefficient of Agreement for Nominal Scales", 1960.

    Args:
        one: int64, (n,), not negative; at least two different values in one of the two.
        other: the same.
    """
    size = int(max(one.max(), other.max())) + 1
    shares = [np.bincount(labels, minlength=size) / len(labels) for labels in (one, other)]
    chance = float(shares[0] @ shares[1])
    return (float(np.mean(one == other)) - chance) / (1 - chance)
