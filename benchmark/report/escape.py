"""Text of others, such as class and method names, made harmless for each form."""

from __future__ import annotations

import re
import unicodedata

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
    "`": r"\textasciigrave{}",
    "*": r"\textasteriskcentered{}",  # a star or a bracket behind \\ would be its argument
    "[": r"\lbrack{}",
    "]": r"\rbrack{}",
    "±": r"$\pm$",
    "†": r"$\dagger$",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "×": r"$\times$",
    "τ": r"$\tau$",
}
_MARKDOWN = set("\\`*_{}[]<>|#~$")


def plain_text(text: str) -> str:
    """Drop what a terminal would obey or a page would hide; line breaks become spaces."""
    flat = " ".join(text.split())
    return "".join(char for char in flat if unicodedata.category(char)[0] != "C")


def latex_text(text: str) -> str:
    """Escape what LaTeX would read as a command or could not print."""
    escaped = "".join(_LATEX.get(char) or _letter(char) for char in plain_text(text))
    return re.sub(r"([-,'])(?=\1)", r"\1{}", escaped)  # -- would become a dash, ,, a quote


def markdown_text(text: str) -> str:
    """Escape what Markdown or HTML would read as markup."""
    flat = plain_text(text).replace("&", "&amp;")
    return "".join(f"\\{char}" if char in _MARKDOWN else char for char in flat)


def _letter(char: str) -> str:
    """Return a letter as it is if pdfLaTeX's T1 fonts have it, else its code point in brackets."""
    if char.isascii() or (
        char.isalpha() and "\u00c0" <= char <= "\u017e" and char not in "ħĦĸŀĿŉŧŦ"
    ):
        return char
    return rf"\lbrack{{}}U+{ord(char):04X}\rbrack{{}}"
