"""Groups of made records, and what a figure of them shows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from click.testing import CliRunner, Result
from made_records import made_record
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.report.drawing.drawn import Drawn, drawn_groups
from benchmark.store.record import Cell, Record

METHODS = ("baseline", "cb", "mek")
FACTORS = (50.0, 150.0, None)
STARTS = {"pdf": b"%PDF-", "svg": b"<?xml", "png": b"\x89PNG\r\n"}
NASTY = ("$\\frac{$", "a_b%", "<b>&amp;\"'", "$x^2$", "tab\there", "\x00\x1b[31m", "Überraschung")


def only(records: Sequence[Record], rule: str = "last") -> Drawn:
    (group,) = drawn_groups(records, rule)
    return group


def made(methods: Sequence[str], factors: Sequence[float | None], seeds: int) -> list[Record]:
    cells = itertools.product(methods, factors, range(seeds))
    return [made_record(method, factor, seed, epochs=3)[0] for method, factor, seed in cells]


def renamed(record: Record, classes: Sequence[str], title: str) -> Record:
    return record.model_copy(update={"classes": tuple(classes), "method_title": title})


def svg_texts(path: Path) -> list[str]:
    root = ElementTree.fromstring(path.read_bytes())
    return ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("}text")]


def bars(figure: Figure, panel: int) -> dict[str, ErrorbarContainer]:
    containers = figure.axes[panel].containers
    return {str(c.get_label()): c for c in containers if isinstance(c, ErrorbarContainer)}


def reaches(container: ErrorbarContainer) -> np.ndarray:
    """Lower and upper end of each bar, (n, 2)."""
    (lines,) = container.lines[2]
    return np.array([segment[:, 1] for segment in lines.get_segments() if len(segment)])


def said(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def recounted(record: Record, counts: Sequence[int]) -> Record:
    cell = Cell(**{**record.cell.model_dump(), "class_counts": tuple(counts)})
    return record.model_copy(update={"cell": cell, "id": cell.id})


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["figure", *map(str, arguments)])


def complaint(*arguments: str | Path) -> str:
    """The one line of an error."""
    result = call(*arguments)
    assert isinstance(result.exception, InputError), (result.output, result.exception)
    text = str(result.exception)
    assert "\n" not in text
    return text
