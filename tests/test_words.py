"""Messages count as people do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from benchmark.words import count

ROOT = Path(__file__).resolve().parent.parent
NEVER_ONE = (
    "SHOWN",
    "MOST_WITHIN",
    "Without the",
    "{of_paper}",
    "images} test images",
    "seeds} seeds each",
    "px images",
    "MIN_PIXELS",
    "{low} to {high}",
    "audit.py",
    "claims.py",
    "none of",
    "of {len(logits)}",
    "of {len(ours)}",
    "split marks",
    ":,}",
)
"""Numbers that are constants, published, or of thousands."""
NOUNS = "cell|epoch|image|picture|error|warning|record|file|result|job|step|seed"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 cells"), (1, "1 cell"), (2, "2 cells"), (-1, "-1 cells")]
)
def test_count(number: int, text: str) -> None:
    assert count(number, "cell") == text


def test_count_takes_another_plural() -> None:
    assert count(1, "cell is", "cells are") == "1 cell is"
    assert count(3, "cell is", "cells are") == "3 cells are"
    assert count(2, "entry") == "2 entries"


def test_no_message_counts_by_itself() -> None:
    """A number and a plural side by side in an f-string say ``1 cells`` sooner or later."""
    found = []
    for path in sorted([*ROOT.glob("benchmark/**/*.py"), *ROOT.glob("methods/*.py")]):
        if "speed" in path.parts:  # whose numbers are never one
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                pairs = zip(node.values, node.values[1:], strict=False)
                for value, text in pairs:
                    if (
                        isinstance(value, ast.FormattedValue)
                        and isinstance(text, ast.Constant)
                        and re.match(rf" ([a-z]+ )?({NOUNS})s\b(?!/)", str(text.value))
                    ):
                        found.append(f"{path.name}: {ast.unparse(node)}")
    assert [text for text in found if not any(known in text for known in NEVER_ONE)] == []
