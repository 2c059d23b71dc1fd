"""``fer-bench predict``: a trained network on anybody's pictures."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.kinds import FilePath
from benchmark.commands.options import form_options
from benchmark.commands.trained import named_network, network_options
from benchmark.commands.writing import write_tables
from benchmark.errors import escaped
from benchmark.words import count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.networks.network import Network
    from benchmark.report.sheet import Table

_AT_ONCE = 256


@dataclass
class _Judged:
    """What became of the pictures: probabilities by file, and what is to be said of the rest."""

    shares: list[tuple[str, NDArray[np.float32]]] = field(default_factory=list)
    treated: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)


@click.command("predict")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=FilePath())
@network_options
@form_options
def command(
    paths: tuple[Path, ...],
    model: str,
    method: str | None,
    device: str,
    results: Path,
    format_name: str | None,
    out: Path | None,
) -> None:
    """Say which expression a trained network sees on each image, and how sure it is.

    PATH is an image or a folder, of which all images at any depth are taken. Images are treated as
    those of the network's dataset were: of any size, stretched to its square. No face is looked
    for: crop them to the face. Files that cannot be used are named, and the exit code is 1.
    """
    from benchmark.report.forms import form_for

    form = form_for(format_name, out)
    network = named_network(model, results, method, device)
    files, complaints, notes = _files(paths)
    judged = _judge(network, files)
    notes = [*(f"{what}: {number}" for what, number in sorted(judged.treated.items())), *notes]
    if form.name in ("csv", "json", "macros"):  # whose rows have no place for it
        for note in notes:
            click.echo(f"note: {note}", err=True)
    if judged.shares:
        write_tables([_table(network, judged, notes)], form, out)
    bad = [*complaints, *judged.bad]
    for line in bad:
        click.echo(f"skipped: {line}", err=True)
    if bad:
        nothing = "" if judged.shares else "; there is nothing to show"
        click.echo(f"{count(len(bad), 'path')} could not be used{nothing}", err=True)
        sys.exit(1)


def _files(paths: Sequence[Path]) -> tuple[list[Path], list[str], list[str]]:
    """Return the images that paths lead to, what leads to none, and what folders hold besides."""
    from benchmark.data.left_out import endings_note
    from benchmark.networks.files import images_below

    files: list[Path] = []
    complaints, others = [], Counter[str]()
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        below = images_below(path)
        files += below.images
        others += below.others
        complaints += [f"{escaped(name)} {reason}" for name, reason in below.faulty.items()]
        if not below.images and not below.faulty:
            complaints.append(f"{escaped(str(path))} holds no image")
    return files, complaints, [endings_note(others, "no images")] if others else []


def _judge(network: Network, files: Sequence[Path]) -> _Judged:
    from benchmark.data.decode import PictureError
    from benchmark.networks.images import read_pictures
    from benchmark.networks.network import softmax

    judged = _Judged()
    for part in _shown(files):
        read = []
        for file, found in zip(part, read_pictures(part, network.source_image), strict=True):
            name = _name(file)
            if isinstance(found, PictureError):
                judged.bad.append(f"{name} {found}" + (f"; {found.remedy}" if found.remedy else ""))
            else:
                judged.treated.update(found.treated)
                read.append((name, found.pixels))
        if read:
            shares = softmax(network.logits_of([pixels for _, pixels in read]))
            judged.shares += zip([name for name, _ in read], shares, strict=True)
    return judged


def _name(file: Path) -> str:
    """Return what a file is called in a table; no spreadsheet takes it for a formula."""
    name = escaped(str(file))
    return f"./{name}" if name.startswith(("=", "+", "-", "@")) else name


def _shown(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    """Yield files in parts, with a bar on a terminal."""
    parts = [files[start : start + _AT_ONCE] for start in range(0, len(files), _AT_ONCE)]
    label = f"judging {count(len(files), 'image')}"
    with click.progressbar(
        length=len(files), label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        for part in parts:
            yield part
            bar.update(len(part))


def _table(network: Network, judged: _Judged, notes: Sequence[str]) -> Table:
    from benchmark.report.sheet import Number, Row, Table

    classes = network.classes
    rows, data = [], []
    for name, shares in judged.shares:
        best = int(shares.argmax())
        numbers = [Number(f"{100 * s:.1f}", best=k == best) for k, s in enumerate(shares)]
        rows.append(Row((name, classes[best]), tuple(numbers), (name,)))
        pairs = zip(classes, shares, strict=True)
        columns = {f"probability_{each}": round(float(share), 6) for each, share in pairs}
        data.append({"image": name, "prediction": classes[best], **columns})
    cell = network.record.cell
    return Table(
        title=f"Probabilities (%) by {network.record.method_title}, cell {cell.slug}",
        labels=("Image", "Prediction"),
        columns=tuple(each.capitalize() for each in classes),
        keys=tuple(f"probability_{each}" for each in classes),
        blocks=(tuple(rows),),
        notes=tuple(f"{note[0].upper()}{note[1:]}." for note in notes),
        name="predictions",
        data=tuple(data),
    )
