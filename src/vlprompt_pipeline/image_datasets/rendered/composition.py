"""From a scene to its pixels."""

from __future__ import annotations

import math

import numpy as np

from vlprompt_pipeline.image_datasets.rendered.aerial import draw_aerial
from vlprompt_pipeline.image_datasets.rendered.flags import draw_flag
from vlprompt_pipeline.image_datasets.rendered.glyphs import glyph_mask
from vlprompt_pipeline.image_datasets.rendered.palette import SIDE, shade
from vlprompt_pipeline.image_datasets.rendered.patterns import SCALES, pattern_mask
from vlprompt_pipeline.image_datasets.rendered.scenes import (
    COUNTS,
    AerialScene,
    CountScene,
    FlagScene,
    GlyphScene,
    Scene,
    ShapeScene,
    TextureScene,
)
from vlprompt_pipeline.image_datasets.rendered.shapes import Pose, sample_pose, shape_mask
from vlprompt_pipeline.image_datasets.rendered.styles import backdrop, clutter, finish, place

_PERIOD_ON_OBJECTS = (6.0, 9.0)  # pixels, of a pattern on a shape
_CELLS = 3  # counted objects stand in the cells of a 3 x 3 board


def render(scene: Scene, rng: np.random.Generator, gap: float = 0.0) -> np.ndarray:
    """Draw a scene: uint8 `[SIDE, SIDE, 3]`.

    `gap` in 0..1 widens geometry, colour, noise and clutter beyond what pre-training shows.
    """
    return finish(_picture(scene, rng, gap), scene.style, rng, gap)


def _picture(scene: Scene, rng: np.random.Generator, gap: float) -> np.ndarray:
    match scene:
        case ShapeScene():
            return _shape(scene, rng, gap)
        case GlyphScene():
            mask = glyph_mask(scene.glyph, rng, sample_pose(rng, "large", gap), gap)
            return _plain(scene, mask, rng, gap)
        case CountScene():
            return _plain(scene, _count_mask(scene, rng, gap), rng, gap)
        case TextureScene():
            low, high = SCALES[scene.scale]
            period = rng.uniform(low, high) * math.exp(rng.normal(0, 0.25 * gap))
            mask = pattern_mask(scene.pattern, rng, period, gap)[..., None]
            colour, second = shade(scene.colour, rng, gap), shade(scene.second, rng, gap)
            return clutter(colour * mask + second * (1 - mask), rng, gap)
        case FlagScene():
            shades = [shade(name, rng, gap) for name in scene.colours]
            ground = shade(scene.background, rng, gap)
            return clutter(draw_flag(scene.layout, shades, ground, rng, gap), rng, gap)
        case AerialScene():
            return clutter(draw_aerial(scene.feature, scene.land, rng, gap), rng, gap)


def _plain(
    scene: GlyphScene | CountScene, mask: np.ndarray, rng: np.random.Generator, gap: float
) -> np.ndarray:
    ground = backdrop(scene.background, rng, gap)
    return place(mask, shade(scene.colour, rng, gap), ground, scene.style, rng)


def _shape(scene: ShapeScene, rng: np.random.Generator, gap: float) -> np.ndarray:
    ground = backdrop(scene.background, rng, gap)
    mask = shape_mask(scene.shape, sample_pose(rng, scene.size, gap))
    paint = shade(scene.colour, rng, gap)
    if not scene.pattern:
        return place(mask, paint, ground, scene.style, rng)
    pattern = pattern_mask(scene.pattern, rng, rng.uniform(*_PERIOD_ON_OBJECTS), gap)
    second = shade(scene.second, rng, gap)
    both = paint * pattern[..., None] + second * (1 - pattern[..., None])
    return place(mask, both, ground, scene.style, rng, pattern=pattern)


def _count_mask(scene: CountScene, rng: np.random.Generator, gap: float) -> np.ndarray:
    cell = SIDE / _CELLS
    radius, turn = rng.uniform(5.8, 7.2), rng.normal(0, 0.12 + 0.3 * gap)
    mask = np.zeros((SIDE, SIDE), np.float32)
    for index in rng.permutation(_CELLS**2)[: COUNTS.index(scene.count) + 2]:
        row, column = divmod(int(index), _CELLS)
        x, y = (column + 0.5) * cell, (row + 0.5) * cell
        nudge_x, nudge_y = rng.normal(0, 0.7, 2)
        pose = Pose(x + nudge_x, y + nudge_y, radius, turn + rng.normal(0, 0.1))
        mask = np.maximum(mask, shape_mask(scene.shape, pose))
    return mask
