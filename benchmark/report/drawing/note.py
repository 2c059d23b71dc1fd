"""What stands under a figure: dataset, protocol, factors, seeds, selection rule and its limits."""

from __future__ import annotations

from benchmark.data.holdout import parted
from benchmark.data.imbalance import factor_label
from benchmark.data.known import dataset_notes
from benchmark.data.known import dataset_title as title_in_print
from benchmark.datasets import title_of
from benchmark.report.decoration_notes import decoration_notes
from benchmark.report.drawing.drawn import Drawn
from benchmark.report.drawing.style import plain
from benchmark.report.notes import COUNTED, older_notes, outdated_notes
from benchmark.selection import rules
from benchmark.words import count

_LONG = 400


def dataset_title(name: str) -> str:
    """Return a dataset's name as it is printed."""
    title = title_in_print(name)
    return title if title_of(parted(name)[0]) else f"Dataset {plain(title, _LONG)}"


def context(group: Drawn) -> list[str]:
    """Return the sentences that every figure of measured numbers needs."""
    frame = group.frame
    head = frame.iloc[0]
    seeds = sorted({int(seed) for seed in frame["seed"]})
    epochs = sorted({int(number) for number in frame["epochs"]})
    notes = [
        f"{dataset_title(str(head['dataset']))}, {_factors(group)}.",
        f"Protocol {plain(str(head['protocol']))} v{head['version']} ({head['values']}), "
        f"{head['recipe']} recipe: "
        f"{plain(str(head['backbone']))} ({group.group.shared.start}), {head['precision']}, "
        f"{' or '.join(map(str, epochs))} epoch{'s'[: epochs != [1]]}.",
        f"{_seeds(seeds)}.",
        f"Reported: {rules()[group.rule].note}.",
        f"{count(int(head['test_images']), 'test image')}.",
    ]
    if group.answers is not None and group.answers.images != "all":
        notes.append(COUNTED[group.answers.images])
    if head["overrides"]:
        notes.append(f"Changed from the protocol: {plain(str(head['overrides']), _LONG)}.")
    notes += dataset_notes(str(head["dataset"]))
    notes += older_notes([group.group])
    notes += outdated_notes([group.group], group.outdated)
    notes += decoration_notes(group.group.entries, group.answers)
    return notes


def factor_title(factor: float | None) -> str:
    """Return what stands over a panel."""
    return "Full set" if factor is None else f"Factor {factor_label(factor)}"


def gaps(group: Drawn) -> list[str]:
    """Return sentences on cells that are missing, have fewer seeds or logits for the epoch."""
    counts = {
        f"{series.label} at {factor_label(factor)}": len(group.rows(series, factor))
        for series in group.series
        if series.decoration is None  # whose own note says what is left out
        for factor in group.factors
    }
    most = max(counts.values())
    missing = [name for name, count in counts.items() if not count]
    fewer = [f"{name} ({count} of {most})" for name, count in counts.items() if 0 < count < most]
    notes = []
    if missing:
        notes.append(f"Not stored: {'; '.join(missing)}.")
    if fewer:
        notes.append(f"Fewer seeds: {'; '.join(fewer)}.")
    unbacked = int((~group.frame["backed"]).sum())
    if unbacked:
        runs = len(group.frame)
        notes.append(f"Not backed by stored logits: {unbacked} of {runs} reported runs.")
    return notes


def spread(group: Drawn, what: str) -> str:
    """Return what bars or bands mean; empty where one seed leaves none."""
    runs = [len(group.rows(s, f)) for s in group.series for f in group.factors]
    if max(runs) < 2:
        return "One seed: no spread."
    return f"{what}: sample standard deviation over seeds."


def _seeds(seeds: list[int]) -> str:
    if len(seeds) == 1:
        return f"Seed {seeds[0]}"
    if len(seeds) > 4 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"Seeds {seeds[0]} to {seeds[-1]}"
    return f"Seeds {', '.join(map(str, seeds))}"


def _factors(group: Drawn) -> str:
    numbers = [factor_label(factor) for factor in group.factors if factor is not None]
    word = "imbalance factor" if len(numbers) == 1 else "imbalance factors"
    made = [f"{word} {', '.join(numbers)}"] if numbers else []
    return " and ".join([*made, *(["full set"] if None in group.factors else [])])
