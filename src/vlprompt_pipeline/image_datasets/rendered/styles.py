"""How a mask becomes a picture: the six styles, light, noise, blur and clutter."""

from __future__ import annotations

import math

import numpy as np
from PIL import ImageDraw, ImageFilter

from vlprompt_pipeline.image_datasets.rendered.palette import (
    COLUMNS,
    ROWS,
    SIDE,
    shade,
    smooth_noise,
    to_bytes,
)

_PAPER = 246.0


def backdrop(name: str, rng: np.random.Generator, gap: float) -> np.ndarray:
    """Draw a ground of a named colour, at times mottled or cluttered: float32 `[SIDE, SIDE, 3]`."""
    ground = np.broadcast_to(shade(name, rng, gap), (SIDE, SIDE, 3))
    if rng.random() < 0.3 + 0.4 * gap:
        ground = ground + smooth_noise(rng, int(rng.integers(3, 7)), 10 + 14 * gap)[..., None]
    return clutter(ground, rng, gap)


def clutter(picture: np.ndarray, rng: np.random.Generator, gap: float) -> np.ndarray:
    """Draw up to three stray strokes on a picture, with probability 0.7 `gap`."""
    if rng.random() >= 0.7 * gap:
        return picture
    image = to_bytes(picture)
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(1, 4)):
        x, y = rng.uniform(0, SIDE, 2)
        turn, length = rng.uniform(0, 2 * math.pi), rng.uniform(6, 22)
        end = (x + length * math.cos(turn), y + length * math.sin(turn))
        paint = tuple(int(v) for v in rng.uniform(0, 255, 3))
        draw.line((x, y, *end), fill=paint, width=int(rng.integers(1, 3)))
    return np.asarray(image, np.float32)


def _edges(mask: np.ndarray) -> np.ndarray:
    across = np.abs(np.diff(mask, axis=1, prepend=mask[:, :1]))
    down = np.abs(np.diff(mask, axis=0, prepend=mask[:1]))
    return np.clip((across + down) * 1.3, 0, 1)


def place(
    mask: np.ndarray,
    paint: np.ndarray,
    ground: np.ndarray,
    style: str,
    rng: np.random.Generator,
    *,
    pattern: np.ndarray | None = None,
) -> np.ndarray:
    """Put an object on its ground in a style: float32 `[SIDE, SIDE, 3]` in 0..255.

    Args:
        mask: coverage of the object, `[SIDE, SIDE]`.
        paint: its colour `[3]`, or colours `[SIDE, SIDE, 3]`.
        ground: `[SIDE, SIDE, 3]`.
        style: one of `scenes.STYLES`.
        rng: for the tones of silhouettes and the grain of sketches.
        pattern: the mask of the object's pattern, whose lines a sketch also shows.
    """
    cover = mask[..., None]
    if style == "silhouette":
        dark, light = rng.uniform(0, 40), rng.uniform(190, 255)
        return np.broadcast_to(dark * cover + light * (1 - cover), (SIDE, SIDE, 3))
    if style == "sketch":
        lines = _edges(mask)
        if pattern is not None:
            lines = np.maximum(lines, 0.6 * _edges(pattern) * mask)
        grey = 235 - 190 * lines + rng.normal(0, 6, (SIDE, SIDE))
        return np.repeat(grey[..., None], 3, axis=2)
    if style == "drawing":
        inked = paint * cover + _PAPER * (1 - cover)
        return inked * (1 - 0.85 * _edges(mask)[..., None])
    return paint * cover + ground * (1 - cover)


def finish(picture: np.ndarray, style: str, rng: np.random.Generator, gap: float) -> np.ndarray:
    """Add the light, noise and blur of a photo, or the brush work of a painting.

    Returns:
        uint8 `[SIDE, SIDE, 3]`.
    """
    if style == "painting":
        daubs = np.stack([smooth_noise(rng, 8, 16) for _ in range(3)], axis=-1)
        return np.asarray(to_bytes(picture + daubs).filter(ImageFilter.MedianFilter(3)))
    if style != "photo":
        return np.asarray(to_bytes(picture))
    turn, strength = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.18 + 0.2 * gap)
    slope = (COLUMNS - SIDE / 2) * math.cos(turn) + (ROWS - SIDE / 2) * math.sin(turn)
    lit = picture * (1 + strength * slope / (SIDE / 2))[..., None]
    noisy = to_bytes(lit + rng.normal(0, rng.uniform(2, 9 + 16 * gap), picture.shape))
    if rng.random() < 0.3 + 0.3 * gap:
        noisy = noisy.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.7 + 0.6 * gap)))
    return np.asarray(noisy)
