"""What stands below a table: what was done, from what, and what the numbers are worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.analysis.groups import Group, Shared, replaced
from benchmark.analysis.measurements import Measurements
from benchmark.analysis.origin import each
from benchmark.data.known import dataset_notes
from benchmark.report.emphasis import TableEmphasis
from benchmark.selection import rules
from benchmark.stats import ALPHA
from benchmark.store.outdated import Outdated
from benchmark.words import count, short

if TYPE_CHECKING:
    from benchmark.report.scope import Scope

COUNTED = {
    "clean": "Only test images count whose pixels do not stand in the unmodified training set "
    "(--images clean).",
    "no-near-copies": "Only test images count that are no copies of training images, mirrored and "
    "near ones among them (--images no-near-copies).",
}


def group_line(shared: Shared, frame: pd.DataFrame) -> str:
    """Return what the cells of one comparable group share, in one line."""
    return (
        f"Protocol {shared.protocol} v{shared.version} ({shared.values}), {shared.recipe} "
        f"recipe: {shared.backbone} ({shared.start}), {shared.precision}, {_epochs(frame)}"
    )


def provenance_notes(groups: Sequence[Group], frame: pd.DataFrame, rule: str) -> list[str]:
    """Return protocol, selection rule, hyper-parameters, revisions and machines of one group."""
    shared = groups[0].shared
    notes = [f"{group_line(shared, frame)}."]
    if shared.overrides:
        notes.append(f"Changed from the protocol: {' '.join(shared.overrides)}.")
    if _compiled(groups[0]):
        notes.append(
            "Trained by kernels of torch.compile, which round otherwise than torch's own do."
        )
    return [*notes, reported_note(frame, rule), *_origin_notes(frame)]


def mixed_notes(groups: Sequence[Group], frame: pd.DataFrame, rule: str) -> list[str]:
    """Return the same for a table of several groups, a line for each with its letter."""
    notes = [
        "MIXED: the rows come from cells that cannot be compared; the letter in the column Cells "
        "says which. Nothing is in bold."
    ]
    for index, group in enumerate(groups):
        shared = group.shared
        line = group_line(shared, frame[frame["id"].isin(group.records)])
        changed = f", changed: {' '.join(shared.overrides)}" if shared.overrides else ""
        changed += ", compiled" if _compiled(group) else ""
        data = f"data {short(shared.fingerprint)}"
        notes.append(f"{group_letter(index)}: {line}{changed}, {data}.")
    return [*notes, reported_note(frame, rule), *_origin_notes(frame)]


def _compiled(group: Group) -> bool:
    """Whether cells of a group were trained compiled, be it by their protocol or by an option."""
    records = [record for entry in group.entries for record in entry.runs.values()]
    return any(record.cell.protocol.training.compile for record in records)


def older_notes(groups: Sequence[Group]) -> list[str]:
    """Return which cells have no row, because a newer version of their method has."""
    told = replaced(groups)
    return [f"Left out: {told}."] if told else []


def outdated_notes(groups: Sequence[Group], outdated: Sequence[Outdated]) -> list[str]:
    """Return which rows an older version of their method left, and what it does otherwise since."""
    titles = {
        (entry.method, record.cell.method_version): entry.title
        for group in groups
        for entry in group.entries
        for record in entry.runs.values()
    }
    found = [
        f"{titles[one.method, one.version]} (version {one.version}: {one.reason})"
        for one in outdated
        if (one.method, one.version) in titles
    ]
    return [f"Of older versions, not yet trained again: {'; '.join(found)}."] if found else []


def group_letter(index: int) -> str:
    """Return a, b, ..., z, aa, ab, ... for 0, 1, ..."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


def reported_note(frame: pd.DataFrame, rule: str) -> str:
    """Return which epoch is reported and on how many images of which split."""
    split = "test" if "test_images" in frame else "validation"
    sizes = sorted({int(n) for n in frame[f"{split}_images"]})
    images = " or ".join([*map(str, sizes[:-1]), count(sizes[-1], f"{split} image")])
    return f"Reported: {rules()[rule].note}. {images}."


