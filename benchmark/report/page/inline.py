"""A figure as an element of a page: no style of its own, short, named apart from other figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d+\.\d+")
_REFERENCE = re.compile(r"url\(#([^)]*)\)")
_ROUND = {"stroke-linejoin": "round", "stroke-linecap": "butt"}
"""What Matplotlib says of all lines in a style element, which would hold for the whole page."""


def inline_svg(svg: bytes, name: str, label: str) -> str:
    """Return what Matplotlib drew as one ``<svg>`` element.

    Styles become attributes: a content security policy may then refuse every style but the page's,
    and the page's may change colours in the dark.

    Args:
        svg: the file.
        name: begins every id, so that two figures of one page share none.
        label: what the figure shows, for those who cannot see it.
    """
    root = ElementTree.fromstring(svg)
    for unwanted in ("metadata", "style"):
        for parent in list(root.iter()):
            for child in parent.findall(f"{_SVG}{unwanted}"):
                parent.remove(child)
    used = dict.fromkeys(
        target
        for element in root.iter()
        for value in element.attrib.values()
        for target in [*_REFERENCE.findall(value), *([value[1:]] if value[:1] == "#" else [])]
    )
    # Numbers, as Matplotlib's own names of clipping paths differ from run to run.
    names = {target: f"{name}-{number}" for number, target in enumerate(used)}
    for element in root.iter():
        _plain(element, names)
    width, height = (root.attrib.pop(side).removesuffix("pt") for side in ("width", "height"))
    root.attrib |= {**_ROUND, "viewBox": f"0 0 {float(width):.1f} {float(height):.1f}"}
    root.attrib |= {"role": "img", "aria-label": label, "class": "figure"}
    root.attrib.pop("version", None)
    return ElementTree.tostring(root, encoding="unicode")


def _plain(element: Element, names: Mapping[str, str]) -> None:
    element.tag = element.tag.removeprefix(_SVG)
    styles = element.attrib.pop("style", "").split(";")
    element.attrib |= {
        key.strip(): value.strip() for key, _, value in (s.partition(":") for s in styles) if value
    }
    element.attrib.pop("font-family", None)  # the page's own
    own = element.attrib.pop("id", None)
    if own is not None and own in names:
        element.attrib["id"] = names[own]
    link = element.attrib.pop(_LINK, None)
    if link is not None:
        element.attrib["href"] = f"#{names[link[1:]]}"
    for key, value in element.attrib.items():
        if key not in ("id", "href", "fill", "stroke"):
            value = " ".join(_NUMBER.sub(_short, value).split())
        element.attrib[key] = _REFERENCE.sub(lambda found: f"url(#{names[found[1]]})", value)
    if element.text is not None and not element.text.strip():
        element.text = None
    if element.tail is not None and not element.tail.strip():
        element.tail = None


def _short(match: re.Match[str]) -> str:
    return f"{float(match[0]):.1f}".removesuffix(".0")
