"""Flags: five layouts of two or three colours on a cloth that may wave and turn."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from vlprompt_pipeline.image_datasets.rendered.palette import SIDE, SUPERSAMPLING

STRIPES = ("horizontal", "vertical")  # three colours
EMBLEMS = ("disc", "cross", "saltire")  # two colours: cloth, then emblem
LAYOUTS = STRIPES + EMBLEMS

Box = tuple[float, float, float, float]
Rgb = tuple[int, int, int]


def _bands(draw: ImageDraw.ImageDraw, cloth: Box, colours: list[Rgb], upright: bool) -> None:
    left, top, right, bottom = cloth
    width, height = right - left, bottom - top
    for i, colour in enumerate(colours):
        low, high = i / len(colours), (i + 1) / len(colours)
        across = (left + width * low, top, left + width * high, bottom)
        down = (left, top + height * low, right, top + height * high)
        draw.rectangle(across if upright else down, fill=colour)


def _emblem(draw: ImageDraw.ImageDraw, cloth: Box, layout: str, colour: Rgb) -> None:
    left, top, right, bottom = cloth
    width, height = right - left, bottom - top
    x, y = (left + right) / 2, (top + bottom) / 2
    if layout == "disc":
        radius = height * 0.3
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    elif layout == "cross":
        half, mast = height * 0.1, left + width * 0.36
        draw.rectangle((left, y - half, right, y + half), fill=colour)
        draw.rectangle((mast - half, top, mast + half, bottom), fill=colour)
    else:
        thickness = round(height * 0.16)
        draw.line((left, top, right, bottom), fill=colour, width=thickness)
        draw.line((left, bottom, right, top), fill=colour, width=thickness)


def draw_flag(
    layout: str, shades: list[np.ndarray], ground: np.ndarray, rng: np.random.Generator, gap: float
) -> np.ndarray:
    """Return a flag on plain ground: float32 `[SIDE, SIDE, 3]` in 0..255.

    `shades` are the sampled colours `[3]` in the order they are named. A growing `gap` shrinks
    the cloth, turns it further and lets it wave (columns pushed up and down, light and shade).
    """
    frame = SIDE * SUPERSAMPLING
    colours: list[Rgb] = [tuple(int(v) for v in shade) for shade in shades]
    backdrop: Rgb = tuple(int(v) for v in ground)
    image = Image.new("RGB", (frame, frame), backdrop)
    width = rng.uniform(34 - 14 * gap, 44 - 10 * gap) * SUPERSAMPLING
    height = width * rng.uniform(0.6, 0.75)
    slack = (frame - width) / 6
    left, top = (frame - width) / 2 + rng.normal(0, slack / 2), (frame - height) / 2
    cloth = (left, top, left + width, top + height)
    draw = ImageDraw.Draw(image)
    if layout in STRIPES:
        _bands(draw, cloth, colours, upright=layout == "vertical")
    else:
        draw.rectangle(cloth, fill=colours[0])
        _emblem(draw, cloth, layout, colours[1])
    turned = image.rotate(
        rng.normal(0, 3 + 16 * gap), Image.Resampling.BILINEAR, fillcolor=backdrop
    )
    picture = np.asarray(turned.reduce(SUPERSAMPLING), np.float32)
    return _wave(picture, rng, gap)


def _wave(picture: np.ndarray, rng: np.random.Generator, gap: float) -> np.ndarray:
    columns = np.arange(SIDE)
    swing = np.sin(columns / rng.uniform(3.5, 6) + rng.uniform(0, 6))
    lift = np.round(swing * rng.uniform(0, 5) * gap).astype(int)
    rows = np.clip(np.arange(SIDE)[:, None] + lift[None, :], 0, SIDE - 1)
    light = 1 + 0.35 * gap * swing
    return picture[rows, columns[None, :]] * light[None, :, None].astype(np.float32)