def _origin_notes(frame: pd.DataFrame) -> list[str]:
    notes = []
    pairs = zip(frame["title"], frame["hyper"], strict=True)
    hyper = dict.fromkeys(f"{title} {text}" for title, text in pairs if text)
    if hyper:
        notes.append(f"Hyper-parameters: {'; '.join(hyper)}.")
    notes += _stage_notes(frame)
    for what, column in (("revisions of the code", "code"), ("machines", "machine")):
        different = each(frame[column])
        if len(different) > 1:
            notes.append(f"Rows come from different {what}: {'; '.join(different)}.")
    left_out = sorted({text for text in frame["left_out"] if text})
    if left_out:
        notes.append(f"Of the dataset's files: {'; or, for other rows: '.join(left_out)}.")
    return [*notes, *(note for name in frame["dataset"].unique() for note in dataset_notes(name))]


def _stage_notes(frame: pd.DataFrame) -> list[str]:
    """Return which rows start from another row's final weights."""
    titles = dict(zip(frame["method"], frame["title"], strict=True))
    later = frame[frame["first_stage"] != ""]
    return [
        f"Second stages, of the final weights of {titles.get(first, first)} at the same factor and "
        f"seed: {', '.join(dict.fromkeys(rows['title']))}."
        for first, rows in later.groupby("first_stage", sort=True)
    ]


def seed_notes(scope: Scope) -> list[str]:
    """Return which seeds there are, and which rows have fewer than the others of their group."""
    entries = [entry for block in scope.blocks for entry in block]
    seeds = sorted({run.seed for entry in entries for run in entry.runs})
    text = f"Seeds: {', '.join(map(str, seeds))}."
    if any(len(entry.runs) > 1 for entry in entries):
        text += " Mean ± sample standard deviation over seeds."
    notes = [text]
    short = [
        f"{scope.named(entry)} ({len(entry.runs)} of {scope.expected(entry)})"
        for entry in entries
        if 0 < len(entry.runs) < scope.expected(entry)
    ]
    if short:
        notes.append(f"Fewer seeds than the rest: {'; '.join(short)}.")
    if any(not entry.runs for entry in entries):
        notes.append("–: no finished cell.")
    return notes


def backing_notes(scope: Scope, measured: Measurements) -> list[str]:
    """Return which rows rest on epochs whose logits were not kept: nothing vouches for them."""
    rows = [
        f"{scope.named(entry)} ({unbacked} of {len(entry.runs)})"
        for block in scope.blocks
        for entry in block
        if (unbacked := sum(not row["backed"] for row in measured.rows(entry)))
    ]
    return [f"Not backed by stored logits (runs): {'; '.join(rows)}."] if rows else []


def marks_note(marks: TableEmphasis) -> str:
    """Return what bold and underlining mean and how they were decided."""
    accuracies, recalls = marks.tested
    if not accuracies + recalls:
        return (
            "Bold: the largest of its column within a factor; underlined: the second largest. "
            "Nothing was tested: one seed does not show how much seeds differ."
        )
    of = ", of the rows of several seeds" if marks.left_out else ""
    text = (
        f"Bold: not distinguishable from the largest of its column within a factor{of}; "
        "underlined: the second largest. Test: two-sided t-test of the difference on the same test "
        "images, with the variance of sampling them within each class and that over seeds; "
        f"level {ALPHA}, Holm's correction over the {accuracies} comparisons of overall and mean "
        "accuracy with the largest in this table"
    )
    text += f" and, apart from them, over the {recalls} of recalls." if recalls else "."
    if marks.left_out:
        text += " Rows of one seed are not tested and have neither mark, be they larger or not."
    return text


def untested_note() -> str:
    """Return the note where several seeds are there, but not what a test needs."""
    return (
        "Bold: the largest of its column within a factor; underlined: the second largest. Not "
        "tested: no two rows share two seeds with stored logits."
    )


def _epochs(frame: pd.DataFrame) -> str:
    """Return how long cells were trained; second stages say it among their hyper-parameters."""
    anew = frame[frame["first_stage"] == ""]
    column = (anew if len(anew) else frame)["epochs"]
    low, high = int(column.min()), int(column.max())
    return count(low, "epoch") if low == high else f"{low} to {high} epochs"
