"""A figure as an SVG element that lives in an HTML page: small, in the page's colours and fonts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib.figure import Figure

from vlprompt_pipeline.reports import sheet

# The ink of the figures follows the page, so that they turn with it in the dark.
_CSS_COLOURS = {
    sheet.INK: "var(--ink)",
    sheet.MUTED: "var(--muted)",
    sheet.FAINT: "var(--line)",
    sheet.PAPER: "var(--paper)",
}
_DROPPED = {"metadata", "style"}
KEPT = ("series-", "legend-")
"""Beginnings of the ids of groups that a script works on; they become the groups' classes."""
_GEOMETRY = {"d", "x", "y", "width", "height", "transform"}


def inline_svg(figure: Figure, prefix: str, alternative: str) -> Markup:
    """Return the figure for the middle of an HTML page; artists with a group id of `KEPT` keep it.

    Args:
        figure: drawn in the colours of `sheet`.
        prefix: goes before every id, since several figures share the page.
        alternative: what a reader hears who cannot see it.
    """
    root = ElementTree.fromstring(sheet.svg(figure))
    svg = ElementTree.Element(
        "svg", {"role": "img", "aria-label": alternative, "viewBox": root.attrib["viewBox"]}
    )
    used = set(re.findall(r"#([\w.-]+)[\")]", ElementTree.tostring(root, encoding="unicode")))
    svg.extend(_plain(child, prefix, used) for child in _unwrapped(root))
    return Markup(ElementTree.tostring(svg, encoding="unicode"))


def _plain(element: ElementTree.Element, prefix: str, used: set[str]) -> ElementTree.Element:
    """Return a copy without namespaces, needless groups, unused ids and white space."""
    attributes = {}
    for name, value in element.attrib.items():
        local = name.rpartition("}")[2]  # SVG 2 has a plain href
        if local == "id" and value.startswith(KEPT):
            attributes["class"] = value
        elif local == "id" and value not in used:
            continue
        else:
            attributes[local] = _value(local, value, prefix)
    copy = ElementTree.Element(_tag(element), attributes)
    copy.text = element.text if _tag(element) == "text" else None
    copy.extend(_plain(child, prefix, used) for child in _unwrapped(element))
    return copy


def _unwrapped(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Yield the children; in place of a group that only has a name, its own children."""
    for child in element:
        if _tag(child) == "g" and _is_bare(child):
            yield from _unwrapped(child)
        elif _tag(child) not in _DROPPED:
            yield child


def _is_bare(group: ElementTree.Element) -> bool:
    kept = group.attrib.get("id", "").startswith(KEPT)
    return not kept and not set(group.attrib) - {"id"}


def _value(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return f"{prefix}-{value}"
    if name in _GEOMETRY:  # a hundredth of a point is finer than any screen
        return re.sub(r"(\.\d\d)\d+", r"\1", " ".join(value.split()))
    if name == "style":
        value = re.sub(r"font-family: [^;]*;? ?", "", value)
        for colour, variable in _CSS_COLOURS.items():
            value = value.replace(colour, variable)
    return re.sub(r"^#|(?<=url\()#", f"#{prefix}-", value)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
