"""Domain shifts of finished pictures; none of these looks occurs in pre-training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter, ImageOps

Shift = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _smoothed(picture: np.ndarray) -> Image.Image:
    """Less noise, which edges and tones would otherwise show instead of the object."""
    return Image.fromarray(picture).filter(ImageFilter.GaussianBlur(0.7))


def _inverted(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 255 - picture


def _edges(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    framed = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")  # else the frame is an edge
    return np.asarray(_smoothed(framed).filter(ImageFilter.FIND_EDGES))[1:-1, 1:-1]


def _rotated(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    quarter = int(rng.choice((1, 3)))
    return np.ascontiguousarray(np.rot90(picture, quarter))


def _posterised(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(ImageOps.posterize(_smoothed(picture), 1))  # two tones a channel


SHIFTS: dict[str, Shift] = {
    "inverted": _inverted,
    "edges": _edges,
    "rotated": _rotated,
    "posterised": _posterised,
}
"""Name: function of a uint8 picture `[SIDE, SIDE, 3]`; `rotated` turns by a quarter."""
