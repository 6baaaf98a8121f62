"""What a picture shows, before it is drawn: one small record per kind of scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

STYLES = ("photo", "drawing", "icon", "painting", "sketch", "silhouette")
COLOURLESS = ("sketch", "silhouette")
SIZES = ("small", "large", "")  # empty: middling, not named in captions
COUNTS = ("two", "three", "four", "five", "six")


@dataclass(frozen=True)
class ShapeScene:
    """One object; `pattern` and `second` (its other colour) are empty for a plain one."""

    style: str
    shape: str
    colour: str
    background: str
    size: str = ""
    pattern: str = ""
    second: str = ""


@dataclass(frozen=True)
class GlyphScene:
    """A letter or a digit."""

    style: str
    glyph: str
    colour: str
    background: str


@dataclass(frozen=True)
class CountScene:
    """Two to six copies of one shape."""

    style: str
    count: str
    shape: str
    colour: str
    background: str


@dataclass(frozen=True)
class TextureScene:
    """A surface filled by a pattern of two colours at a scale (`fine` or `coarse`)."""

    style: str
    pattern: str
    scale: str
    colour: str
    second: str


@dataclass(frozen=True)
class FlagScene:
    """A flag; `colours` in the order they are named (three for stripes, two for emblems)."""

    style: str
    layout: str
    colours: tuple[str, ...]
    background: str


@dataclass(frozen=True)
class AerialScene:
    """A feature in a land, seen from above."""

    style: str
    feature: str
    land: str


Scene = ShapeScene | GlyphScene | CountScene | TextureScene | FlagScene | AerialScene
KINDS: tuple[type[Scene], ...] = get_args(Scene)
