"""The directive ``fields``: every field of a model with its type and what its docstring says."""

from __future__ import annotations

import importlib
import inspect
import re
import types
import typing
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.M)


def described(model: type) -> dict[str, str]:
    """Return what the section ``Attributes`` of a docstring says of each name."""
    _, _, section = inspect.getdoc(model).partition("Attributes:\n")  # type: ignore[union-attr]
    return {name: " ".join(text.split()) for name, text in _ENTRY.findall(section)}


def type_name(annotation: Any) -> str:
    """Return an annotation as a reader wants it: without modules and constraints."""
    if annotation is types.NoneType:
        return "None"
    if annotation is ...:
        return "..."
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_name(inner[0])
    if origin is typing.Literal:
        return " | ".join(map(repr, inner))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(type_name, inner))
    name = getattr(origin or annotation, "__name__", str(annotation))
    return f"{name}[{', '.join(map(type_name, inner))}]" if inner else name


class Fields(SphinxDirective):
    """A table of a pydantic model's fields; a field that the docstring leaves out is a warning."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        module, _, name = self.arguments[0].rpartition(".")
        model = getattr(importlib.import_module(module), name)
        said = described(model)
        lines = []
        for field, info in model.model_fields.items():
            if field not in said:
                self.state_machine.reporter.warning(
                    f"{self.arguments[0]}: {field} is not described", line=self.lineno
                )
            needed = "" if info.is_required() else " (may be left out)"
            lines.append((field, type_name(info.annotation) + needed, said.get(field, "")))
        return [table(("field", "type", "what it is"), lines)]


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> nodes.table:
    """Return a table of plain text, the first two columns as code."""
    group = nodes.tgroup(cols=len(header))
    for width in (20, 25, 55):
        group += nodes.colspec(colwidth=width)
    group += nodes.thead("", line_of(header, code=0))
    group += nodes.tbody("", *(line_of(row, code=2) for row in rows))
    return nodes.table("", group)


def line_of(texts: tuple[str, ...], code: int) -> nodes.row:
    """Return a row, of which so many cells are set as code."""
    line = nodes.row()
    for place, text in enumerate(texts):
        inner = nodes.literal(text, text) if place < code else nodes.Text(text.replace("``", ""))
        line += nodes.entry("", nodes.paragraph("", "", inner))
    return line


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("fields", Fields)
    return {"parallel_read_safe": True}
