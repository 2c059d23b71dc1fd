"""Tables read back from text by parsers of the forms themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import html as lxml_html
from markdown_it import MarkdownIt


def markdown_rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of each table, as a Markdown parser sees them."""
    page = lxml_html.fromstring(MarkdownIt("commonmark").enable("table").render(text))
    for row in page.xpath("//tbody/tr"):
        yield [cell.text_content() for cell in row.xpath("./td")]


def html_rows(text: str) -> Iterator[list[str]]:
    for row in lxml_html.document_fromstring(text).xpath("//tbody/tr"):
        yield [cell.text_content() for cell in row.xpath("./th|./td")]


def latex_rows(text: str) -> Iterator[list[str]]:
    """The cells of the rows, with labels that stand for the lines below filled in."""
    previous: list[str] = []
    for line in text.splitlines():
        if not line.endswith(r"\\") or "multicolumn" in line:
            continue
        line = line.replace(r"\bfseries ", "").replace(r"$\pm$", "±").replace(r"\textendash{}", "–")
        line = re.sub(r"\{\\llap.*?\}\}\}", "", line.removesuffix(r"\\"))
        cells = [cell.strip().strip("{}") for cell in line.split("&")]
        cells = [cell or (previous[i] if i == 1 else "") for i, cell in enumerate(cells)]
        previous = cells
        yield cells
