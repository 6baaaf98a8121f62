"""Random scenes for pre-training, none of which is a held-out composition."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from vlprompt_pipeline.image_datasets.rendered.aerial import FEATURES, LANDS
from vlprompt_pipeline.image_datasets.rendered.flags import LAYOUTS, STRIPES
from vlprompt_pipeline.image_datasets.rendered.glyphs import GLYPHS
from vlprompt_pipeline.image_datasets.rendered.heldout import AERIAL, FLAGS, held_out
from vlprompt_pipeline.image_datasets.rendered.palette import COLOURS, contrasting, pick
from vlprompt_pipeline.image_datasets.rendered.patterns import PATTERNS, SCALES
from vlprompt_pipeline.image_datasets.rendered.scenes import (
    COUNTS,
    STYLES,
    AerialScene,
    CountScene,
    FlagScene,
    GlyphScene,
    Scene,
    ShapeScene,
    TextureScene,
)
from vlprompt_pipeline.image_datasets.rendered.shapes import SHAPES

_STYLE_SHARES = (0.5, 0.12, 0.14, 0.1, 0.08, 0.06)
_PATTERNED_SHARE = 0.4  # of the shape scenes
FLAG_GROUNDS = ("gray", "white", "black", "navy")


def _shape(rng: np.random.Generator, style: str) -> ShapeScene | None:
    colour, shape = pick(rng, COLOURS), pick(rng, SHAPES)
    size = ("", "small", "large")[rng.choice(3, p=(0.5, 0.2, 0.3))]
    if rng.random() >= _PATTERNED_SHARE:
        if held_out(colour, shape):
            return None
        return ShapeScene(style, shape, colour, contrasting(rng, (colour,)), size)
    pattern = pick(rng, PATTERNS)
    if held_out(colour, shape) or held_out(pattern, shape):
        return None
    second = contrasting(rng, (colour,))
    ground = contrasting(rng, (colour, second))
    return ShapeScene(style, shape, colour, ground, size or "large", pattern, second)


def _glyph(rng: np.random.Generator, style: str) -> GlyphScene | None:
    colour, glyph = pick(rng, COLOURS), pick(rng, GLYPHS)
    if held_out(colour, glyph):
        return None
    return GlyphScene(style, glyph, colour, contrasting(rng, (colour,)))


def _count(rng: np.random.Generator, style: str) -> CountScene | None:
    colour, shape, count = pick(rng, COLOURS), pick(rng, SHAPES), pick(rng, COUNTS)
    if held_out(count, shape) or held_out(colour, shape):
        return None
    return CountScene(style, count, shape, colour, contrasting(rng, (colour,)))


def _texture(rng: np.random.Generator, style: str) -> TextureScene | None:
    colour, pattern, scale = pick(rng, COLOURS), pick(rng, PATTERNS), pick(rng, tuple(SCALES))
    if held_out(colour, pattern):
        return None
    style = "painting" if style == "painting" else "photo"
    return TextureScene(style, pattern, scale, colour, contrasting(rng, (colour,)))


def _flag(rng: np.random.Generator, style: str) -> FlagScene | None:
    layout = pick(rng, LAYOUTS)
    colours = tuple(pick(rng, COLOURS) for _ in range(3 if layout in STRIPES else 2))
    if any(a == b for a, b in pairwise(colours)) or held_out(layout, *colours, share=FLAGS):
        return None
    style = "photo" if style in ("sketch", "silhouette") else style
    return FlagScene(style, layout, colours, pick(rng, FLAG_GROUNDS))


def _aerial(rng: np.random.Generator, style: str) -> AerialScene | None:
    feature, land = pick(rng, FEATURES), pick(rng, LANDS)
    if held_out(feature, land, share=AERIAL):
        return None
    style = "painting" if style == "painting" else "photo"
    return AerialScene(style, feature, land)


_SAMPLERS: tuple[tuple[float, Callable[[np.random.Generator, str], Scene | None]], ...] = (
    (0.46, _shape),
    (0.16, _glyph),
    (0.14, _count),
    (0.10, _texture),
    (0.07, _flag),
    (0.07, _aerial),
)


def sample_scene(rng: np.random.Generator) -> Scene:
    """Return a random pre-training scene; kinds and styles in fixed shares (our choice)."""
    kind = rng.choice(len(_SAMPLERS), p=[share for share, _ in _SAMPLERS])
    style = STYLES[rng.choice(len(STYLES), p=_STYLE_SHARES)]
    while True:
        scene = _SAMPLERS[kind][1](rng, style)
        if scene is not None:
            return scene
