"""Text of others, room for all text, colours for every eye."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from figure_reading import (
    NASTY,
    STARTS,
    made,
    only,
    renamed,
    svg_texts,
)
from hypothesis import given
from hypothesis import strategies as st
from made_records import made_record
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from benchmark.report.drawing import page
from benchmark.report.drawing.draw import Wanted, drawings
from benchmark.report.drawing.style import PALETTE, look, plain, styled
from benchmark.report.figures import figures
from benchmark.store.record import Cell
from methods.registry import BUILT_IN, PAPER

OTHERS = ("distribution", "tradeoff", "tuning", "attention")
MEASURED = [name for name in figures() if name not in OTHERS]


@pytest.fixture
def drawing() -> Iterator[None]:
    with styled():
        yield


@pytest.mark.parametrize(
    ("name", "format_name"),
    [*((name, "svg") for name in MEASURED), ("recall", "pdf"), ("confusion", "png")],
)
def test_text_of_others_is_drawn_as_it_stands(tmp_path: Path, name: str, format_name: str) -> None:
    records = [renamed(r, NASTY, "$\\alpha{$ <MEK> & 5%") for r in made(["mek"], [150.0], 1)]
    (drawn,) = drawings(name, records, Wanted())
    data = drawn.render(format_name)
    assert data.startswith(STARTS[format_name])
    if format_name == "svg":
        (tmp_path / "a.svg").write_bytes(data)
        texts = " ".join(svg_texts(tmp_path / "a.svg"))
        assert "$\\alpha{$ <MEK> & 5%" in texts
        if name in ("recall", "confusion"):
            for shown in ("$\\frac{$", "A_b%", "<b>&amp;\"'", "$x^2$", "Tab here", "Überraschung"):
                assert shown in texts
            assert "\x1b" not in texts


@pytest.mark.parametrize("kind", ["eight", "long", "one"])
@pytest.mark.parametrize("name", MEASURED)
def test_all_text_has_room(
    name: str, kind: str, drawing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = {"eight": [*PAPER], "long": ["baseline", "bbn", "mek"], "one": ["mek"]}[kind]
    records = made(methods, [150.0], 2)
    if kind == "long":
        names = [*NASTY[:3], *(f"a class with the long name {k}" for k in range(4))]
        records = [renamed(r, names, f"{r.method_title} of a long title") for r in records]
    figure = figures()[name].load().draw(only(records))
    shown = drawn_texts(figure, monkeypatch)
    width = figure.get_size_inches()[0]
    assert width == (3.5 if (name, kind) == ("confusion", "one") else 7.0)
    boxes = {id(text): text.get_window_extent() for text in shown}
    for text in shown:
        box = boxes[id(text)]
        inside = box.x0 >= -1 and box.y0 >= -1
        inside = inside and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert inside, f"clipped: {text.get_text()!r}"
    level = [text for text in shown if text.get_rotation() in (0, 90)]
    for one, other in itertools.combinations(level, 2):
        a, b = boxes[id(one)], boxes[id(other)]
        shared = min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
        assert not shared, f"overlap: {one.get_text()!r} {other.get_text()!r}"


def drawn_texts(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> list[Text]:
    """The texts that are drawn, without the labels of ticks beyond the limits."""
    figure.draw_without_rendering()  # the layout comes first
    shown: dict[int, Text] = {}
    draw = Text.draw

    def keep(self: Text, renderer: RendererBase) -> None:
        if self.get_visible() and self.get_text().strip():
            shown[id(self)] = self
        draw(self, renderer)

    monkeypatch.setattr(Text, "draw", keep)
    figure.draw_without_rendering()
    return list(shown.values())


@given(st.text(max_size=120), st.integers(4, 60))
def test_plain_text_is_one_short_printable_line(text: str, length: int) -> None:
    result = plain(text, length)
    assert len(result) <= length
    assert result.isprintable()
    if (
        text.isascii()
        and text.isprintable()
        and len(text) <= length
        and text == " ".join(text.split())
    ):
        assert result == text


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300))
def test_wrapping_keeps_every_letter_and_the_width(text: str) -> None:
    lines = page.wrapped(text, 1.5, 6.5)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert page.text_width(lines, 6.5) <= 1.5


def test_variants_of_a_method_are_told_apart_by_what_differs() -> None:
    records = []
    for smoothing in (0.1, 0.3):
        record, _ = made_record("mek", 150.0)
        hyper = {"smoothing": smoothing, "consistency": 0.1}
        cell = Cell(**{**record.cell.model_dump(), "hyper": hyper})
        records.append(record.model_copy(update={"cell": cell, "id": cell.id}))
    series = only(records).series
    assert [one.label for one in series] == ["MEK (smoothing=0.1)", "MEK (smoothing=0.3)"]
    assert len({look(one.slot) for one in series}) == 2


def test_methods_of_the_paper_keep_their_look_in_any_company() -> None:
    alone = only(made(["mek"], [150.0], 1)).series[0].slot
    crowd = only(made([*BUILT_IN, "zzz"], [150.0], 1)).series
    assert [one.method for one in crowd] == [*BUILT_IN, "zzz"]
    assert {one.method: one.slot for one in crowd}["mek"] == alone
    assert len({look(slot) for slot in range(88)}) == 88
    for part in range(3):
        assert len({look(slot)[part] for slot in range(8)}) == 8, "each alone tells eight apart"


# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision
# deficiency", IEEE TVCG 15 (2009), severity 1.0, on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(linear: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of linear sRGB under D65."""
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
         [0.0193339, 0.1191920, 0.9503041]]
    )  # fmt: skip
    t = to_xyz @ linear / np.array([0.95047, 1.0, 1.08883])
    x, y, z = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("name", DEFICIENCIES)
def test_colours_stay_apart_for_every_eye(name: str) -> None:
    rgb = np.array([to_rgb(color) for color in PALETTE])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = [lab(np.clip(np.asarray(DEFICIENCIES[name]) @ color, 0, 1)) for color in linear]
    closest = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))
    assert closest > 15, "a difference of 2.3 is just noticeable"
