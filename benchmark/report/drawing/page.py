"""A page of a paper's width: legend above, note below, the same bytes for the same records."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from benchmark.report.drawing.style import look

ONE_COLUMN = 3.5
TWO_COLUMNS = 7.0
"""Widths in inches."""

_NO_DATE: dict[str, dict[str, None]] = {
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
    "png": {},
}
_NOTE_SIZE = 6.5  # points
_LINE = 1.3 * _NOTE_SIZE / 72  # inches
_MARGIN = 0.06  # inches
_FINE = 720  # dots per inch, so fine that a width in it holds at any other


def blank(width: float, height: float) -> Figure:
    """Return an empty figure; sizes in inches, without legend and note."""
    # Compressed is constrained, and knows what panels of a fixed aspect need.
    figure = Figure(figsize=(width, height), layout="compressed")
    FigureCanvasAgg(figure)
    return figure


def handle(slot: int, label: str, *, line: bool = True) -> Line2D:
    """Return the legend entry of a series."""
    as_drawn = look(slot)
    return Line2D(
        [],
        [],
        color=as_drawn.color,
        marker=as_drawn.marker,
        markersize=as_drawn.size,
        markeredgecolor="white",
        markeredgewidth=0.4,
        linestyle=as_drawn.dashes if line else "none",
        label=label,
    )


def finish(figure: Figure, handles: Sequence[Artist], notes: Sequence[str]) -> Figure:
    """Add the legend above and the note below, and make the figure higher by what they take.

    Args:
        figure: with its axes.
        handles: of the legend, none for no legend.
        notes: sentences that stand under the figure.
    """
    width, body = figure.get_size_inches()
    lines = wrapped(" ".join(notes), width - 2 * _MARGIN, _NOTE_SIZE)
    below = len(lines) * _LINE + 2 * _MARGIN
    above = _legend(figure, handles) if handles else 0.0
    height = above + body + below
    figure.set_size_inches(width, height)
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(rect=(0, below / height, 1, body / height))  # type: ignore[call-arg]
    for number, line in enumerate(lines):
        figure.text(
            _MARGIN / width,
            (below - _MARGIN - number * _LINE) / height,
            line,
            size=_NOTE_SIZE,
            va="top",
            color="#333333",
        )
    return figure


def wrapped(text: str, width: float, size: float) -> list[str]:
    """Break text into lines that are no wider than ``width`` inches at ``size`` points."""
    measure = _measure(size)
    lines: list[str] = []
    current = ""
    for word in text.split():
        if current and measure(f"{current} {word}") <= width:
            current = f"{current} {word}"
            continue
        if current:
            lines.append(current)
        current = word
        while measure(current) > width:  # one word that no line can hold
            cut = next(i for i in range(len(current), 0, -1) if measure(current[:i]) <= width)
            lines.append(current[:cut])
            current = current[cut:]
    return [*lines, current] if current else lines


def text_width(texts: Sequence[str], size: float) -> float:
    """Return the width of the widest text in inches."""
    measure = _measure(size)
    return max((measure(text) for text in texts), default=0.0)


def to_bytes(figure: Figure, format_name: str) -> bytes:
    """Return the figure without a date, in one of ``benchmark.choices.FIGURE_FORMATS``."""
    file = io.BytesIO()
    figure.savefig(file, format=format_name, metadata=_NO_DATE[format_name])
    return file.getvalue()


def _legend(figure: Figure, handles: Sequence[Artist]) -> float:
    """Put a legend at the top with as many columns as fit; return its height in inches."""
    width = figure.get_size_inches()[0] * figure.dpi
    for most in range(len(handles), 0, -1):
        rows = math.ceil(len(handles) / most)
        columns = math.ceil(len(handles) / rows)  # rows of about the same length
        # A legend is filled column by column; it is to be read row by row.
        by_row = [handle for column in range(columns) for handle in handles[column::columns]]
        legend = figure.legend(handles=by_row, loc="upper center", ncols=columns, borderaxespad=0.3)
        box = legend.get_window_extent()
        if box.width <= width - 4 or most == 1:
            return float(box.height) / figure.dpi + _MARGIN
        legend.remove()
    raise AssertionError("a legend has at least one column")


def _measure(size: float) -> Callable[[str], float]:
    renderer = FigureCanvasAgg(Figure((0.1, 0.1), dpi=_FINE)).get_renderer()  # type: ignore[no-untyped-call]
    font = FontProperties(size=size)
    return lambda text: float(
        renderer.get_text_width_height_descent(text, font, ismath=False)[0] / _FINE
    )
