"""Text of others, such as class and method names, made harmless for LaTeX and Markdown."""

from __future__ import annotations

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "†": r"$\dagger$",
}
_MARKDOWN = set("\\`*_{}[]<>|#")


def latex_text(text: str) -> str:
    """Escape what LaTeX would read as a command; line breaks become spaces."""
    return "".join(_LATEX.get(char, char) for char in " ".join(text.split()))


def markdown_text(text: str) -> str:
    """Escape what Markdown or HTML would read as markup; line breaks become spaces."""
    flat = " ".join(text.split()).replace("&", "&amp;")
    return "".join(f"\\{char}" if char in _MARKDOWN else char for char in flat)
