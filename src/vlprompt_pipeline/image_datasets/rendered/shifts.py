"""Domain shifts of finished pictures; none of these looks occurs in pre-training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from vlprompt_pipeline.image_datasets.rendered.palette import SIDE

_EDGE_GAIN = 3
_DEGREES = (20.0, 40.0)  # either way; pre-training turns objects by about 7

Shift = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _smoothed(picture: np.ndarray, radius: float) -> Image.Image:
    """Blur noise, which edges and tones would otherwise show instead of the object."""
    return Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius))


def _inverted(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 255 - picture


def _edges(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    framed = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")  # else the frame is an edge
    lines = _smoothed(framed, 1.0).filter(ImageFilter.FIND_EDGES).convert("L")
    ink = np.asarray(lines, np.int64)[1:-1, 1:-1, None] * _EDGE_GAIN
    return (255 - ink.clip(0, 255)).repeat(3, axis=2).astype(np.uint8)


def _rotated(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    margin = SIDE // 3
    wide = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    degrees = rng.uniform(*_DEGREES) * rng.choice((-1, 1))
    turned = Image.fromarray(wide).rotate(degrees, Image.Resampling.BILINEAR)
    return np.asarray(turned)[margin:-margin, margin:-margin]


def _posterised(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(ImageOps.posterize(_smoothed(picture, 0.7), 1))  # two tones a channel


SHIFTS: dict[str, Shift] = {
    "inverted": _inverted,
    "edges": _edges,
    "rotated": _rotated,
    "posterised": _posterised,
}
"""Name: function of a uint8 picture `[SIDE, SIDE, 3]`."""
