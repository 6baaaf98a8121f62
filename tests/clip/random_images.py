"""Image files of noise, as an index knows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vlprompt_pipeline.clip import ImageSet
from vlprompt_pipeline.filesystem.files import sha256_file


def random_images(folder: Path, count: int) -> ImageSet:
    """Write so many pictures, no two of one size; they are known by their content."""
    draw = np.random.default_rng(0)
    names = tuple(f"{number}.png" for number in range(count))
    for number, name in enumerate(names):
        pixels = draw.integers(0, 256, (40 + number, 52, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return ImageSet(folder, names, tuple(f"sha256:{sha256_file(folder / name)}" for name in names))
