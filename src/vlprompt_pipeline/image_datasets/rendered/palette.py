"""The colours of the rendered world, how they vary, and the frame they fill."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from PIL import Image

SIDE = 48  # pixels: every picture is SIDE x SIDE
SUPERSAMPLING = 2  # masks are drawn this many times larger, then reduced, for smooth edges

RGB = {
    "red": (215, 35, 40),
    "orange": (240, 135, 25),
    "yellow": (245, 220, 45),
    "green": (40, 150, 60),
    "blue": (40, 85, 215),
    "purple": (130, 50, 165),
    "pink": (245, 140, 185),
    "brown": (125, 75, 35),
    "black": (22, 22, 24),
    "white": (244, 244, 242),
    "gray": (130, 130, 132),
    "teal": (25, 150, 150),
    "navy": (20, 30, 95),
    "lime": (160, 225, 50),
}
COLOURS = tuple(RGB)

ROWS, COLUMNS = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)

_MIN_CONTRAST = 150  # summed over R, G and B: below it a mask melts into its background


def shade(name: str, rng: np.random.Generator, gap: float) -> np.ndarray:
    """Return one sample of a named colour.

    It is float32 `[3]` in 0..255, spread widened by `gap` in 0..1.
    """
    jitter = 12 + 12 * gap
    value = np.asarray(RGB[name]) + rng.normal(0, jitter, 3) + rng.normal(0, jitter * 0.7)
    return np.clip(value, 0, 255).astype(np.float32)


def pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    """Draw one of `options`, each as likely."""
    return options[rng.integers(len(options))]


def contrasts(first: str, second: str) -> bool:
    """Tell whether two named colours can be told apart side by side."""
    return sum(abs(a - b) for a, b in zip(RGB[first], RGB[second], strict=True)) > _MIN_CONTRAST


def contrasting(rng: np.random.Generator, others: Collection[str]) -> str:
    """Draw a colour that stands out from `others` (white or black if none comes soon)."""
    for _ in range(10):
        name = pick(rng, COLOURS)
        if all(contrasts(name, other) for other in others):
            return name
    return "white" if "white" not in others else "black"


def smooth_noise(rng: np.random.Generator, cells: int, amplitude: float) -> np.ndarray:
    """Return low-frequency noise, float32 `[SIDE, SIDE]`.

    `cells` x `cells` normal values, enlarged.
    """
    coarse = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) * amplitude


def to_bytes(picture: np.ndarray) -> Image.Image:
    """Return a float picture `[SIDE, SIDE, 3]` in 0..255 as an 8-bit image, clipped."""
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
