"""Letters and digits, in fonts that matplotlib ships and that are pinned by hash."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.filesystem.files import sha256_file
from vlprompt_pipeline.image_datasets.rendered.palette import SIDE, SUPERSAMPLING
from vlprompt_pipeline.image_datasets.rendered.shapes import Pose

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
GLYPHS = tuple(f"letter {name}" for name in LETTERS) + tuple(f"digit {name}" for name in DIGITS)

FONTS = {  # file: first 16 hex digits of its SHA-256 (DejaVu 2.37, as in matplotlib 3.x)
    "DejaVuSans.ttf": "3fdf69cabf06049e",
    "DejaVuSans-Bold.ttf": "b184b89e3c1075f2",
    "DejaVuSerif.ttf": "107244956e9962b9",
    "DejaVuSerif-Bold.ttf": "c3753f2ed6bc673f",
    "DejaVuSansMono.ttf": "602ec86b8948cfcd",
    "DejaVuSansMono-Bold.ttf": "baada9a5172fe208",
    "DejaVuSansMono-BoldOblique.ttf": "a69081c15c76c827",
    "DejaVuSerif-BoldItalic.ttf": "d93efec7a9d2e826",
}
_TRAINING_FONTS = tuple(FONTS)[:6]
_UNFAMILIAR_FONTS = tuple(FONTS)[6:]


def font_path(name: str) -> Path:
    """Say where matplotlib keeps the font `name`."""
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name


@cache
def load_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Load one of matplotlib's fonts.

    Raises:
        DataError: it is not there, or another one than the datasets are defined with.
    """
    path = font_path(name)
    if not path.is_file() or not sha256_file(path).startswith(FONTS[name]):
        raise DataError(
            f"the font {path} is missing or not the one the rendered datasets are defined with; "
            "reinstall matplotlib 3.9 or newer from its official wheel"
        )
    return ImageFont.truetype(path, size)


def glyph_mask(name: str, rng: np.random.Generator, pose: Pose, gap: float) -> np.ndarray:
    """Return coverage of the glyph: float32 `[SIDE, SIDE]` in 0..1.

    Slanted fonts come with `gap`.
    """
    kind, sign = name.split()
    text = sign.upper() if kind == "letter" else str(DIGITS.index(sign))
    fonts = _UNFAMILIAR_FONTS if rng.random() < gap else _TRAINING_FONTS
    font = load_font(fonts[rng.integers(len(fonts))], round(2.2 * pose.radius) * SUPERSAMPLING)
    image = Image.new("L", (SIDE * SUPERSAMPLING, SIDE * SUPERSAMPLING), 0)
    centre = (pose.x * SUPERSAMPLING, pose.y * SUPERSAMPLING)
    ImageDraw.Draw(image).text(centre, text, font=font, fill=255, anchor="mm")
    turned = image.rotate(-math.degrees(pose.rotation), Image.Resampling.BILINEAR, center=centre)
    return np.asarray(turned.reduce(SUPERSAMPLING), np.float32) / 255
